package venue_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// floor is a venue with two tracked bodies and a clock that the test moves; its samples are dated from floorBegin.
type floor struct {
	t       rapid.TB
	v       *venue.Venue
	now     time.Duration // since floorBegin
	table   []point.Point
	hash    point.TableHash
	parts   [][]byte
	records []log.Record
	enc     *wire.Encoder
	seq     uint64
}

var floorBegin = time.Unix(1_700_000_000, 0)

func newFloor(t rapid.TB) *floor {
	f := &floor{t: t}
	for _, name := range []point.Name{"player/7/x", "player/7/y", "ball/x", "ball/y", "odd/z"} {
		f.table = append(f.table, point.Point{Device: "court", Name: name, Type: point.Float, Kind: point.Position, Lane: point.Telemetry, Class: point.State, MaxSilence: 5 * time.Second})
	}
	var err error
	if f.parts, f.hash, err = wire.EncodeTable(f.table, 64<<10); err != nil {
		t.Fatal(err)
	}
	if f.enc, err = wire.NewEncoder(wire.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	f.v = f.venue()
	f.deliverTable(f.v)
	return f
}

func (f *floor) venue() *venue.Venue {
	v, err := venue.New(venue.Options{ID: "dal-001", Gateways: []venue.Gateway{{ID: "gw", Devices: []point.ID{"court"}}}, Limits: wire.DefaultLimits(),
		Now:   func() time.Time { return floorBegin.Add(f.now) },
		Fetch: func(off uint64) (log.Record, error) { return f.records[off], nil }})
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *floor) deliver(v *venue.Venue, kind log.Kind, payload []byte) {
	r := log.Record{Offset: uint64(len(f.records)), Kind: kind, Venue: "dal-001", Gateway: "gw", Received: floorBegin.Add(f.now), Payload: payload}
	f.records = append(f.records, r)
	v.Apply(r)
}

func (f *floor) deliverTable(v *venue.Venue) {
	for _, p := range f.parts {
		f.deliver(v, log.Table, p)
	}
}

// frame seals samples as the next batch.
func (f *floor) frame(gaps []point.Gap, samples ...point.Sample) []byte {
	m := clock.Map{Boot: clock.BootID{1}, Offset: time.Duration(floorBegin.UnixNano()), Uncertainty: time.Millisecond, Source: clock.NTP}
	b := wire.Batch{Venue: "dal-001", Gateway: "gw", Table: f.hash, Map: m, Samples: samples, Gaps: gaps}
	frame, err := f.enc.Encode(nil, point.Telemetry, f.table, &b)
	if err != nil {
		f.t.Fatal(err)
	}
	wire.Seal(frame, point.Epoch{1}, f.seq)
	f.seq++
	return frame
}

func (f *floor) say(gaps []point.Gap, samples ...point.Sample) {
	f.deliver(f.v, log.Batch, f.frame(gaps, samples...))
}

func fixAt(index uint32, at time.Duration, v float64) point.Sample {
	return point.Sample{Index: index, Time: int64(at), Bits: point.FloatBits(v)}
}

// show returns what Presence says, as text.
func show(v *venue.Venue) string {
	_, tracks := v.Presence()
	out := ""
	for _, t := range tracks {
		out += fmt.Sprintf("%s%v ", t.Body, t.Spots)
	}
	return out
}

func (f *floor) want(want string) {
	f.t.Helper()
	if got := show(f.v); got != want {
		f.t.Errorf("at %v: %q, want %q", f.now, got, want)
	}
}

func TestPresence(t *testing.T) {
	f := newFloor(t)
	f.want("")
	f.now = time.Hour
	f.say(nil, fixAt(0, time.Hour-time.Second, 3), fixAt(4, time.Hour, 9))
	f.want("") // only one axis
	f.say(nil, fixAt(1, time.Hour-time.Second, -2))
	f.want("court/player/7[{3 -2}] ")
	f.say(nil, fixAt(0, time.Hour, 4), fixAt(2, time.Hour, 0), fixAt(3, time.Hour, 1))
	f.want("court/player/7[{3 -2} {4 -2}] court/ball[{0 1}] ")
	f.now += 59 * time.Second
	f.want("court/player/7[{3 -2} {4 -2}] court/ball[{0 1}] ")
	f.now += time.Second
	f.want("court/player/7[{4 -2}] court/ball[{0 1}] ") // the minute began with it
	f.now += time.Second
	f.want("court/player/7[{4 -2}] court/ball[{0 1}] ") // not silent for twice max_silence when the minute began
	f.now += 10 * time.Second
	f.want("")
}

func TestPresenceEndsWithBadQualityAndGaps(t *testing.T) {
	f := newFloor(t)
	f.now = time.Hour
	f.say(nil, fixAt(0, time.Hour-30*time.Second, 3), fixAt(1, time.Hour-30*time.Second, 3))
	bad := fixAt(0, time.Hour-28*time.Second, 9)
	bad.Quality = point.BadTimeout
	f.say(nil, bad, fixAt(1, time.Hour-27*time.Second, 5))
	f.want("court/player/7[{3 3}] ")
	f.say(nil, fixAt(0, time.Hour-26*time.Second, 4))
	f.want("court/player/7[{3 3} {4 5}] ")
	f.say(nil, fixAt(2, time.Hour-20*time.Second, 1), fixAt(3, time.Hour-20*time.Second, 1))
	f.say([]point.Gap{{Epoch: point.Epoch{2}, Lane: point.Telemetry, From: 1, To: 2, Boot: clock.BootID{1}, First: int64(time.Hour - 19*time.Second), Last: int64(time.Hour - 18*time.Second), Reason: point.GapDropped}},
		fixAt(2, time.Hour-17*time.Second, 2))
	f.want("court/player/7[{3 3} {4 5}] court/ball[{1 1}] ") // where y is after the gap is not known
	f.say(nil, fixAt(3, time.Hour-16*time.Second, 2))
	f.want("court/player/7[{3 3} {4 5}] court/ball[{1 1} {2 2}] ")
}

// TestPresenceIsAFunctionOfTheSet: whatever order, repetition and lateness the batches come in, and whenever time passes between them,
// Presence equals what an obvious reading of all samples at once says.
func TestPresenceIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFloor(t)
		f.now = 10 * time.Minute
		type sent struct {
			point.Sample
			seq uint64
			pos int
		}
		var all []sent
		var frames [][]byte
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			var samples []point.Sample
			seq := f.seq
			for range rapid.IntRange(1, 6).Draw(t, "samples") {
				s := fixAt(rapid.Uint32Range(0, 3).Draw(t, "axis"), f.now+time.Duration(rapid.IntRange(-30, 24).Draw(t, "at"))*5*time.Second, float64(rapid.IntRange(-3, 3).Draw(t, "metres")))
				if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
					s.Quality = point.BadTimeout
				}
				all = append(all, sent{s, seq, len(samples)})
				samples = append(samples, s)
			}
			frames = append(frames, f.frame(nil, samples...))
		}
		order := rapid.Permutation(append(slices.Clone(frames), frames[:rapid.IntRange(0, len(frames)).Draw(t, "again")]...)).Draw(t, "order")
		for _, frame := range order {
			f.deliver(f.v, log.Batch, frame)
			f.now += time.Duration(rapid.IntRange(0, 20).Draw(t, "pass")) * time.Second
			f.v.Tick()
		}
		slices.SortFunc(all, func(a, b sent) int {
			return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.seq, b.seq), cmp.Compare(a.pos, b.pos))
		})
		value := func(axis uint32, at int64) (v uint64, known bool) {
			for _, s := range all {
				if s.Index == axis && s.Time <= at {
					v, known = s.Bits, !s.Quality.IsBad() && at-s.Time <= int64(10*time.Second)
				}
			}
			return v, known
		}
		want := ""
		for body, name := range []string{"court/player/7", "court/ball"} {
			start, end := int64(f.now-venue.PresenceWindow), int64(f.now+venue.LateBy)
			times := []int64{start}
			for _, s := range all {
				if int(s.Index)/2 == body && s.Time > start && s.Time <= end {
					times = append(times, s.Time)
				}
			}
			var spots []venue.Spot
			for _, at := range times {
				x, knownX := value(uint32(2*body), at)
				y, knownY := value(uint32(2*body+1), at)
				p := point.Point{Type: point.Float}
				if s := (venue.Spot{X: p.Number(x), Y: p.Number(y)}); knownX && knownY && (len(spots) == 0 || spots[len(spots)-1] != s) {
					spots = append(spots, s)
				}
			}
			if len(spots) > 0 {
				want += fmt.Sprintf("%s%v ", name, spots)
			}
		}
		if got := show(f.v); got != want {
			t.Fatalf("presence is %q, the set says %q", got, want)
		}
	})
}
