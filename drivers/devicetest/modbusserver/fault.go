package modbusserver

import (
	"encoding/binary"
	"time"
)

// Exchange is one request and what goes back for it. A Fault changes it.
type Exchange struct {
	N       int    // counts the exchanges since the fault was set, from 0, over all connections
	Request []byte // whole frame, header included; not to be changed
	// Answers is what is written to the client: the server's one frame at first; none for silence.
	Answers [][]byte
	Delay   time.Duration // between the server's answer and its writing; delays of several answers overlap
	End     End           // what happens to the connection once Answers are written
}

// End says what becomes of a connection after an answer.
type End uint8

// The ends of a connection.
const (
	Stay       End = iota // it stays
	Cut                   // it is closed both ways
	CloseWrite            // the device's half is closed; it goes on reading and says nothing more
)

// Fault edits exchanges. It is called by one goroutine at a time, so it may keep state in its closure.
type Fault func(*Exchange)

const (
	headerSize = 7 // transaction id, protocol id, length, unit id
	maxFrame   = 260
)

// Unit returns the request's unit id.
func (e *Exchange) Unit() uint8 { return e.Request[6] }

// Function returns the request's function code.
func (e *Exchange) Function() uint8 { return e.Request[7] }

// Address returns the request's first address, 0 when it has none.
func (e *Exchange) Address() int {
	if len(e.Request) < 10 {
		return 0
	}
	return int(binary.BigEndian.Uint16(e.Request[8:]))
}

// Quantity returns how many addresses the request reads, 0 when it says nothing about it.
func (e *Exchange) Quantity() int {
	if len(e.Request) < 12 {
		return 0
	}
	return int(binary.BigEndian.Uint16(e.Request[10:]))
}

// Delay holds each answer back by d. Answers to pipelined requests wait at the same time, as on a long line.
func Delay(d time.Duration) Fault { return func(e *Exchange) { e.Delay += d } }

// Late is Delay by its other name, for an answer that comes after its timeout.
func Late(d time.Duration) Fault { return Delay(d) }

// Drop answers nothing.
func Drop() Fault { return func(e *Exchange) { e.Answers = nil } }

// Refuse answers the exception code.
func Refuse(code Exception) Fault {
	return func(e *Exchange) {
		f := append([]byte(nil), e.Request[:headerSize+1]...)
		binary.BigEndian.PutUint16(f[4:], 3)
		f[7] |= 0x80
		e.Answers = [][]byte{append(f, byte(code))}
	}
}

// Garbage answers bytes that are no frame at all.
func Garbage(b []byte) Fault { return func(e *Exchange) { e.Answers = [][]byte{b} } }

// Truncate answers only the first n bytes of each frame.
func Truncate(n int) Fault {
	return edit(func(f []byte) []byte { return f[:min(n, len(f))] })
}

// Short leaves the last register out of each answer, which stays a well-formed frame.
func Short() Fault {
	return edit(func(f []byte) []byte {
		if len(f) < headerSize+4 {
			return f
		}
		f = f[:len(f)-2]
		f[8] -= 2
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-6))
		return f
	})
}

// Long adds a register to each answer, which stays a well-formed frame.
func Long() Fault {
	return edit(func(f []byte) []byte {
		if len(f)+2 > maxFrame || len(f) < headerSize+2 {
			return f
		}
		f = append(f, 0xAB, 0xCD)
		f[8] += 2
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-6))
		return f
	})
}

// WrongID answers under the transaction id of a request that was never made.
func WrongID() Fault { return edit(func(f []byte) []byte { f[0] ^= 0x55; return f }) }

// WrongUnit answers in another unit's name.
func WrongUnit() Fault { return edit(func(f []byte) []byte { f[6]++; return f }) }

// WrongFunction answers as if another function had been asked for, without an exception's bit.
func WrongFunction() Fault { return edit(func(f []byte) []byte { f[7] ^= 0x07; return f }) }

// WrongProtocol answers with a protocol id that is not Modbus.
func WrongProtocol() Fault { return edit(func(f []byte) []byte { f[2] = 0x13; return f }) }

// WrongLength answers a header whose length is n.
func WrongLength(n uint16) Fault {
	return edit(func(f []byte) []byte { binary.BigEndian.PutUint16(f[4:], n); return f })
}

// Twice answers everything two times.
func Twice() Fault { return func(e *Exchange) { e.Answers = append(e.Answers, e.Answers...) } }

// Stray sends an answer to a request that was never made before each true one. Its values are all ones.
func Stray() Fault {
	return func(e *Exchange) {
		for _, a := range e.Answers {
			stray := append([]byte(nil), a...)
			stray[0] ^= 0x55
			for i := headerSize + 2; i < len(stray); i++ {
				stray[i] = 0xFF
			}
			e.Answers = append([][]byte{stray}, e.Answers...)
		}
	}
}

// Reverse holds answers back until there are n, and gives them in reverse order.
// A client that never has n requests outstanding waits for ever.
func Reverse(n int) Fault {
	var held [][]byte
	return func(e *Exchange) {
		held = append(e.Answers, held...)
		e.Answers = nil
		if len(held) >= n {
			e.Answers, held = held, nil
		}
	}
}

// HangUp closes the connection instead of answering.
func HangUp() Fault { return func(e *Exchange) { e.Answers, e.End = nil, Cut } }

// HalfClose closes the device's half of the connection instead of answering, and goes on reading.
func HalfClose() Fault { return func(e *Exchange) { e.Answers, e.End = nil, CloseWrite } }

// First applies f to the first n exchanges only.
func First(n int, f Fault) Fault {
	return func(e *Exchange) {
		if e.N < n {
			f(e)
		}
	}
}

// Nth applies f to every exchange whose number is n modulo of.
func Nth(n, of int, f Fault) Fault {
	return func(e *Exchange) {
		if e.N%of == n {
			f(e)
		}
	}
}

// Unit applies f to one unit's exchanges only.
func Unit(unit uint8, f Fault) Fault {
	return func(e *Exchange) {
		if e.Unit() == unit {
			f(e)
		}
	}
}

// Addresses applies f to the exchanges that touch an address from first to last.
func Addresses(first, last int, f Fault) Fault {
	return func(e *Exchange) {
		if e.Address() <= last && e.Address()+e.Quantity() > first {
			f(e)
		}
	}
}

// MoreThan applies f to the exchanges that ask for more than n addresses at once.
func MoreThan(n int, f Fault) Fault {
	return func(e *Exchange) {
		if e.Quantity() > n {
			f(e)
		}
	}
}

// All applies each fault in turn.
func All(faults ...Fault) Fault {
	return func(e *Exchange) {
		for _, f := range faults {
			f(e)
		}
	}
}

// edit returns a fault that passes a copy of each answer through change.
func edit(change func([]byte) []byte) Fault {
	return func(e *Exchange) {
		for i, a := range e.Answers {
			e.Answers[i] = change(append(make([]byte, 0, maxFrame+2), a...))
		}
	}
}
