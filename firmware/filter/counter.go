package filter

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// counter unwraps one register into runs.
type counter struct {
	rate  float64 // most counts a second
	mask  uint64
	run   point.CounterRun // Run 0 before the first
	total uint64
	raw   uint64 // of the last good read
	at    int64  // on this boot, a moment no later than when the device took raw
	read  bool   // raw and at are of this start

	cursor   cursor // of an earlier start; serves until the first good read
	restored bool

	resets uint64 // runs begun since the start because the register jumped

	turn   uint64 // of the reports that hold run and cursor
	runAt  int    // position in Report.Runs
	mark   int    // position in Report.Cursors; -1 for none
	placed int64  // time of the last sample
}

func newCounter(p *point.Point, index uint32) *counter {
	return &counter{rate: p.MaxRate, mask: mask(p.Bits), run: point.CounterRun{Index: index, Bits: p.Bits}, placed: always}
}

// restore takes up where bytes, a durable cursor, left off, and reports whether it could.
func (c *counter) restore(bytes []byte) bool {
	cur, err := parseCursor(bytes)
	if err != nil || cur.bits != c.run.Bits {
		return false
	}
	c.cursor, c.restored = cur, true
	c.total, c.raw = cur.total, cur.raw
	c.run.Run, c.run.Reason = cur.run, cur.reason
	c.run.First = (cur.raw - cur.total) & c.mask
	return true
}

// verdict is what a good read means.
type verdict uint8

const (
	goesOn verdict = iota
	wasReset
	cannotTell
)

// judge says whether raw continues the last read, elapsed ago.
func (c *counter) judge(raw uint64, elapsed time.Duration) verdict {
	delta := (raw - c.raw) & c.mask
	most := c.rate*elapsed.Seconds() + 1
	switch {
	case most >= float64(c.mask)+1 && delta != 0:
		return cannotTell // it may have gone round more than once, or restarted
	case float64(delta) <= most:
		return goesOn
	}
	return wasReset
}

// begin starts a run at monotonic time mono. Two runs of one counter never share a time, so that samples
// belong to the last run that started no later than they.
func (c *counter) begin(raw uint64, mono int64, reason point.RunReason) {
	id := rand.Uint64()
	for id == 0 || id == c.run.Run {
		id = rand.Uint64()
	}
	c.run.Run, c.run.First, c.run.Reason = id, raw, reason
	c.run.Start = mono
	if c.placed != always {
		c.run.Start = max(mono, c.placed+1)
	}
	c.total = 0
}

// isRead reports whether a reading of quality q tells what the register holds now.
func isRead(q point.Quality) bool { return !q.IsBad() && q != point.UncertainLastUsable }

// count takes one reading of a counter.
func (f *Filter) count(k uint32, v value, now clock.Map) {
	s, cell := &f.slots[k], &f.cells[k]
	c := s.counter
	if v.bits&^c.mask != 0 && !v.quality.IsBad() {
		v.quality = point.BadOutOfRange
	}
	run, total := c.run.Run, c.total
	if isRead(v.quality) {
		f.unwrap(c, s, v, now)
	}
	if s.started && v.quality == cell.quality && c.run.Run == run && c.total == total && v.time < s.next {
		return
	}
	f.emit(k, v, now)
}

// unwrap moves c to the register's value, and declares what was lost.
func (f *Filter) unwrap(c *counter, s *slot, v value, now clock.Map) {
	raw := v.bits
	switch {
	case c.read:
		f.follow(c, s, raw, v.time, time.Duration(max(v.time-c.at, 0)), point.Gap{Boot: now.Boot, First: c.at, Last: v.time})
	case c.restored:
		gap := point.Gap{Boot: c.cursor.boot, First: c.cursor.mono}
		if c.cursor.boot == now.Boot && v.time >= c.cursor.mono {
			gap.Last = v.time
		}
		if elapsed, known := c.cursor.since(v.time, now); known {
			f.follow(c, s, raw, v.time, elapsed, gap)
		} else {
			c.begin(raw, v.time, point.RunClock)
			f.declare(s, gap)
		}
	default:
		c.begin(raw, v.time, point.RunFirst)
	}
	c.raw, c.at, c.read = raw, min(f.asked, v.time), true
}

// follow advances the run, or begins one and declares gap.
func (f *Filter) follow(c *counter, s *slot, raw uint64, mono int64, elapsed time.Duration, gap point.Gap) {
	switch c.judge(raw, elapsed) {
	case goesOn:
		delta := (raw - c.raw) & c.mask
		if c.total > math.MaxUint64-delta {
			c.begin(raw, mono, point.RunReset) // beyond 2^64 counts
			return
		}
		c.total += delta
		return
	case wasReset:
		c.resets++
		c.begin(raw, mono, point.RunReset)
	case cannotTell:
		c.begin(raw, mono, point.RunClock)
	}
	f.declare(s, gap)
}

// declare adds a gap of one counter to its lane's report. How much was lost is not known.
func (f *Filter) declare(s *slot, gap point.Gap) {
	gap.Reason, gap.PointKnown, gap.Index = point.GapReset, true, s.index
	lane := f.lane(s)
	lane.Gaps = append(lane.Gaps, gap)
}

// emit reports c's total as it stands.
func (f *Filter) emit(k uint32, v value, now clock.Map) {
	s := &f.slots[k]
	c := s.counter
	if c.run.Run == 0 { // bad before the first read: a run that stays at 0, and adds nothing
		c.begin(0, v.time, point.RunFirst)
	}
	if !s.started && c.run.Start == 0 {
		c.run.Start = v.time // a restored run, first seen on this start
	}
	v.time = max(v.time, c.run.Start)
	v.bits = c.total
	c.placed = v.time
	f.sample(k, v)
	lane := f.lane(s)
	if c.turn != f.turn {
		c.turn, c.runAt, c.mark = f.turn, -1, -1
	}
	if c.runAt < 0 || lane.Runs[c.runAt].Run != c.run.Run {
		c.runAt = len(lane.Runs)
		lane.Runs = append(lane.Runs, c.run)
	}
	if !c.read {
		return // nothing was read yet: the cursor stays where it is
	}
	bytes := f.cursorBytes(c, now)
	if c.mark >= 0 {
		lane.Cursors[c.mark].Bytes = bytes
		return
	}
	p := &f.table[s.index]
	c.mark = len(lane.Cursors)
	lane.Cursors = append(lane.Cursors, point.Cursor{Device: p.Device, Name: p.Name, Bytes: bytes})
}

// repeatCounter reports a counter's total without a reading.
func (f *Filter) repeatCounter(k uint32, mono int64, q point.Quality, now clock.Map) {
	f.emit(k, value{time: mono, quality: q}, now)
}

// cursorBytes returns c's cursor, in memory that is never written again.
func (f *Filter) cursorBytes(c *counter, now clock.Map) []byte {
	const chunk = 64 * cursorSize
	if cap(f.arena)-len(f.arena) < cursorSize {
		f.arena = make([]byte, 0, chunk)
	}
	from := len(f.arena)
	f.arena = cursor{boot: now.Boot, mono: c.at, wall: now.Wall(c.at), dated: now.Source != clock.Unknown,
		raw: c.raw, run: c.run.Run, total: c.total, bits: c.run.Bits, reason: c.run.Reason}.append(f.arena)
	return f.arena[from:len(f.arena):len(f.arena)]
}
