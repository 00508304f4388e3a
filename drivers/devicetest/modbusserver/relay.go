package modbusserver

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// relay passes whole frames between clients and the library's server, answers through the fault.
type relay struct {
	listener net.Listener
	upstream string
	wg       sync.WaitGroup

	mu     sync.Mutex
	fault  Fault
	seen   int // exchanges since the fault was set
	conns  map[net.Conn]struct{}
	live   int
	closed bool
}

func startRelay(addr, upstream string) (*relay, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, upstream: upstream, conns: map[net.Conn]struct{}{}}
	r.wg.Go(r.accept)
	return r, nil
}

func (r *relay) setFault(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.seen = f, 0
}

func (r *relay) clients() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live
}

func (r *relay) close() error {
	r.mu.Lock()
	r.closed = true
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	err := r.listener.Close()
	r.wg.Wait()
	return err
}

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		r.wg.Go(func() { r.serve(c) })
	}
}

// track registers c for close; it closes c and returns false when the relay is closed already.
func (r *relay) track(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		c.Close()
		return false
	}
	r.conns[c] = struct{}{}
	return true
}

func (r *relay) count(by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live += by
}

func (r *relay) drop(c net.Conn) {
	c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// serve relays one client until either side ends.
func (r *relay) serve(client net.Conn) {
	if !r.track(client) {
		return
	}
	defer r.drop(client)
	r.count(1)
	defer r.count(-1)
	device, err := net.Dial("tcp", r.upstream)
	if err != nil || !r.track(device) {
		return
	}
	defer r.drop(device)

	requests := make(chan []byte, 1024) // more than any client keeps outstanding
	answers := make(chan parcel, 1024)
	var wg sync.WaitGroup
	wg.Go(func() { // ends when the client or the device does
		defer close(requests)
		defer device.Close()
		in := bufio.NewReader(client)
		for {
			f, err := readFrame(in)
			if err != nil {
				return
			}
			requests <- f
			if _, err := device.Write(f); err != nil {
				return
			}
		}
	})
	wg.Go(func() { // ends when the device does, which the one above sees to
		defer close(answers)
		in := bufio.NewReader(device)
		for request := range requests {
			f, err := readFrame(in)
			if err != nil {
				break
			}
			answers <- r.edit(request, f)
		}
		for range requests { // let the reader above come to its end
		}
	})
	r.write(client, answers)
	client.Close()
	for range answers {
	}
	wg.Wait()
}

// parcel is what is due to be written at a time.
type parcel struct {
	due    time.Time
	frames [][]byte
	end    End
}

func (r *relay) edit(request, answer []byte) parcel {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := Exchange{N: r.seen, Request: request, Answers: [][]byte{answer}}
	r.seen++
	if r.fault != nil {
		r.fault(&e)
	}
	return parcel{due: time.Now().Add(e.Delay), frames: e.Answers, end: e.End}
}

// write sends parcels when they are due, earliest first, until answers is closed or the client is gone.
func (r *relay) write(client net.Conn, answers <-chan parcel) {
	var queue []parcel
	out := bufio.NewWriterSize(client, 16<<10)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if len(queue) > 0 {
			timer.Reset(time.Until(queue[0].due))
		}
		select {
		case p, ok := <-answers:
			if !ok {
				return
			}
			at, _ := slices.BinarySearchFunc(queue, p, func(a, b parcel) int {
				if a.due.After(b.due) {
					return 1
				}
				return -1 // equal times keep their order
			})
			queue = slices.Insert(queue, at, p)
		case <-timer.C:
		}
		for len(queue) > 0 && !queue[0].due.After(time.Now()) {
			if !queue[0].write(client, out) {
				return
			}
			queue = queue[1:]
		}
		if len(answers) == 0 && out.Flush() != nil {
			return
		}
	}
}

// write reports whether the connection stays.
func (p parcel) write(client net.Conn, out *bufio.Writer) bool {
	for _, f := range p.frames {
		if _, err := out.Write(f); err != nil {
			return false
		}
	}
	switch p.end {
	case Cut:
		out.Flush()
		return false
	case CloseWrite:
		out.Flush()
		if tcp, ok := client.(*net.TCPConn); ok {
			tcp.CloseWrite()
		}
	}
	return true
}

// readFrame reads one frame with its header.
func readFrame(r io.Reader) ([]byte, error) {
	f := make([]byte, headerSize, maxFrame)
	if _, err := io.ReadFull(r, f); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(f[4:])) + 6
	if n < headerSize+1 || n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	f = f[:n]
	_, err := io.ReadFull(r, f[headerSize:])
	return f, err
}
