package field

import (
	"sync"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
)

// polls counts how often all registers that a device's entries name were read. It is safe for concurrent use.
type polls struct {
	mu       sync.Mutex
	table    modbusserver.Table
	round    uint64   // the present one, from 1
	seen     []uint64 // by address: the last round in which it was read
	wanted   []bool
	all      int // how many are wanted
	left     int // of them in this round
	complete int
}

func newPolls(d Device) *polls {
	p := &polls{table: tableOf(d), round: 1, seen: make([]uint64, d.Registers()), wanted: make([]bool, d.Registers())}
	for _, e := range d.Entries {
		for i := e.Address; i < e.Address+e.Count; i++ {
			if !p.wanted[i] {
				p.all++
			}
			p.wanted[i] = true
		}
	}
	p.left = p.all
	return p
}

// read notes that n registers from address on were read.
func (p *polls) read(address, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := address; i < address+n; i++ {
		if !p.wanted[i] || p.seen[i] == p.round {
			continue
		}
		p.seen[i] = p.round
		p.left--
	}
	if p.left == 0 {
		p.complete++
		p.round++
		p.left = p.all
	}
}

// restart begins to count from 0.
func (p *polls) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round++
	p.left, p.complete = p.all, 0
}

func (p *polls) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.complete
}

// watched is a device's memory whose polls are counted.
type watched struct {
	*modbusserver.Registers
	polls *polls
}

// ReadWords implements modbusserver.Memory.
func (w watched) ReadWords(unit uint8, table modbusserver.Table, address uint16, into []uint16) error {
	if err := w.Registers.ReadWords(unit, table, address, into); err != nil {
		return err
	}
	if table == w.polls.table {
		w.polls.read(int(address), len(into))
	}
	return nil
}
