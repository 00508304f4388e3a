package modbus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// minTicketKey is the shortest key that hashes tickets, in bytes.
const minTicketKey = 16

// acknowledging is a connection that tells rings what is durable.
type acknowledging struct{ *Conn }

// Acknowledge implements drivers.Acknowledger: it writes the number up to which a ring is durable, counted as its head is, to the
// ring's cursor register. A device that refuses that is asked for nothing more; one that does not answer is told at the next poll.
func (a acknowledging) Acknowledge(ctx context.Context, cursor point.Cursor) error {
	r := a.source.ringOf(cursor.Name)
	if r == nil {
		return nil // a counter's
	}
	if a.told == nil {
		a.told = map[*ring]uint64{}
	}
	generation, next, err := parseRingCursor(cursor.Bytes)
	if err != nil || generation != r.generation {
		return nil // of a ring that is no more
	}
	a.told[r] = next
	if err := a.line.watch(ctx); err != nil {
		return err
	}
	return a.tell(ctx)
}

// ringOf returns the ring whose cursor has a name, if it is to be told.
func (s *Source) ringOf(name point.Name) *ring {
	for _, r := range s.rings {
		if r.outlets[0].Point.Name == name && r.cursor.given() {
			return r
		}
	}
	return nil
}

// tell writes what rings have not been told yet.
func (c *Conn) tell(ctx context.Context) error {
	for _, r := range c.source.rings {
		next, some := c.told[r]
		if !some || c.source.units[r.place.unit].isSuspended() {
			continue
		}
		if err := c.pause(ctx); err != nil {
			return err
		}
		err := c.write(r.place.unit, r.cursor, next%r.wrap)
		var refusal *goburrow.ModbusError
		switch {
		case err == nil:
		case errors.As(err, &refusal):
			if !c.unwilling {
				c.unwilling = true
				c.source.log.Warn("the device refuses to be told what is durable; set acknowledges: false if that is as it should be", "ring", r.outlets[0].Point.Name, "err", err)
			}
		case errors.Is(err, errMalformed), errors.Is(err, os.ErrDeadlineExceeded) && c.line.misses < maxMisses:
			continue // again at the next poll
		default:
			return &drivers.Error{Op: fmt.Sprintf("tell ring %s what is durable", r.outlets[0].Point.Name), Err: err}
		}
		delete(c.told, r)
	}
	return nil
}

// write sets a number in holding registers.
func (c *Conn) write(unit uint8, at register, v uint64) error {
	b := make([]byte, 2*int(at.shape.width))
	at.shape.store(b, v)
	client := c.client(unit)
	var err error
	if len(b) == 2 {
		_, err = client.WriteSingleRegister(at.address, uint16(b[0])<<8|uint16(b[1]))
	} else {
		_, err = client.WriteMultipleRegisters(at.address, uint16(at.shape.width), b)
	}
	return err
}

// acknowledges reports whether some ring is to be told what is durable.
func (s *Source) acknowledges() bool {
	if !s.options.acknowledges() {
		return false
	}
	for _, r := range s.rings {
		if r.cursor.given() {
			return true
		}
	}
	return false
}

// restore takes up where durable cursors left off, once, and reads the tickets' key, each time.
func (s *Source) restore() error {
	for _, r := range s.rings {
		if r.known {
			continue
		}
		var cursor []byte
		some := false
		if s.device.Cursor != nil {
			cursor, some = s.device.Cursor(r.outlets[0].Point.Name)
		}
		if err := r.restore(cursor, some); err != nil {
			s.log.Error(err.Error(), "ring", r.outlets[0].Point.Name)
		}
	}
	if s.options.Tickets != ticketsHashed || s.options.TicketKey == "" {
		return nil
	}
	key, err := os.ReadFile(s.options.TicketKey)
	if err == nil {
		key = []byte(strings.TrimSpace(string(key)))
		if len(key) < minTicketKey {
			err = fmt.Errorf("%s holds %d bytes, %d at least make a key", s.options.TicketKey, len(key), minTicketKey)
		}
	}
	if err != nil {
		return &drivers.Error{Op: "read the key that hashes tickets", Failure: drivers.Permanent, Err: err}
	}
	s.tickets.key = key
	return nil
}

var _ drivers.Acknowledger = acknowledging{}
