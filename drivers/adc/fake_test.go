package adc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// fakeBus is an I2C bus with ADS1115s that convert as real ones do, or SPI chip selects with MCPs.
type fakeBus struct {
	mu      sync.Mutex
	chips   map[int]*fakeChip
	away    bool
	denied  bool
	slow    time.Duration // of each exchange
	silent  bool          // exchanges end with the kernel's timeout
	garbage bool
	timeout time.Duration
	log     []string // every exchange, when kept
	keep    bool
}

// fakeChip is one converter.
type fakeChip struct {
	input   [8]int // counts
	config  uint16
	latched int
	busy    int // times that it is asked before a conversion is ready
	left    int
	absent  bool
}

func newFakeBus(addresses ...int) *fakeBus {
	b := &fakeBus{chips: make(map[int]*fakeChip), timeout: 50 * time.Millisecond}
	for _, a := range addresses {
		b.chips[a] = &fakeChip{config: 0x8583}
	}
	return b
}

func (b *fakeBus) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *fakeBus) openI2C(options) (i2c.BusCloser, error) { return &fakeI2C{b}, b.opening() }

func (b *fakeBus) openSPI(_ options, selected int) (spiChip, error) {
	return &fakeSPI{b, selected}, b.opening()
}

func (b *fakeBus) opening() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.denied:
		return fmt.Errorf("open the bus: %w", os.ErrPermission)
	case b.away:
		return fmt.Errorf("open the bus: %w", os.ErrNotExist)
	}
	return nil
}

// exchange makes one exchange with the chip at a place.
func (b *fakeBus) exchange(at int, w, r []byte, answer func(c *fakeChip, w, r []byte)) error {
	b.mu.Lock()
	slow, silent, timeout := b.slow, b.silent, b.timeout
	b.mu.Unlock()
	if silent {
		time.Sleep(timeout) // as the kernel: nothing can end it
		return syscall.ETIMEDOUT
	}
	time.Sleep(slow)
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.chips[at]
	switch {
	case b.away:
		return syscall.ENODEV
	case c == nil || c.absent && r == nil, c.absent && len(w) == 1:
		return syscall.EREMOTEIO
	}
	answer(c, w, r)
	if b.garbage {
		for i := range r {
			r[i] = byte(rand.Uint32())
		}
		if len(r) == 2 {
			r[1] |= 4 // never what was written
		} else if len(r) == 3 {
			r[1] |= 0x14
		}
	}
	if b.keep {
		b.log = append(b.log, fmt.Sprintf("%#x %x %x", at, w, r))
	}
	return nil
}

type fakeI2C struct{ *fakeBus }

func (f *fakeI2C) String() string                  { return "fake" }
func (f *fakeI2C) SetSpeed(physic.Frequency) error { return errors.New("no") }
func (f *fakeI2C) Close() error                    { return nil }

// Tx answers as an ADS1115.
func (f *fakeI2C) Tx(address uint16, w, r []byte) error {
	return f.exchange(int(address), w, r, func(c *fakeChip, w, r []byte) {
		switch {
		case len(w) == 3 && w[0] == regConfig:
			c.config = uint16(w[1])<<8 | uint16(w[2])
			if c.config&configStart != 0 {
				c.left = c.busy
				c.latched = c.input[c.config>>12&3]
			}
		case len(w) == 1 && w[0] == regConfig && len(r) == 2:
			word := c.config | configStart
			if c.left > 0 {
				c.left--
				word &^= configStart
			}
			r[0], r[1] = byte(word>>8), byte(word)
		case len(w) == 1 && w[0] == regConversion && len(r) == 2:
			r[0], r[1] = byte(c.latched>>8), byte(c.latched)
		}
	})
}

type fakeSPI struct {
	*fakeBus
	at int
}

func (f *fakeSPI) Close() error { return nil }

// Tx answers as an MCP3008; nobody drives the line of an absent one, which is pulled up.
func (f *fakeSPI) Tx(w, r []byte) error {
	return f.exchange(f.at, w, r, func(c *fakeChip, w, r []byte) {
		if c.absent {
			r[0], r[1], r[2] = 0xff, 0xff, 0xff
			return
		}
		v := c.input[w[1]>>4&7]
		r[0], r[1], r[2] = 0, byte(v>>8&3), byte(v)
	})
}
