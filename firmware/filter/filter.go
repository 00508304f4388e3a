package filter

import (
	"math"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	always = math.MinInt64 // a due time that has always come
	never  = math.MaxInt64 // a due time that never comes
)

// Filter is the report by exception of one device. It is not safe for concurrent use.
type Filter struct {
	table []point.Point
	base  uint32   // lowest own index
	dense []uint32 // index − base → position in cells, plus 1; nil when the own indices have no holes
	cells []cell
	slots []slot

	telemetry, critical Report
	turn                uint64 // calls so far; tells what is in the present reports
	arena               []byte // where cursors' bytes are cut from
	reduced             point.Reduced
	stats               Stats
	bad                 int // points that were last reported as bad
	scratch             []byte
	event               int   // position in the present block's Events
	asked               int64 // no later than when the device took the present block's values
}

// Stats counts what should not happen.
type Stats struct {
	Foreign    uint64 // readings of points that are not the device's
	BadCursors uint64 // durable cursors that could not be read
}

// cell is the part of a point that each reading looks at: 32 bytes.
type cell struct {
	lo, width uint64 // keys from lo to lo+width are no news
	due       int64  // monotonic time from which any reading is looked at closely
	quality   point.Quality
	float     uint8 // 1 for Float
	nature    nature
}

// nature says which rules a point follows.
type nature uint8

const (
	number nature = iota
	text
	counting
	event
)

// slot is the rest of a point.
type slot struct {
	index     uint32
	nature    nature
	started   bool // something was reported
	seat      occupancy
	held      bool // heldBits is newer than what was reported, and waits for the interval of a reduction
	last      uint64
	lastText  string
	heldBits  uint64
	heldText  string
	heldAt    int64
	reported  int64 // monotonic time of the last report
	next      int64 // when MaxSilence ends
	taken     region
	free      region
	step      uint64 // for Int: the smallest raw change that is news
	counter   *counter
	telemetry bool
}

// New returns the filter of the device whose points are table[own[0]], table[own[1]], … It keeps table and writes nothing to it.
// cursors returns the durable cursor of a point, if there is one; nil stands for none at all.
func New(table []point.Point, own []uint32, cursors func(point.Name) ([]byte, bool)) *Filter {
	f := &Filter{table: table, cells: make([]cell, len(own)), slots: make([]slot, len(own)), reduced: point.Reduced{DeadbandFactor: 1}}
	f.place(own)
	for k, index := range own {
		p := &table[index]
		s := &f.slots[k]
		s.index, s.next, s.telemetry = index, never, p.Lane == point.Telemetry
		switch {
		case p.Class == point.Counter:
			s.nature = counting
			s.counter = newCounter(p, index)
			if cursors != nil {
				f.restore(s.counter, p.Name, cursors)
			}
		case p.Class == point.Event:
			s.nature = event
		case p.Type == point.Text:
			s.nature = text
		}
		s.taken, s.free = seatRegions(p)
		s.step = rawStep(p, 1)
		c := &f.cells[k]
		c.nature, c.due = s.nature, always
		if p.Type == point.Float {
			c.float = 1
		}
	}
	return f
}

func (f *Filter) restore(c *counter, name point.Name, cursors func(point.Name) ([]byte, bool)) {
	bytes, ok := cursors(name)
	if ok && !c.restore(bytes) {
		f.stats.BadCursors++
	}
}

// place prepares the way from a table index to a position in cells.
func (f *Filter) place(own []uint32) {
	if len(own) == 0 {
		return
	}
	low, high := own[0], own[0]
	ordered := true
	for i, index := range own {
		low, high = min(low, index), max(high, index)
		ordered = ordered && index == own[0]+uint32(i)
	}
	f.base = low
	if ordered {
		return
	}
	f.dense = make([]uint32, high-low+1)
	for i, index := range own {
		f.dense[index-low] = uint32(i) + 1
	}
}

// Bad returns how many points are bad as they were last reported.
func (f *Filter) Bad() int { return f.bad }

// Stats returns what was counted so far.
func (f *Filter) Stats() Stats { return f.stats }

// Apply passes on what b brings that is worth a report, by lane; nil for nothing. now is the time map in force.
// The reports are valid until the next call.
func (f *Filter) Apply(b *drivers.Block, now clock.Map) (telemetry, critical *Report) {
	f.begin()
	f.event = 0
	f.asked = b.Time
	if b.Asked != 0 {
		f.asked = min(b.Asked, b.Time)
	}
	for i := range b.Readings {
		r := &b.Readings[i]
		k := r.Index - f.base
		if f.dense != nil {
			if k >= uint32(len(f.dense)) {
				f.stats.Foreign++
				continue
			}
			k = f.dense[k] - 1
		}
		if k >= uint32(len(f.cells)) {
			f.stats.Foreign++
			continue
		}
		c := &f.cells[k]
		if key(r.Bits, c.float)-c.lo <= c.width && r.Quality == c.quality && b.Time < c.due {
			continue
		}
		f.look(k, b, i, now)
	}
	if len(b.Gaps) > 0 || len(b.Cursors) > 0 {
		f.losses(b, now)
	}
	return f.end()
}

