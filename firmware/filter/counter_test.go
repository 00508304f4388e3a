package filter

import (
	"fmt"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

func turnstile(bits uint8, rate float64) point.Point {
	return point.Point{Device: "plc", Name: "gate/1/in", Type: point.Int, Kind: point.Gate, Class: point.Counter, Lane: point.Critical,
		Direction: point.In, Bits: bits, MaxRate: rate}
}

// read is one reading of a counter and what is expected of it.
type read struct {
	at      time.Duration
	raw     uint64
	quality point.Quality
	total   uint64
	reason  point.RunReason // of the run that the sample belongs to
	new     bool            // whether that run begins here
	gap     bool
	silent  bool // nothing is reported
}

const (
	began = point.RunFirst
	reset = point.RunReset
	clck  = point.RunClock
)

func TestCounterUnwrapping(t *testing.T) {
	begin := func(raw uint64) read { return read{raw: raw, reason: began, new: true} }
	for name, c := range map[string]struct {
		bits  uint8
		rate  float64
		reads []read
	}{
		"advance":         {16, 5, []read{begin(100), {at: time.Second, raw: 103, total: 3, reason: began}, {at: 2 * time.Second, raw: 103, silent: true}}},
		"wrap":            {16, 5, []read{begin(65534), {at: time.Second, raw: 2, total: 4, reason: began}}},
		"wrap of 32 bits": {32, 5, []read{begin(1<<32 - 1), {at: time.Second, raw: 0, total: 1, reason: began}}},
		"wrap of 64 bits": {64, 5, []read{begin(^uint64(0)), {at: time.Second, raw: 3, total: 4, reason: began}}},
		"two wraps, one after the other": {16, 1e5, []read{begin(65000), {at: 500 * time.Millisecond, raw: 29000, total: 29536, reason: began},
			{at: time.Second, raw: 100, total: 29536 + 36636, reason: began}}},
		"reset to zero":                     {16, 5, []read{begin(500), {at: time.Second, raw: 0, reason: reset, new: true, gap: true}, {at: 2 * time.Second, raw: 2, total: 2, reason: reset}}},
		"backward by one":                   {16, 5, []read{begin(500), {at: time.Second, raw: 499, reason: reset, new: true, gap: true}}},
		"at the limit":                      {16, 5, []read{begin(0), {at: time.Second, raw: 6, total: 6, reason: began}}},
		"one beyond the limit":              {16, 5, []read{begin(0), {at: time.Second, raw: 7, reason: reset, new: true, gap: true}}},
		"at one time one count is believed": {16, 5, []read{begin(0), {at: 0, raw: 1, total: 1, reason: began}}},
		// The example of the design: 65,000 at 11:00, 100 at 12:00 is a wrap of 636. Had the late 65,400 and the reset been
		// read, it would be 400 and then 100 of a new run.
		"65000 then 100 an hour later": {16, 5, []read{begin(65000), {at: time.Hour, raw: 100, total: 636, reason: began}}},
		"65000, 65400, reset, 100": {16, 5, []read{begin(65000), {at: 59 * time.Minute, raw: 65400, total: 400, reason: began},
			{at: 59*time.Minute + time.Second, raw: 0, reason: reset, new: true, gap: true}, {at: time.Hour, raw: 100, total: 100, reason: reset}}},
		// 16 bits at 5 a second go round in less than four hours.
		"a double wrap is possible, the value moved": {16, 5, []read{begin(40000), {at: 4 * time.Hour, raw: 3, reason: clck, new: true, gap: true}}},
		"a double wrap is possible, nothing moved":   {16, 5, []read{begin(40000), {at: 4 * time.Hour, raw: 40000, silent: true}, {at: 4*time.Hour + time.Second, raw: 40001, total: 1, reason: began}}},
		"bad spell counts from the last good read": {16, 5, []read{begin(10), {at: time.Second, quality: point.BadTimeout, reason: began},
			{at: 100 * time.Second, raw: 400, total: 390, reason: began}}},
		"a bad value is not read":     {16, 5, []read{begin(10), {at: time.Second, raw: 60000, quality: point.BadTimeout, reason: began}, {at: 2 * time.Second, raw: 11, total: 1, reason: began}}},
		"last usable is no read":      {16, 1, []read{begin(10), {at: 100 * time.Second, raw: 10, quality: point.UncertainLastUsable, reason: began}, {at: 101 * time.Second, raw: 60, total: 50, reason: began}}},
		"uncertain is a read":         {16, 1, []read{begin(10), {at: time.Second, raw: 11, quality: point.Uncertain, total: 1, reason: began}}},
		"bad before the first read":   {16, 1, []read{{quality: point.BadNotConnected, reason: began, new: true}, {at: time.Second, raw: 77, reason: began, new: true}, {at: 2 * time.Second, raw: 78, total: 1, reason: began}}},
		"wider than its register":     {16, 1, []read{begin(10), {at: time.Second, raw: 65536, quality: point.BadOutOfRange, reason: began}}},
		"time that does not move on":  {16, 1, []read{{at: time.Minute, raw: 5, reason: began, new: true}, {at: time.Second, raw: 6, total: 1, reason: began}}},
		"reset and wrap in one block": {16, 1, []read{begin(5), {raw: 0, reason: reset, new: true, gap: true}, {raw: 1, total: 1, reason: reset}}},
	} {
		t.Run(name, func(t *testing.T) { play(t, newFilter(turnstile(c.bits, c.rate)), c.reads) })
	}
}

// play feeds f and compares; it returns the last cursor.
func play(t *testing.T, f *Filter, reads []read) (last []byte) {
	t.Helper()
	var run uint64
	for n, r := range reads {
		q := r.quality
		if q == point.BadOutOfRange {
			q = point.Good
		}
		_, crit := f.Apply(&drivers.Block{Time: int64(r.at), Readings: []drivers.Reading{{Bits: r.raw, Quality: q}}}, testMap)
		if r.silent != (crit == nil) {
			t.Fatalf("read %d: reported %+v, want silence %t", n, crit, r.silent)
		}
		if crit == nil {
			continue
		}
		if len(crit.Samples) != 1 || len(crit.Runs) != 1 {
			t.Fatalf("read %d: samples %v runs %v", n, crit.Samples, crit.Runs)
		}
		s, got := crit.Samples[0], crit.Runs[0]
		if s.Bits != r.total || s.Quality != r.quality {
			t.Errorf("read %d: total %d %v, want %d %v", n, s.Bits, s.Quality, r.total, r.quality)
		}
		if got.Reason != r.reason || (got.Run != run) != r.new || got.Run == 0 || got.Start > s.Time {
			t.Errorf("read %d: run %+v after %x, want new %t reason %d", n, got, run, r.new, r.reason)
		}
		if len(crit.Gaps) == 1 != r.gap {
			t.Errorf("read %d: gaps %+v, want %t", n, crit.Gaps, r.gap)
		}
		if r.gap && (crit.Gaps[0].Reason != point.GapReset || !crit.Gaps[0].PointKnown || crit.Gaps[0].Last != int64(r.at)) {
			t.Errorf("read %d: gap %+v", n, crit.Gaps[0])
		}
		if len(crit.Cursors) == 1 {
			last = crit.Cursors[0].Bytes
		}
		run = got.Run
	}
	return last
}

func TestCounterGapSpansFromTheLastGoodRead(t *testing.T) {
	f := newFilter(turnstile(16, 5))
	one(f, 10*second, drivers.Reading{Bits: 100})
	one(f, 20*second, drivers.Reading{Bits: 100})
	one(f, 21*second, drivers.Reading{Quality: point.BadTimeout})
	_, crit := f.Apply(&drivers.Block{Time: 30 * second, Readings: []drivers.Reading{{Bits: 3}}}, testMap)
	want := point.Gap{First: 20 * second, Last: 30 * second, Boot: testMap.Boot, Reason: point.GapReset, PointKnown: true}
	if len(crit.Gaps) != 1 || crit.Gaps[0] != want {
		t.Errorf("gaps %+v, want %+v", crit.Gaps, want)
	}
}

func TestCounterTwoRunsInOneBlock(t *testing.T) {
	f := newFilter(turnstile(16, 5))
	one(f, 0, drivers.Reading{Bits: 100})
	_, crit := f.Apply(&drivers.Block{Time: second, Readings: []drivers.Reading{{Bits: 102}, {Bits: 0}, {Bits: 1}}}, testMap)
	if len(crit.Samples) != 3 || len(crit.Runs) != 2 || len(crit.Cursors) != 1 {
		t.Fatalf("%+v", crit)
	}
	old, fresh := crit.Runs[0], crit.Runs[1]
	if crit.Samples[0].Time >= fresh.Start || crit.Samples[1].Time < fresh.Start || crit.Samples[2].Time < fresh.Start || old.Start >= fresh.Start {
		t.Errorf("samples %v cannot be told between runs %+v", crit.Samples, crit.Runs)
	}
	cur, err := parseCursor(crit.Cursors[0].Bytes)
	if err != nil || cur.run != fresh.Run || cur.total != 1 || cur.raw != 1 {
		t.Errorf("cursor %+v %v is not of the last read", cur, err)
	}
}

func TestCounterRestart(t *testing.T) {
	p := turnstile(16, 5)
	start := func(cursor []byte) *Filter {
		return New([]point.Point{p}, []uint32{0}, func(n point.Name) ([]byte, bool) { return cursor, cursor != nil && n == p.Name })
	}
	saved := play(t, newFilter(p), []read{{at: time.Minute, raw: 100, reason: began, new: true}, {at: 2 * time.Minute, raw: 150, total: 50, reason: began}})
	before, err := parseCursor(saved)
	if err != nil {
		t.Fatal(err)
	}
	undated, other := testMap, testMap
	undated.Source = clock.Unknown
	other.Boot = clock.BootID{2}
	other.Offset += time.Hour // the new boot's monotonic time 0 is an hour after the old one's
	otherUndated := other
	otherUndated.Source = clock.Unknown
	longAfter, jumpedBack := other, other
	longAfter.Offset += 367 * 24 * time.Hour
	jumpedBack.Offset -= 2 * time.Hour
	cursorUndated := before
	cursorUndated.dated = false
	narrow := before
	narrow.bits = 32
	noBoot := undated
	noBoot.Boot = clock.BootID{}
	noBootCursor := before
	noBootCursor.boot = clock.BootID{}
	for name, c := range map[string]struct {
		cursor []byte
		now    clock.Map
		at     time.Duration
		raw    uint64
		total  uint64
		goes   bool
		reason point.RunReason
		gap    bool
	}{
		"no cursor":                        {nil, testMap, 3 * time.Minute, 160, 0, false, began, false},
		"same boot":                        {saved, testMap, 3 * time.Minute, 160, 60, true, began, false},
		"same boot, undated":               {saved, undated, 3 * time.Minute, 160, 60, true, began, false},
		"same boot, wrapped":               {saved, testMap, 2*time.Minute + 13090*time.Second, 10, 50 + 65396, true, began, false},
		"same boot, reset":                 {saved, testMap, 3 * time.Minute, 2, 0, false, reset, true},
		"same boot, went back in time":     {saved, testMap, time.Minute, 150, 0, false, clck, true},
		"other boot":                       {saved, other, time.Minute, 160, 60, true, began, false},
		"other boot, reset":                {saved, other, time.Minute, 2, 0, false, reset, true},
		"other boot, undated now":          {saved, otherUndated, time.Minute, 150, 0, false, clck, true},
		"other boot, undated then":         {cursorUndated.append(nil), other, time.Minute, 150, 0, false, clck, true},
		"other boot, clock jumped back":    {saved, jumpedBack, time.Minute, 150, 0, false, clck, true},
		"other boot, a year later":         {saved, longAfter, time.Minute, 150, 0, false, clck, true},
		"boots that cannot be told":        {noBootCursor.append(nil), noBoot, 3 * time.Minute, 160, 0, false, clck, true},
		"overnight, may have gone round":   {saved, other, 9 * time.Hour, 3, 0, false, clck, true},
		"overnight, nothing moved":         {saved, other, 9 * time.Hour, 150, 50, true, began, false},
		"a cursor of another width":        {narrow.append(nil), testMap, 3 * time.Minute, 160, 0, false, began, false},
		"a cursor that cannot be read":     {[]byte("garbage"), testMap, 3 * time.Minute, 160, 0, false, began, false},
		"a cursor of a later version":      {append([]byte{2}, saved[1:]...), testMap, 3 * time.Minute, 160, 0, false, began, false},
		"an empty cursor is an unreadable": {[]byte{}, testMap, 3 * time.Minute, 160, 0, false, began, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(c.cursor)
			_, crit := f.Apply(&drivers.Block{Time: int64(c.at), Readings: []drivers.Reading{{Bits: c.raw}}}, c.now)
			if crit == nil || len(crit.Samples) != 1 || len(crit.Runs) != 1 || len(crit.Cursors) != 1 {
				t.Fatalf("the first read reports %+v", crit)
			}
			run := crit.Runs[0]
			if crit.Samples[0].Bits != c.total || (run.Run == before.run) != c.goes || run.Reason != c.reason || run.Start != int64(c.at) {
				t.Errorf("total %d, run %+v; want total %d, goes on %t, reason %d", crit.Samples[0].Bits, run, c.total, c.goes, c.reason)
			}
			if c.goes && run.First != 100 {
				t.Errorf("the run's first raw value became %d", run.First)
			}
			if (len(crit.Gaps) == 1) != c.gap {
				t.Errorf("gaps %+v, want %t", crit.Gaps, c.gap)
			}
			if c.gap && (crit.Gaps[0].First != before.mono || crit.Gaps[0].Boot != [16]byte(before.boot) && name != "boots that cannot be told") {
				t.Errorf("gap %+v does not begin at the cursor", crit.Gaps[0])
			}
		})
	}
}

