package venue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// errSnapshot is what every error of reading a snapshot wraps.
var errSnapshot = errors.New("not a snapshot of this venue's state")

// packer writes the parts of a snapshot: varints, and bytes behind their length.
type packer struct {
	out    []byte
	epochs map[*point.Epoch]uint64 // by which number stamps refer to an epoch
}

func (p *packer) uint(v uint64)  { p.out = binary.AppendUvarint(p.out, v) }
func (p *packer) int(v int64)    { p.out = binary.AppendVarint(p.out, v) }
func (p *packer) raw(b []byte)   { p.out = append(p.out, b...) }
func (p *packer) bytes(b []byte) { p.uint(uint64(len(b))); p.raw(b) }
func (p *packer) text(s string)  { p.uint(uint64(len(s))); p.out = append(p.out, s...) }

func (p *packer) bool(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	p.out = append(p.out, b)
}

// time writes an instant; the zero one comes back as the zero one.
func (p *packer) time(t time.Time) {
	p.bool(!t.IsZero())
	if !t.IsZero() {
		p.int(t.UnixNano())
	}
}

func (p *packer) set(s *interval.Set) {
	p.uint(uint64(s.Len()))
	at := uint64(0)
	for iv := range s.All() {
		p.uint(iv.From - at)
		p.uint(iv.Len())
		at = iv.To
	}
}

func (p *packer) clock(m clock.Map) {
	p.raw(m.Boot[:])
	p.int(m.From)
	p.int(int64(m.Offset))
	p.int(int64(m.Uncertainty))
	p.uint(uint64(m.Source))
}

// stamp writes a stamp near the time base. An epoch's bytes stand where it is met first.
func (p *packer) stamp(s *stamp, base int64) {
	if s.epoch == nil {
		p.uint(0)
		return
	}
	n, met := p.epochs[s.epoch]
	if !met {
		n = uint64(len(p.epochs) + 1)
		p.epochs[s.epoch] = n
	}
	p.uint(n)
	if !met {
		p.raw(s.epoch[:])
	}
	p.int(s.wall - base)
	p.uint(s.seq)
	p.uint(uint64(s.index)<<2 | uint64(s.lane))
}

// unpacker reads what a packer wrote. After a fault everything reads as zero, and err says what was wrong.
type unpacker struct {
	in     []byte
	epochs []*point.Epoch
	err    error
}

func (u *unpacker) fail(what string) {
	if u.err == nil {
		u.err = fmt.Errorf("%w: %s", errSnapshot, what)
	}
	u.in = nil
}

func (u *unpacker) uint() uint64 {
	v, n := binary.Uvarint(u.in)
	if n <= 0 {
		u.fail("it ends within a number")
		return 0
	}
	u.in = u.in[n:]
	return v
}

func (u *unpacker) int() int64 {
	v, n := binary.Varint(u.in)
	if n <= 0 {
		u.fail("it ends within a number")
		return 0
	}
	u.in = u.in[n:]
	return v
}

// count reads how many things follow, of at least size bytes each.
func (u *unpacker) count(size int) int {
	n := u.uint()
	if n > uint64(len(u.in)/max(1, size)) {
		u.fail("it announces more than it holds")
		return 0
	}
	return int(n)
}

func (u *unpacker) raw(b []byte) {
	if len(u.in) < len(b) {
		u.fail("it ends within bytes")
		return
	}
	copy(b, u.in)
	u.in = u.in[len(b):]
}

// bytes returns what follows, which lies in the snapshot itself.
func (u *unpacker) bytes() []byte {
	n := u.count(1)
	b := u.in[:n:n]
	u.in = u.in[n:]
	return b
}

func (u *unpacker) text() string { return string(u.bytes()) }

func (u *unpacker) bool() bool {
	var b [1]byte
	u.raw(b[:])
	if b[0] > 1 {
		u.fail("a truth value is neither")
	}
	return b[0] == 1
}

func (u *unpacker) time() time.Time {
	if !u.bool() {
		return time.Time{}
	}
	return time.Unix(0, u.int()).UTC()
}

func (u *unpacker) set() (s interval.Set) {
	at := uint64(0)
	for range u.count(2) {
		from := at + u.uint()
		to := from + u.uint()
		if to < from || from < at {
			u.fail("an interval ends before it begins")
			return interval.Set{}
		}
		s.Add(interval.Interval{From: from, To: to})
		at = to
	}
	return s
}

func (u *unpacker) clock() (m clock.Map) {
	u.raw(m.Boot[:])
	m.From, m.Offset, m.Uncertainty, m.Source = u.int(), time.Duration(u.int()), time.Duration(u.int()), clock.Source(u.uint())
	return m
}

// stamp reads a stamp. name gives the pointer by which the state names an epoch.
func (u *unpacker) stamp(base int64, name func(point.Epoch) *point.Epoch) (s stamp) {
	n := u.uint()
	switch {
	case n == 0:
		return s
	case n == uint64(len(u.epochs)+1):
		var id point.Epoch
		u.raw(id[:])
		u.epochs = append(u.epochs, name(id))
	case n > uint64(len(u.epochs)):
		u.fail("an epoch is referred to before it is met")
		return s
	}
	if u.err != nil {
		return s
	}
	s.epoch = u.epochs[n-1]
	s.wall = base + u.int()
	s.seq = u.uint()
	v := u.uint()
	s.index, s.lane = uint32(v>>2), point.Lane(v&3)
	if !s.lane.Valid() {
		u.fail("a sample is of no lane")
		return stamp{}
	}
	return s
}
