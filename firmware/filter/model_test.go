package filter

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// model is the slow, obvious filter of one numeric state point.
type model struct {
	p        point.Point
	started  bool
	last     uint64
	quality  point.Quality
	reported int64
	seat     occupancy
}

func (m *model) number(bits uint64) float64 {
	if m.p.Type == point.Float {
		return math.Float64frombits(bits)
	}
	return float64(int64(bits))
}

// far reports whether bits are the deadband or more away from the last report.
func (m *model) far(bits uint64) bool {
	v, last := m.number(bits), m.number(m.last)
	if m.p.Deadband == 0 || m.p.Type == point.Bool {
		return v != last && !(math.IsNaN(v) && math.IsNaN(last))
	}
	if math.IsNaN(v) || math.IsNaN(last) {
		return math.IsNaN(v) != math.IsNaN(last)
	}
	if math.IsInf(v, 0) || math.IsInf(last, 0) {
		return v != last
	}
	deadband := m.p.Deadband
	if m.p.Type == point.Int {
		deadband = math.Ceil(deadband / math.Abs(m.p.Scale))
	}
	return v != last && (v <= last-deadband || v >= last+deadband)
}

func (m *model) state(bits uint64) occupancy {
	v := m.p.Number(bits)
	switch {
	case m.p.OccupiedAbove == 0:
		return unknown
	case v >= m.p.OccupiedAbove:
		return occupied
	case v < m.p.OccupiedBelow:
		return vacant
	}
	return m.seat
}

func (m *model) passes(at int64, q point.Quality, bits uint64) bool {
	pass := !m.started || q != m.quality ||
		m.p.MaxSilence > 0 && at-m.reported >= int64(m.p.MaxSilence) ||
		!q.IsBad() && (m.far(bits) || m.state(bits) != m.seat)
	if pass {
		m.started, m.quality, m.reported, m.last = true, q, at, bits
		m.seat = m.state(bits)
		if q.IsBad() {
			m.seat = unknown
		}
	}
	return pass
}

func drawPoint(t *rapid.T) point.Point {
	p := point.Point{Class: point.State, Lane: rapid.SampledFrom([]point.Lane{point.Telemetry, point.Critical}).Draw(t, "lane"), Scale: 1}
	p.Type = rapid.SampledFrom([]point.Type{point.Bool, point.Int, point.Float}).Draw(t, "type")
	if p.Type == point.Bool {
		return p
	}
	if p.Type == point.Int {
		p.Scale = rapid.SampledFrom([]float64{1, 0.5, 0.25, -1, -2, 4}).Draw(t, "scale")
		p.Offset = rapid.SampledFrom([]float64{0, -3, 7.5}).Draw(t, "offset")
	}
	p.Deadband = float64(rapid.IntRange(0, 12).Draw(t, "deadband")) / 2
	if rapid.Bool().Draw(t, "seat") {
		p.Kind = point.Seat
		p.OccupiedAbove = float64(rapid.IntRange(1, 20).Draw(t, "above"))
		p.OccupiedBelow = p.OccupiedAbove - float64(rapid.IntRange(0, 8).Draw(t, "gap"))
	}
	p.MaxSilence = time.Duration(rapid.IntRange(0, 20).Draw(t, "silence"))
	return p
}

func drawBits(t *rapid.T, ty point.Type) uint64 {
	switch ty {
	case point.Bool:
		return point.BoolBits(rapid.Bool().Draw(t, "bool"))
	case point.Int:
		return point.IntBits(int64(rapid.IntRange(-30, 30).Draw(t, "int")))
	}
	return point.FloatBits(rapid.OneOf(
		rapid.Map(rapid.IntRange(-60, 60), func(i int) float64 { return float64(i) / 2 }),
		rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.MaxFloat64, 5e-324}),
	).Draw(t, "float"))
}

// TestFilterIsTheObviousModel compares the windows of keys with comparisons of values, written down plainly.
func TestFilterIsTheObviousModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPoint(t)
		f, m := newFilter(p), &model{p: p}
		at := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "readings") {
			at += int64(rapid.IntRange(0, 5).Draw(t, "step"))
			q := rapid.SampledFrom([]point.Quality{point.Good, point.Good, point.Good, point.Good, point.BadTimeout, point.Uncertain}).Draw(t, "quality")
			bits := drawBits(t, p.Type)
			want := m.passes(at, q, bits)
			got := one(f, at, drivers.Reading{Bits: bits, Quality: q})
			if (len(got) == 1) != want {
				t.Fatalf("%+v: %v %v at %d passed %t, want %t", p, q, p.Number(bits), at, len(got) == 1, want)
			}
		}
	})
}

// TestCounterRunsKeepEveryCount drives a turnstile that turns at most as fast as it can, restarts now and then and cannot be read now
// and then: over the runs no count is invented, and none is lost without a gap.
func TestCounterRunsKeepEveryCount(t *testing.T) {
	const rate, longest = 20, 600       // counts a second, seconds between two reads
	const clear = 2*rate*longest + 1000 // a restart from here cannot look like a wrap
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SampledFrom([]uint8{16, 32, 64}).Draw(t, "bits")
		f := newFilter(turnstile(bits, rate))
		raw := rapid.Uint64().Draw(t, "begin") & mask(bits)
		totals := map[uint64]uint64{} // by run
		at, unread, people, gaps, restarts := int64(0), 0, uint64(0), 0, 0
		apply := func(r drivers.Reading) {
			_, crit := f.Apply(&drivers.Block{Time: at, Readings: []drivers.Reading{r}}, testMap)
			if crit == nil {
				return
			}
			gaps += len(crit.Gaps)
			run := crit.Runs[0].Run
			totals[run] = max(totals[run], crit.Samples[0].Bits)
		}
		apply(drivers.Reading{Bits: raw})
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			seconds := rapid.IntRange(0, longest-unread).Draw(t, "seconds")
			at, unread = at+int64(seconds)*second, unread+seconds
			passed := uint64(rapid.IntRange(0, rate*seconds).Draw(t, "people"))
			restart := rapid.IntRange(0, 9).Draw(t, "restart") == 0 && unread == seconds && raw > clear && raw < mask(bits)-clear
			if restart {
				restarts++
				raw = passed % 100 // who passed since the restart is lost, and declared
			} else {
				raw, people = (raw+passed)&mask(bits), people+passed
			}
			if !restart && rapid.IntRange(0, 4).Draw(t, "bad") == 0 {
				apply(drivers.Reading{Quality: point.BadTimeout})
				continue
			}
			apply(drivers.Reading{Bits: raw})
			unread = 0
		}
		apply(drivers.Reading{Bits: raw})
		sum := uint64(0)
		for _, total := range totals {
			sum += total
		}
		if sum != people || gaps != restarts {
			t.Fatalf("%d people passed, the runs hold %d; %d restarts, %d gaps", people, sum, restarts, gaps)
		}
	})
}
