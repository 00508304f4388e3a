package faulttest

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// relay is one connection through a proxy.
type relay struct {
	p           *Proxy
	front, back *net.TCPConn
	half        atomic.Bool // one end was lost and the other is to hear nothing of it
}

// run forwards in both directions until both have ended.
func (c *relay) run(seeds [2]uint64) {
	var ways sync.WaitGroup
	for i, d := range []*direction{{c: c, from: c.front, to: c.back}, {c: c, from: c.back, to: c.front}} {
		d.random = rand.New(rand.NewPCG(seeds[i], 1))
		queue := make(chan piece, queuedPieces)
		ways.Go(func() { d.read(queue) })
		ways.Go(func() { d.write(queue) })
	}
	ways.Wait()
	c.close()
}

func (c *relay) cut(how Cut) {
	if how == LoseFront || how == LoseBack {
		c.half.Store(true)
	}
	for _, end := range []struct {
		conn *net.TCPConn
		hit  bool
	}{{c.front, how != LoseBack}, {c.back, how != LoseFront}} {
		if !end.hit {
			continue
		}
		if how != Finish {
			_ = end.conn.SetLinger(0) // it may have ended by itself
		}
		_ = end.conn.Close()
	}
}

func (c *relay) close() { _ = c.front.Close(); _ = c.back.Close() }

// piece is some bytes on their way.
type piece struct {
	bytes []byte
	due   time.Time
}

// direction is one way of a relay.
type direction struct {
	c        *relay
	from, to *net.TCPConn
	random   *rand.Rand
	toFlip   int // bytes until the next flipped bit; 0 when none was drawn
}

// read takes what comes and stamps it with the time at which it is to arrive. Nothing is read while the link is held,
// so that the sender's buffers fill as they would.
func (d *direction) read(queue chan<- piece) {
	defer close(queue)
	for d.c.p.open() {
		buf := make([]byte, pieceBytes)
		n, err := d.from.Read(buf)
		if n > 0 {
			queue <- piece{buf[:n], time.Now().Add(d.c.p.Link().Delay)}
		}
		if err != nil {
			return
		}
	}
}

// write forwards pieces when they are due, then the end of the stream.
func (d *direction) write(queue <-chan piece) {
	broken := false
	for pc := range queue {
		if !broken && !d.forward(pc) {
			broken = true
			if !d.c.half.Load() {
				_ = d.from.Close() // the reader ends; it may have ended before
			}
		}
	}
	if !d.c.half.Load() {
		_ = d.to.CloseWrite() // it may be gone
	}
}

// forward sends one piece over the link as it is now, and reports whether it could be sent.
func (d *direction) forward(pc piece) bool {
	p := d.c.p
	if !d.wait(pc.due) || !p.open() {
		return false
	}
	l := p.Link()
	d.corrupt(pc.bytes, l.Corrupt)
	if l.Rate > 0 && !d.wait(time.Now().Add(time.Duration(len(pc.bytes))*time.Second/time.Duration(l.Rate))) {
		return false
	}
	n, err := d.to.Write(pc.bytes)
	p.count(int64(n), 0)
	return err == nil
}

// wait waits until a time and reports whether the proxy still runs.
func (d *direction) wait(until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return d.c.p.ctx.Err() == nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-d.c.p.ctx.Done():
		return false
	}
}

// corrupt flips one bit in so many bytes, on average.
func (d *direction) corrupt(b []byte, every int) {
	if every <= 0 {
		d.toFlip = 0
		return
	}
	if d.toFlip == 0 {
		d.toFlip = 1 + d.random.IntN(2*every)
	}
	at := 0
	for len(b)-at >= d.toFlip {
		at += d.toFlip
		b[at-1] ^= 1 << d.random.IntN(8)
		d.c.p.count(0, 1)
		d.toFlip = 1 + d.random.IntN(2*every)
	}
	d.toFlip -= len(b) - at
}