func TestCounterBadCursorsAreCounted(t *testing.T) {
	p := turnstile(16, 5)
	f := New([]point.Point{p, p}, []uint32{0, 1}, func(point.Name) ([]byte, bool) { return []byte{9}, true })
	if f.Stats().BadCursors != 2 {
		t.Errorf("%+v", f.Stats())
	}
}

func TestCounterBadAtStartKeepsTheCursor(t *testing.T) {
	p := turnstile(16, 5)
	saved := play(t, newFilter(p), []read{{raw: 100, reason: began, new: true}, {at: time.Minute, raw: 150, total: 50, reason: began}})
	f := New([]point.Point{p}, []uint32{0}, func(point.Name) ([]byte, bool) { return saved, true })
	_, crit := f.Fail(point.BadNotConnected, 2*int64(time.Minute), testMap)
	if len(crit.Runs) != 1 || crit.Samples[0].Bits != 50 || len(crit.Cursors) != 0 {
		t.Errorf("absent at start: %+v", crit)
	}
	_, crit = f.Apply(&drivers.Block{Time: 3 * int64(time.Minute), Readings: []drivers.Reading{{Bits: 170}}}, testMap)
	if crit.Samples[0].Bits != 70 {
		t.Errorf("total %d after the absence, want 70", crit.Samples[0].Bits)
	}
}

