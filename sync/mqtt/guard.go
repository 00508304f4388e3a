package mqtt

import (
	"fmt"
	"sync/atomic"
)

// Types of inbound packets, in the high half of the first byte.
const (
	connack  = 0x20
	publish  = 0x30
	suback   = 0x90
	pingresp = 0xD0
)

// guard follows the packet borders of the inbound stream and refuses what the library would not survive: it allocates
// whatever length a packet declares, keeps QoS 2 messages until they are released, and indexes its
// subscriptions by a SUBACK's codes without looking. Everything else is left to the library.
type guard struct {
	maxBytes int
	filters  *atomic.Int32 // filters of the SUBSCRIBE that waits for its answer

	first  byte // of the packet whose header is being read
	digits int  // of its length, read so far
	inside bool // a header has begun
	length int
	skip   int // bytes of the current packet still to come
}

// check follows b, which may begin and end anywhere in a packet.
func (g *guard) check(b []byte) error {
	for len(b) > 0 {
		if g.skip > 0 {
			n := min(g.skip, len(b))
			g.skip -= n
			b = b[n:]
			continue
		}
		c := b[0]
		b = b[1:]
		if !g.inside {
			g.first, g.inside, g.digits, g.length = c, true, 0, 0
			continue
		}
		if g.digits == 4 {
			return fmt.Errorf("the broker sent a packet whose length has more than four digits")
		}
		g.length |= int(c&0x7F) << (7 * g.digits)
		g.digits++
		if c&0x80 != 0 {
			continue
		}
		g.inside, g.skip = false, g.length
		if err := g.judge(); err != nil {
			return err
		}
	}
	return nil
}

// judge refuses a packet by its header.
func (g *guard) judge() error {
	kind := g.first & 0xF0
	switch {
	case g.length > g.maxBytes:
		return fmt.Errorf("the broker sent a packet of %d bytes, at most %d are allowed", g.length, g.maxBytes)
	case kind == publish && g.first&0x06 > 0x02:
		return fmt.Errorf("the broker sent a message with QoS 2, which was not subscribed to")
	case kind == suback && g.length > 2+int(g.filters.Load()):
		return fmt.Errorf("the broker granted more subscriptions than were asked for")
	case (kind == connack || kind == pingresp) && g.length > 2:
		return fmt.Errorf("the broker sent a packet of type %d with %d bytes", kind>>4, g.length)
	}
	return nil
}