// position returns the place in cells of the point at a table index, if it is the device's own.
func (f *Filter) position(index uint32) (uint32, bool) {
	k := index - f.base
	if f.dense != nil {
		if k >= uint32(len(f.dense)) {
			return 0, false
		}
		k = f.dense[k] - 1
	}
	return k, k < uint32(len(f.cells))
}

// look decides about one reading that may be news.
func (f *Filter) look(k uint32, b *drivers.Block, i int, now clock.Map) {
	r, s := &b.Readings[i], &f.slots[k]
	v := value{time: b.Time, bits: r.Bits, quality: r.Quality}
	if i < len(b.DeviceTimes) {
		v.deviceTime = b.DeviceTimes[i]
	}
	switch s.nature {
	case counting:
		f.count(k, v, now)
		return
	case event:
		if f.table[s.index].Type == point.Text && v.quality != point.GoodNoData && !v.setText(b.Texts) {
			v.quality = point.BadDataEncodingInvalid
		}
		f.occur(k, v, b, i, now)
		return
	case text:
		if !v.setText(b.Texts) {
			v.quality = point.BadDataEncodingInvalid
		}
	case number:
		v.bits = canonical(f.table[s.index].Type, v.bits)
	}
	f.change(k, v)
}

// change reports v when it is news of a state point, or holds it back for the interval of a reduction.
func (f *Filter) change(k uint32, v value) {
	s, c := &f.slots[k], &f.cells[k]
	sameQuality := s.started && v.quality == c.quality
	if !sameQuality || v.time >= s.next {
		f.report(k, v)
		return
	}
	if v.quality.IsBad() || f.same(s, c, v) {
		if s.held {
			s.held, s.heldText = false, ""
			c.due = s.look()
		}
		return
	}
	if f.reduced.MinInterval > 0 && s.telemetry && v.time-s.reported < int64(f.reduced.MinInterval) && !f.seatChanges(s, v) {
		s.held, s.heldBits, s.heldText, s.heldAt = true, v.bits, v.text, v.time
		c.due = always
		return
	}
	f.report(k, v)
}

// same reports whether v is no news beside what was last reported.
func (f *Filter) same(s *slot, c *cell, v value) bool {
	if s.nature == text {
		return v.text == s.lastText
	}
	return key(v.bits, c.float)-c.lo <= c.width
}

func (f *Filter) seatChanges(s *slot, v value) bool {
	return s.seat.next(s, key(v.bits, f.floatOf(s))) != s.seat
}

func (f *Filter) floatOf(s *slot) uint8 {
	if f.table[s.index].Type == point.Float {
		return 1
	}
	return 0
}

// report adds v to its lane's report and makes it what later readings are compared with.
func (f *Filter) report(k uint32, v value) {
	s, c := &f.slots[k], &f.cells[k]
	s.held, s.heldText = false, ""
	s.last, s.lastText = v.bits, v.text
	f.sample(k, v)
	f.window(s, c)
}

// sample adds v to its lane's report as it is.
func (f *Filter) sample(k uint32, v value) {
	s, c := &f.slots[k], &f.cells[k]
	f.judged(s.started && c.quality.IsBad(), v.quality.IsBad())
	p := &f.table[s.index]
	lane := f.lane(s)
	bits := v.bits
	if p.Type == point.Text {
		bits = uint64(len(lane.Texts))
		lane.Texts = append(lane.Texts, v.text)
	}
	if v.deviceTime != 0 {
		lane.DeviceTimes = append(lane.DeviceTimes, point.DeviceTime{Position: uint32(len(lane.Samples)), UnixNano: v.deviceTime})
	}
	lane.Samples = append(lane.Samples, point.Sample{Index: s.index, Quality: v.quality, Time: v.time, Bits: bits})
	s.started, s.reported, c.quality = true, v.time, v.quality
	s.next = never
	if p.MaxSilence > 0 && s.nature != event {
		s.next = v.time + int64(p.MaxSilence)
	}
	c.due = s.look()
}

// judged counts a point that was bad, or not, and is now.
func (f *Filter) judged(was, is bool) {
	switch {
	case is && !was:
		f.bad++
	case was && !is:
		f.bad--
	}
}

// look returns from when on readings of s are looked at closely whatever their key: keys say nothing
// about texts and events, and each reading of a counter moves the time of its last good read.
func (s *slot) look() int64 {
	if s.nature == number {
		return s.next
	}
	return always
}

func (f *Filter) lane(s *slot) *Report {
	if s.telemetry {
		return &f.telemetry
	}
	return &f.critical
}

func (f *Filter) begin() {
	f.turn++
	f.telemetry.reset()
	f.critical.reset()
}

func (f *Filter) end() (telemetry, critical *Report) {
	if !f.telemetry.Empty() {
		telemetry = &f.telemetry
	}
	if !f.critical.Empty() {
		critical = &f.critical
	}
	return telemetry, critical
}
