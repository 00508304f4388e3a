package clock

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// machine is a gateway's clocks under a test's hand.
type machine struct {
	t     rapid.TB
	r     Reading
	keep  *Keeper
	jumps []Jump
	floor time.Time
}

var (
	built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	start = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
)

// boot starts a keeper 10 s after the machine, whose system clock shows wall.
func boot(t rapid.TB, wall time.Time, synchronised bool) *machine {
	m := &machine{t: t, floor: built, r: Reading{Boot: BootID{1}, Mono: 10e9, Wall: wall.UnixNano(), Synchronised: synchronised, MaxError: 5 * time.Millisecond}}
	m.keep = NewKeeper(KeeperOptions{Read: func() Reading { return m.r }, Floor: func() time.Time { return m.floor },
		Jump: func(j Jump) { m.jumps = append(m.jumps, j) }})
	return m
}

// pass lets d pass, looking once a second.
func (m *machine) pass(d time.Duration) {
	for d > 0 {
		step := min(d, time.Second)
		m.r.Mono += int64(step)
		m.r.Wall += int64(step)
		m.keep.Map()
		d -= step
	}
}

// set sets the system clock.
func (m *machine) set(wall time.Time) { m.r.Wall = wall.UnixNano(); m.keep.Map() }

// truth is the real time, if the machine booted 10 s before start.
func (m *machine) truth() time.Time { return start.Add(time.Duration(m.r.Mono) - 10*time.Second) }

func (m *machine) expect(s Source, jumps int) {
	if h, ok := m.t.(interface{ Helper() }); ok {
		h.Helper()
	}
	got := m.keep.Map()
	if got.Source != s || len(m.jumps) != jumps || m.keep.Status().Jumps != uint64(jumps) {
		m.t.Fatalf("source %v (want %v), jumps %+v (want %d)", got.Source, s, m.jumps, jumps)
	}
	if s != Unknown && s != System {
		if off := time.Unix(0, got.Wall(m.r.Mono)).Sub(m.truth()).Abs(); off > got.Uncertainty+time.Millisecond {
			m.t.Fatalf("the map is wrong by %v and says ± %v", off, got.Uncertainty)
		}
	}
}

func TestMapStandsWhileClocksAgree(t *testing.T) {
	m := boot(t, start, true)
	m.expect(NTP, 0)
	first := m.keep.Map()
	for range 100 {
		m.pass(time.Second)
		m.r.Wall += 50_000 // jitter of reading, within what NTP claims
		m.keep.CloudTime(m.truth().Add(-20*time.Millisecond), 40*time.Millisecond)
		m.r.Wall -= 50_000
	}
	if got := m.keep.Map(); got.Offset != first.Offset || got.From != first.From {
		t.Errorf("%+v became %+v", first, got)
	}
	m.expect(NTP, 0)
}

// TestClockAt2036ForAMinute: whoever dated the boot before, the minute moves nothing.
func TestClockAt2036ForAMinute(t *testing.T) {
	future := time.Date(2036, 2, 7, 6, 28, 15, 0, time.UTC)
	t.Run("under NTP, which follows it", func(t *testing.T) {
		m := boot(t, start, true)
		m.pass(10 * time.Second)
		m.set(future)
		m.expect(NTP, 1)
		m.pass(time.Minute)
		m.expect(NTP, 1)
		m.set(m.truth())
		m.expect(NTP, 2)
	})
	t.Run("under the cloud's time", func(t *testing.T) {
		m := boot(t, start.Add(-time.Hour), false)
		m.expect(System, 0)
		m.keep.CloudTime(m.truth(), 50*time.Millisecond)
		m.expect(Cloud, 1)
		m.set(future)
		m.pass(time.Minute)
		m.expect(Cloud, 2)
		m.set(m.truth())
		m.expect(Cloud, 3)
	})
	t.Run("at a boot that nothing has dated", func(t *testing.T) {
		m := boot(t, future, false)
		m.expect(System, 0)
		m.pass(time.Minute)
		m.set(m.truth())
		m.expect(System, 1)
		m.keep.CloudTime(m.truth(), 50*time.Millisecond)
		m.expect(Cloud, 1)
	})
	t.Run("NTP from the start, until the cloud and NTP say otherwise", func(t *testing.T) {
		m := boot(t, future, true)
		m.pass(30 * time.Second)
		if m.keep.CloudTime(m.truth(), 50*time.Millisecond) {
			t.Error("the cloud's time counts as confirmed")
		}
		m.pass(30 * time.Second)
		m.set(m.truth())
		m.expect(NTP, 1)
	})
}

func TestSystemClockStepsBackAnHour(t *testing.T) {
	t.Run("under a dated boot it is disbelieved", func(t *testing.T) {
		m := boot(t, start, true)
		m.r.Synchronised = false // the link of the venue is cut, NTP with it
		m.pass(time.Minute)
		m.set(m.truth().Add(-time.Hour))
		m.pass(time.Hour)
		m.expect(NTP, 1)
	})
	t.Run("under an undated boot it begins a new map", func(t *testing.T) {
		m := boot(t, start.Add(time.Hour), false)
		before := m.keep.Map()
		m.set(m.truth())
		m.expect(System, 1)
		if after := m.keep.Map(); after.From < before.From || after.Offset != before.Offset-time.Hour || !m.jumps[0].Followed || m.jumps[0].By != -time.Hour {
			t.Errorf("%+v became %+v with %+v", before, after, m.jumps)
		}
	})
	t.Run("NTP that lasts is believed in the end", func(t *testing.T) {
		m := boot(t, start.Add(time.Hour), true)
		m.set(m.truth())
		m.pass(StepPatience - 2*time.Second)
		if m.keep.Map().Wall(0) == m.truth().UnixNano()-m.r.Mono {
			t.Error("it was believed too early")
		}
		m.pass(4 * time.Second)
		m.expect(NTP, 2)
	})
}