func TestCounterCursorsAreNeverWrittenAgain(t *testing.T) {
	f := newFilter(turnstile(16, 1000))
	var kept [][]byte
	for i := range int64(500) {
		_, crit := f.Apply(&drivers.Block{Time: i * second, Readings: []drivers.Reading{{Bits: uint64(i)}}}, testMap)
		kept = append(kept, crit.Cursors[0].Bytes)
	}
	for i, b := range kept {
		if cur, err := parseCursor(b); err != nil || cur.raw != uint64(i) || cur.mono != int64(i)*second {
			t.Fatalf("cursor %d now reads %+v %v", i, cur, err)
		}
	}
}

func TestCounterMaxSilence(t *testing.T) {
	p := turnstile(16, 1000)
	p.MaxSilence = 10 * time.Second
	f := newFilter(p)
	one(f, 0, drivers.Reading{Bits: 5})
	one(f, second, drivers.Reading{Bits: 8})
	if got := one(f, 10*second, drivers.Reading{Bits: 8}); len(got) != 0 {
		t.Errorf("reported early: %v", got)
	}
	if got := one(f, 11*second, drivers.Reading{Bits: 8}); len(got) != 1 || got[0].Bits != 3 {
		t.Errorf("max_silence reports %v", got)
	}
	_, crit := f.Silence(21*second, testMap)
	if crit == nil || crit.Samples[0].Bits != 3 || len(crit.Runs) != 1 {
		t.Errorf("silence reports %+v", crit)
	}
}

