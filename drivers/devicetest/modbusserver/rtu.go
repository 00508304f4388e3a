package modbusserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// RTU is a Modbus RTU device on a line: a pseudo-terminal, or a TCP port as a serial server offers it. It serves one request at a
// time, as a line does, from a Memory, and knows the same faults as Server; frames are edited as if they were Modbus TCP and lose their header.
type RTU struct {
	memory Memory
	close  func() error
	addr   string
	wg     sync.WaitGroup
	done   chan struct{}

	mu    sync.Mutex
	fault Fault
	seen  int
	lines map[io.Closer]bool
	ended bool
}

// StartRTU serves memory as RTU frames at a TCP address until Close.
func StartRTU(addr string, memory Memory) (*RTU, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("starting an RTU device at %s: %w", addr, err)
	}
	r := newRTU(memory)
	r.addr, r.close = l.Addr().String(), l.Close
	r.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			r.wg.Go(func() { r.serve(conn) })
		}
	})
	return r, nil
}

func newRTU(memory Memory) *RTU {
	return &RTU{memory: memory, done: make(chan struct{}), lines: map[io.Closer]bool{}}
}

// Addr returns the TCP address, or the path of the terminal that clients open.
func (r *RTU) Addr() string { return r.addr }

// SetFault makes every later answer pass through f; nil ends all faults.
func (r *RTU) SetFault(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.seen = f, 0
}

// Close ends the device. It may be called twice.
func (r *RTU) Close() error {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return nil
	}
	r.ended = true
	close(r.done)
	for l := range r.lines {
		l.Close()
	}
	r.mu.Unlock()
	err := r.close()
	r.wg.Wait()
	return err
}

// serve answers what comes on a line until it ends.
func (r *RTU) serve(line io.ReadWriteCloser) {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		line.Close()
		return
	}
	r.lines[line] = true
	r.mu.Unlock()
	defer func() {
		line.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.lines, line)
	}()
	var in []byte
	buf := make([]byte, maxFrame)
	for {
		request := firstRTURequest(&in)
		if request != nil {
			if !r.exchange(line, request) {
				return
			}
			continue
		}
		n, err := line.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
	}
}

// exchange answers one request, and reports whether the line goes on.
func (r *RTU) exchange(line io.ReadWriteCloser, request []byte) bool {
	framed := header(request)
	r.mu.Lock()
	e := Exchange{N: r.seen, Request: framed, Answers: [][]byte{header(Answer(r.memory, request))}}
	r.seen++
	if r.fault != nil {
		r.fault(&e)
	}
	r.mu.Unlock()
	if e.Delay > 0 {
		select {
		case <-time.After(e.Delay):
		case <-r.done:
			return false
		}
	}
	var out []byte
	for _, a := range e.Answers {
		out = append(out, RTUFrame(a)...)
	}
	if len(out) > 0 {
		if _, err := line.Write(out); err != nil {
			return false
		}
	}
	switch e.End {
	case Cut:
		return false
	case CloseWrite:
		if tcp, ok := line.(*net.TCPConn); ok {
			tcp.CloseWrite()
			return true
		}
		return false
	}
	return true
}

// header puts body, from its unit id on, behind the header of Modbus TCP.
func header(body []byte) []byte {
	f := make([]byte, 6, 6+len(body))
	binary.BigEndian.PutUint16(f[4:], uint16(len(body)))
	return append(f, body...)
}

// RTUFrame returns a Modbus TCP frame as RTU; what is none comes back as it is.
func RTUFrame(f []byte) []byte {
	if len(f) < 8 || int(binary.BigEndian.Uint16(f[4:])) != len(f)-6 {
		return f
	}
	body := f[6:]
	return binary.LittleEndian.AppendUint16(append([]byte(nil), body...), checksum(body))
}

// firstRTURequest takes the first request out of in, without its checksum; nil when there is none yet. What is no request is dropped.
func firstRTURequest(in *[]byte) []byte {
	for b := *in; len(b) >= 8; b = b[1:] {
		n := 8
		if b[1] == 15 || b[1] == 16 {
			n = 9 + int(b[6])
		}
		if len(b) < n {
			*in = b
			return nil
		}
		if binary.LittleEndian.Uint16(b[n-2:]) == checksum(b[:n-2]) {
			*in = b[n:]
			return b[:n-2]
		}
		*in = b[1:]
	}
	return nil
}

// checksum is the CRC-16 of RTU frames.
func checksum(b []byte) uint16 {
	sum := uint16(0xFFFF)
	for _, c := range b {
		sum ^= uint16(c)
		for range 8 {
			carry := sum&1 == 1
			sum >>= 1
			if carry {
				sum ^= 0xA001
			}
		}
	}
	return sum
}

// Answer returns what a device with this memory answers to a request; both begin with the unit id.
func Answer(m Memory, request []byte) []byte {
	if len(request) < 6 {
		return []byte{request[0], request[1] | 0x80, byte(IllegalValue)}
	}
	data, err := answerData(m, request)
	if err != nil {
		code := DeviceFailure
		errors.As(err, &code)
		return []byte{request[0], request[1] | 0x80, byte(code)}
	}
	return append([]byte{request[0], request[1]}, data...)
}

func answerData(m Memory, request []byte) ([]byte, error) {
	unit, address, quantity := request[0], binary.BigEndian.Uint16(request[2:]), binary.BigEndian.Uint16(request[4:])
	switch request[1] {
	case 1, 2:
		bits := make([]bool, quantity)
		table := map[byte]Table{1: Coils, 2: Discretes}[request[1]]
		if err := m.ReadBits(unit, table, address, bits); err != nil {
			return nil, err
		}
		out := make([]byte, 1+(len(bits)+7)/8)
		out[0] = byte(len(out) - 1)
		for i, b := range bits {
			if b {
				out[1+i/8] |= 1 << (i % 8)
			}
		}
		return out, nil
	case 3, 4:
		words := make([]uint16, quantity)
		table := map[byte]Table{3: Holding, 4: Input}[request[1]]
		if err := m.ReadWords(unit, table, address, words); err != nil {
			return nil, err
		}
		out := []byte{byte(2 * len(words))}
		for _, w := range words {
			out = binary.BigEndian.AppendUint16(out, w)
		}
		return out, nil
	case 6:
		return request[2:6], m.WriteWords(unit, address, []uint16{quantity})
	case 16:
		words := make([]uint16, quantity)
		if len(request) != 7+2*len(words) {
			return nil, IllegalValue
		}
		for i := range words {
			words[i] = binary.BigEndian.Uint16(request[7+2*i:])
		}
		return request[2:6], m.WriteWords(unit, address, words)
	}
	return nil, IllegalFunction
}
