package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
)

const (
	counters = 8  // input registers 0…; 16 bits
	seats    = 40 // holding registers 0…
	beats    = 4  // holding registers beatsAt…
	beatsAt  = 1000

	maxRate    = 200 // counts a second that the configuration allows; the plant stays far below
	step       = 20 * time.Millisecond
	scanPeriod = 100 * time.Millisecond // as the gateways' configuration has it
	beatEvery  = 300 * time.Millisecond // a register that beats holds each value for so long
)

// plant is one PLC and what is true of it.
type plant struct {
	number    int
	registers *modbusserver.Registers
	server    *modbusserver.Server
	random    *rand.Rand

	mu     sync.Mutex
	first  [counters]uint64 // raw values, unwrapped
	now    [counters]uint64
	taken  [seats]bool
	beat   [beats]uint16
	beaten []time.Time // since when each beat was surely shown; beat n took the value n+1
	gone   []time.Time // until when the one before each surely was
}

func newPlant(number int, seed uint64) (*plant, error) {
	p := &plant{number: number, random: rand.New(rand.NewPCG(seed, uint64(number))),
		registers: modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Input: counters, Holding: beatsAt + beats}})}
	for i := range p.now {
		p.first[i] = uint64(65536 - p.random.IntN(100)) // each wraps during the run
		p.now[i] = p.first[i]
	}
	p.show()
	var err error
	p.server, err = modbusserver.Start("127.0.0.1:0", p.registers, modbusserver.Options{Direct: true})
	if err != nil {
		return nil, fmt.Errorf("starting the PLC of gateway %d: %w", number, err)
	}
	return p, nil
}

// show writes what is true into the registers. The caller holds mu or is alone.
func (p *plant) show() {
	b := p.registers.Unit(1)
	b.Update(func(v *modbusserver.Values) {
		for i, n := range p.now {
			v.Input[i] = uint16(n)
		}
		for i, taken := range p.taken {
			v.Holding[i] = 50
			if taken {
				v.Holding[i] = 600
			}
		}
		for i, n := range p.beat {
			v.Holding[beatsAt+i] = n
		}
	})
}

// run moves people until ctx ends.
func (p *plant) run(ctx context.Context) {
	t := time.NewTicker(step)
	defer t.Stop()
	last, shown := time.Time{}, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C: // its time may be long past on a busy machine
			now := time.Now()
			if now.Sub(shown) < step/2 {
				continue // two people at once would be faster than max_rate, and rightly taken for a reset
			}
			p.mu.Lock()
			for i := range p.now {
				p.now[i] += uint64(p.random.IntN(10) / 9)
			}
			if p.random.IntN(2) == 0 {
				p.taken[p.random.IntN(seats)] = p.random.IntN(2) == 0
			}
			beat := now.Sub(last) >= beatEvery
			if beat {
				last = now
				for i := range p.beat {
					p.beat[i]++
				}
				p.gone = append(p.gone, time.Now())
			}
			p.show()
			shown = time.Now()
			if beat {
				p.beaten = append(p.beaten, shown)
			}
			p.mu.Unlock()
		}
	}
}

// passages returns what one counter counted since the start.
func (p *plant) passages(counter int) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now[counter] - p.first[counter]
}