func FuzzCursor(f *testing.F) {
	good := cursor{boot: clock.BootID{1, 2}, mono: 5, wall: 6, dated: true, raw: 65535, run: 1, total: 9, bits: 16, reason: point.RunReset}
	f.Add(good.append(nil))
	f.Add([]byte{})
	f.Add([]byte{cursorVersion})
	f.Add(make([]byte, cursorSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCursor(b)
		if err != nil {
			return
		}
		if again := c.append(nil); fmt.Sprintf("%x", again) != fmt.Sprintf("%x", b) {
			t.Errorf("%x reads as %+v, which writes %x", b, c, again)
		}
		p := turnstile(c.bits, 5)
		filter := New([]point.Point{p}, []uint32{0}, func(point.Name) ([]byte, bool) { return b, true })
		_, crit := filter.Apply(&drivers.Block{Time: 7, Readings: []drivers.Reading{{Bits: c.raw}}}, testMap)
		if crit == nil || len(crit.Runs) != 1 || crit.Runs[0].Run == 0 {
			t.Errorf("a start from %+v reports %+v", c, crit)
		}
	})
}

// TestCounterAnswerThatCameLate polls a counter at its highest rate. The first answer was held up on its way, so that the
// two answers came 4 ms apart although the device took the values 200 ms apart: no reset.
func TestCounterAnswerThatCameLate(t *testing.T) {
	table := []point.Point{{Device: "plc", Name: "in", Type: point.Int, Kind: point.Gate, Lane: point.Critical, Class: point.Counter, Direction: point.In, Bits: 16, MaxRate: 1000}}
	f := New(table, []uint32{0}, nil)
	now := clock.Map{Boot: clock.BootID{1}, Source: clock.NTP}
	read := func(asked, arrived time.Duration, raw uint64) *Report {
		_, critical := f.Apply(&drivers.Block{Time: int64(arrived), Asked: int64(asked), Readings: []drivers.Reading{{Index: 0, Bits: raw}}}, now)
		return critical
	}
	read(1000*time.Millisecond, 1196*time.Millisecond, 500)
	r := read(1199*time.Millisecond, 1200*time.Millisecond, 695)
	if len(r.Gaps) != 0 || len(r.Samples) != 1 || r.Samples[0].Bits != 195 {
		t.Fatalf("gaps %v, samples %v: 195 passages in 200 ms at 1,000 a second are no reset", r.Gaps, r.Samples)
	}
	// Without a word of when the device was asked, the same answers could only be a reset.
	r = read(0, 1204*time.Millisecond, 890)
	if len(r.Gaps) != 1 {
		t.Errorf("195 passages in 5 ms at 1,000 a second went by without a gap: %v", r.Samples)
	}
}