func TestBootWithoutAnyTimeIsUnknown(t *testing.T) {
	m := boot(t, time.Date(1970, 1, 1, 0, 0, 10, 0, time.UTC), false)
	m.floor = time.Time{} // a build that does not say when it was made
	m.expect(Unknown, 0)
	m.pass(time.Minute)
	m.expect(Unknown, 0)
	if _, dated := m.keep.Wall(); dated {
		t.Error("an unknown time counts as one")
	}
	m.floor = start.Add(-time.Hour) // what is known to have passed moves on; the clock does not reach it
	m.set(start.Add(-2 * time.Hour))
	if got := m.keep.Map().Source; got != Unknown {
		t.Errorf("%v", got)
	}
	m.keep.CloudTime(m.truth(), time.Second)
	if got := m.keep.Map(); got.Source != Cloud || got.Uncertainty < 500*time.Millisecond {
		t.Errorf("%+v", got)
	}
}

func TestCloudTimeNarrowsAndDrifts(t *testing.T) {
	m := boot(t, start, false)
	m.keep.CloudTime(m.truth().Add(-900*time.Millisecond), time.Second)
	wide := m.keep.Map()
	m.keep.CloudTime(m.truth().Add(-5*time.Millisecond), 10*time.Millisecond)
	if got := m.keep.Map(); got.Uncertainty >= wide.Uncertainty {
		t.Errorf("± %v became ± %v", wide.Uncertainty, got.Uncertainty)
	}
	m.expect(Cloud, 0)
	before := m.keep.Map().Uncertainty
	m.pass(time.Hour)
	if got := m.keep.Map().Uncertainty - before; got < 300*time.Millisecond || got > 800*time.Millisecond {
		t.Errorf("an hour alone added %v", got)
	}
	if m.keep.CloudTime(m.truth(), MaxRoundTrip+1) || m.keep.CloudTime(m.truth(), -1) {
		t.Error("an impossible exchange dated the boot")
	}
}

func TestCloudThatJumpsAloneMovesNothing(t *testing.T) {
	m := boot(t, start, false)
	m.keep.CloudTime(m.truth(), 10*time.Millisecond)
	jumps := len(m.jumps)
	for range 60 {
		m.pass(time.Second)
		if m.keep.CloudTime(m.truth().Add(24*time.Hour), 10*time.Millisecond) {
			t.Fatal("the cloud's jump counts as confirmed")
		}
	}
	m.keep.CloudTime(m.truth(), 10*time.Millisecond)
	m.expect(Cloud, jumps+2) // there and back
}

// TestI9DatesNeverGoBackWithinABoot: however NTP and the cloud correct a dated boot, within Slack, a later sample is never
// dated before an earlier one.
func TestI9DatesNeverGoBackWithinABoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := boot(t, start, rapid.Bool().Draw(t, "synchronised"))
		m.keep.CloudTime(m.truth(), 20*time.Millisecond)
		last, lastMono := int64(0), int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			step := time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond
			m.r.Mono += int64(step)
			m.r.Wall += int64(step)
			switch rapid.IntRange(0, 4).Draw(t, "event") {
			case 0:
				m.r.Synchronised = !m.r.Synchronised
			case 1:
				m.r.Wall += int64(rapid.IntRange(-400, 400).Draw(t, "step")) * 1e6
			case 2:
				m.keep.CloudTime(m.truth().Add(time.Duration(rapid.IntRange(-200, 200).Draw(t, "off"))*time.Millisecond), 20*time.Millisecond)
			case 3:
				m.r.Wall = m.truth().UnixNano()
			}
			got := m.keep.Map()
			if wall := got.Wall(m.r.Mono); wall < last || m.r.Mono > lastMono && wall <= last {
				t.Fatalf("mono %d was dated %d, mono %d is dated %d", lastMono, last, m.r.Mono, wall)
			} else {
				last, lastMono = wall, m.r.Mono
			}
			if got.From > m.r.Mono || got.Uncertainty < 0 {
				t.Fatalf("%+v at %d", got, m.r.Mono)
			}
		}
	})
}

func TestHostReadsTheMachine(t *testing.T) {
	h, err := OpenHost()
	if err != nil {
		t.Fatal(err)
	}
	k := NewKeeper(KeeperOptions{Read: h.Read, Mono: h.Mono})
	a, m := k.Mono(), k.Map()
	if b := k.Mono(); b < a || m.Boot == (BootID{}) || m.Source == Unknown {
		t.Errorf("%d, then %d; %+v", a, b, m)
	}
	if off := time.Until(time.Unix(0, m.Wall(k.Mono()))).Abs(); off > time.Minute {
		t.Errorf("the machine's map is off by %v", off)
	}
}
