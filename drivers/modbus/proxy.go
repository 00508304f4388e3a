package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/sync/policy"
)

// The limits of a proxy's clients.
const (
	proxyClients = 16
	proxyIdle    = time.Minute
	proxyEvery   = time.Millisecond // between requests of a client, in the long run
	proxyBurst   = 100
	proxyScans   = 3 // values that missed so many scans are not given any more
	proxyOldest  = 5 * time.Second
)

// proxy is a read-only Modbus TCP server of the last values, for devices that take one client only. It lives as long as the connection
// to the device: while that is down, clients are refused.
type proxy struct {
	listener net.Listener
	image    *image
	oldest   time.Duration // of what is given
	clock    interface{ Mono() int64 }
	log      *slog.Logger
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// startProxy serves the image at addr until close.
func startProxy(addr string, m *image, oldest time.Duration, clock interface{ Mono() int64 }, log *slog.Logger) (*proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("offering the device's values to others: %w", err)
	}
	p := &proxy{listener: l, image: m, oldest: oldest, clock: clock, log: log, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

// close ends the server and its clients, and waits for them.
func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.listener.Close()
	p.wg.Wait()
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.log.Error("the proxy ends", "err", err)
			}
			return
		}
		p.mu.Lock()
		if p.closed || len(p.conns) >= proxyClients {
			p.mu.Unlock()
			conn.Close()
			continue
		}
		p.conns[conn] = true
		p.mu.Unlock()
		p.wg.Go(func() {
			p.serve(conn)
			conn.Close()
			p.mu.Lock()
			delete(p.conns, conn)
			p.mu.Unlock()
		})
	}
}

// serve answers one client until it goes away, is idle for too long, or sends what is no request.
func (p *proxy) serve(conn net.Conn) {
	rate := policy.NewBucket(proxyEvery, proxyBurst)
	in, n := make([]byte, 2*(prefixSize+maxLength)), 0
	out := make([]byte, 0, prefixSize+maxLength)
	for {
		frame, err := nextFrame(in[:n])
		if err != nil {
			return
		}
		if frame == nil {
			conn.SetDeadline(time.Now().Add(proxyIdle)) // fails only on a closed connection
			more, err := conn.Read(in[n:])
			if err != nil {
				return
			}
			n += more
			continue
		}
		time.Sleep(min(rate.Take(p.clock.Mono()), time.Second))
		out = p.answer(out[:0], frame)
		n = copy(in, in[len(frame):n])
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// answer appends the answer to a request.
func (p *proxy) answer(out, frame []byte) []byte {
	out = append(out, frame[:prefixSize+2]...)
	exception := byte(0)
	body := frame[prefixSize:]
	if t, ok := tableOf(body[1]); !ok {
		exception = goburrow.ExceptionCodeIllegalFunction // writes too: there is one writer, or none
	} else if len(body) != 6 {
		exception = goburrow.ExceptionCodeIllegalDataValue
	} else if quantity := int(binary.BigEndian.Uint16(body[4:])); quantity < 1 || quantity > t.most() {
		exception = goburrow.ExceptionCodeIllegalDataValue
	} else {
		var data []byte
		at := place{body[0], t, binary.BigEndian.Uint16(body[2:])}
		if data, exception = p.image.read(append(out, 0), at, quantity, p.clock.Mono()-int64(p.oldest)); exception == 0 {
			data[len(out)] = byte(len(data) - len(out) - 1)
			out = data
		}
	}
	if exception != 0 {
		out[prefixSize+1] |= 0x80
		out = append(out, exception)
	}
	binary.BigEndian.PutUint16(out[4:], uint16(len(out)-prefixSize))
	return out
}

// tableOf returns the table that a function reads.
func tableOf(function byte) (Table, bool) {
	for _, t := range [...]Table{Coil, Discrete, Input, Holding} {
		if t.function() == function {
			return t, true
		}
	}
	return 0, false
}

// most returns how many addresses one request may read.
func (t Table) most() int {
	if t.isBits() {
		return maxBits
	}
	return maxRegisters
}
