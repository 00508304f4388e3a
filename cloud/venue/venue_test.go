package venue

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venuemap"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

const (
	testVenue   = point.ID("dal-001")
	testGateway = point.ID("gw-north")
)

// origin is the wall time of monotonic 0 in these tests: whole buckets, far from now.
var origin = time.Unix(1_700_000_000, 0).Truncate(time.Minute)

// testTable has one point of each behaviour.
func testTable() []point.Point {
	seat := func(n int) point.Point {
		place := fmt.Sprintf("101/a/%d", n)
		return point.Point{Device: "plc-seats", Name: point.Name("seat/" + place), Type: point.Int, Kind: point.Seat, Lane: point.Telemetry, Class: point.State,
			Place: place, Scale: 0.1, OccupiedAbove: 20, OccupiedBelow: 15, MaxSilence: 10 * time.Minute}
	}
	counter := func(n int, d point.Direction) point.Point {
		return point.Point{Device: "plc-gates", Name: point.Name(fmt.Sprintf("gate/1/%d/%s", n, d)), Type: point.Int, Kind: point.Gate, Lane: point.Critical,
			Class: point.Counter, Place: "gate-01", Direction: d, Bits: 16, MaxRate: 5}
	}
	return []point.Point{
		seat(1), seat(2),
		{Device: "plc-seats", Name: "seat/101/a/3", Type: point.Bool, Kind: point.Seat, Lane: point.Telemetry, Class: point.State, Place: "101/a/3"},
		counter(1, point.In), counter(1, point.Out),
		{Device: "plc-gates", Name: "gate/1/ring", Type: point.Int, Kind: point.Gate, Lane: point.Critical, Class: point.Event, Place: "gate-01", Direction: point.In},
		{Device: "plc-panels", Name: "panel/n/status", Type: point.Int, Kind: point.Panel, Lane: point.Telemetry, Class: point.State, Place: "panel-n"},
		{Device: "plc-panels", Name: "panel/n/text", Type: point.Text, Kind: point.Panel, Lane: point.Telemetry, Class: point.State, Place: "panel-n"},
	}
}

func testMap(t rapid.TB) *venuemap.Map {
	t.Helper()
	features := []string{}
	for n := 1; n <= 3; n++ {
		features = append(features, fmt.Sprintf(`{"type":"Feature","properties":{"kind":"seat","place":"101/a/%d","section":"101","row":"a","seat":"%d"},"geometry":{"type":"Point","coordinates":[%d.5,4.5]}}`, n, n, n))
	}
	features = append(features,
		`{"type":"Feature","properties":{"kind":"gate","place":"gate-01","name":"Gate 1"},"geometry":{"type":"Point","coordinates":[-6,0]}}`,
		`{"type":"Feature","properties":{"kind":"panel","place":"panel-n","name":"North"},"geometry":{"type":"Point","coordinates":[0,8]}}`)
	raw := `{"type":"FeatureCollection","crs":"local-metres","features":[`
	for i, f := range features {
		if i > 0 {
			raw += ","
		}
		raw += f
	}
	m, err := venuemap.Parse([]byte(raw + "]}"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// rig is a venue with a log in memory and a clock that the test moves.
type rig struct {
	t       rapid.TB
	v       *Venue
	table   []point.Point
	parts   [][]byte
	hash    point.TableHash
	records []log.Record
	now     time.Time
	enc     *wire.Encoder
}

func newRig(t rapid.TB) *rig {
	t.Helper()
	r := &rig{t: t, table: testTable(), now: origin.Add(time.Hour)}
	var err error
	if r.parts, r.hash, err = wire.EncodeTable(r.table, 256<<10); err != nil {
		t.Fatal(err)
	}
	if r.enc, err = wire.NewEncoder(wire.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	r.v = r.venue(testMap(t), []point.ID{"plc-seats", "plc-gates", "plc-panels"})
	return r
}

func (r *rig) venue(m *venuemap.Map, devices []point.ID) *Venue {
	v, err := New(Options{ID: testVenue, Map: m, Gateways: []Gateway{{testGateway, devices}}, Limits: wire.DefaultLimits(),
		Now:   func() time.Time { return r.now },
		Fetch: func(off uint64) (log.Record, error) { return r.records[off], nil }})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// deliver appends a record to the log and applies it.
func (r *rig) deliver(kind log.Kind, payload []byte) []Effect {
	rec := log.Record{Offset: uint64(len(r.records)), Kind: kind, Venue: testVenue, Gateway: testGateway, Received: r.now, Payload: payload}
	r.records = append(r.records, rec)
	return r.v.Apply(rec)
}

func (r *rig) deliverTable() {
	for _, p := range r.parts {
		r.deliver(log.Table, p)
	}
}

// frame encodes and seals a batch.
func (r *rig) frame(id point.BatchID, b wire.Batch) []byte {
	r.t.Helper()
	b.Venue, b.Gateway, b.Table = testVenue, testGateway, r.hash
	b.Map = clock.Map{Boot: clock.BootID{1}, Offset: time.Duration(origin.UnixNano()), Uncertainty: time.Millisecond, Source: clock.NTP}
	frame, err := r.enc.Encode(nil, id.Lane, r.table, &b)
	if err != nil {
		r.t.Fatal(err)
	}
	wire.Seal(frame, id.Epoch, id.Seq)
	return frame
}

func at(d time.Duration) int64 { return int64(d) }

func telemetry(seq uint64) point.BatchID {
	return point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry, Seq: seq}
}

func critical(seq uint64) point.BatchID {
	return point.BatchID{Epoch: point.Epoch{7}, Lane: point.Critical, Seq: seq}
}

func kg(v float64) uint64 { return point.IntBits(int64(v * 10)) }

func TestSeatFollowsHysteresisAndNeverGuesses(t *testing.T) {
	r := newRig(t)
	r.deliverTable()
	if o := r.v.Occupancy(); o.Unknown != 3 || o.Occupied != 0 || o.Free != 0 {
		t.Fatalf("before any sample: %+v; nothing is known then", o.SeatCount)
	}
	sample := func(seq uint64, minute int, value float64) {
		r.deliver(log.Batch, r.frame(telemetry(seq), wire.Batch{Samples: []point.Sample{{Index: 0, Time: at(time.Duration(minute) * time.Minute), Bits: kg(value)}}}))
	}
	steps := []struct {
		value float64
		want  Occupancy
	}{{17, Unknown}, {40, Occupied}, {17, Occupied}, {14.9, Free}, {17, Free}, {20, Occupied}}
	for i, s := range steps {
		sample(uint64(i), 45+i, s.value)
		if _, seats := r.v.Seats(); seats[0].State != s.want {
			t.Errorf("step %d, %g kg: %v, want %v", i, s.value, seats[0].State, s.want)
		}
	}
	r.now = r.now.Add(25 * time.Minute) // twice max_silence and more
	if _, seats := r.v.Seats(); seats[0].State != Unknown {
		t.Errorf("a silent seat is %v, want unknown", seats[0].State)
	}
}

func TestBadQualityIsUnknownNotFree(t *testing.T) {
	r := newRig(t)
	r.deliverTable()
	r.deliver(log.Batch, r.frame(telemetry(0), wire.Batch{Samples: []point.Sample{
		{Index: 0, Time: at(55 * time.Minute), Bits: kg(50)},
		{Index: 0, Time: at(56 * time.Minute), Quality: point.BadTimeout}}}))
	_, seats := r.v.Seats()
	if seats[0].State != Unknown {
		t.Errorf("state %v, want unknown", seats[0].State)
	}
	pts := r.v.Points(PointFilter{Device: "plc-seats", Kind: point.Seat, Limit: 1}).Points
	if len(pts) != 1 || pts[0].Value != nil || pts[0].Unknown != "bad-quality" || pts[0].Quality != "bad: timeout" {
		t.Errorf("point %+v", pts)
	}
}

func TestFutureSamplesWait(t *testing.T) {
	r := newRig(t)
	r.deliverTable()
	r.deliver(log.Batch, r.frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(50 * time.Minute), Bits: 0}, {Index: 2, Time: at(61 * time.Minute), Bits: 1}}}))
	if _, seats := r.v.Seats(); seats[2].State != Free {
		t.Fatalf("a sample dated a minute ahead moved the answer: %v", seats[2].State)
	}
	r.now = r.now.Add(56 * time.Second)
	r.v.Tick()
	if _, seats := r.v.Seats(); seats[2].State != Occupied {
		t.Errorf("five seconds before its date a sample counts; got %v", seats[2].State)
	}
}

func TestFrameWaitsForItsTable(t *testing.T) {
	r := newRig(t)
	frame := r.frame(critical(0), wire.Batch{Samples: []point.Sample{{Index: 3, Time: at(time.Minute), Bits: 12}},
		Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: at(time.Second)}}})
	effects := r.deliver(log.Batch, frame)
	if len(effects) != 1 || effects[0].TableWanted != r.hash || effects[0].Gateway != testGateway {
		t.Fatalf("effects %+v, want the table", effects)
	}
	r.deliver(log.Batch, frame) // a resend must not count twice when the table comes
	if c := r.v.Basis().Completeness; c.AwaitingTable != 2 {
		t.Errorf("awaiting %d frames, want 2", c.AwaitingTable)
	}
	r.deliverTable()
	if g := r.v.Gates(); g.In != 12 {
		t.Errorf("in %d, want 12", g.In)
	}
	if c := r.v.Basis().Completeness; c.AwaitingTable != 0 {
		t.Errorf("still awaiting %d", c.AwaitingTable)
	}
}

func TestConflictIsSetAsideAndCounted(t *testing.T) {
	r := newRig(t)
	r.deliverTable()
	r.deliver(log.Batch, r.frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(time.Minute), Bits: 1}}}))
	r.deliver(log.Batch, r.frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(2 * time.Minute), Bits: 0}}}))
	if _, seats := r.v.Seats(); seats[2].State != Occupied {
		t.Errorf("the second content moved the state: %v", seats[2].State)
	}
	if c := r.v.Counts(); c.Conflicts != 1 || c.SetAside["conflict"] != 1 || c.Duplicates != 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestForeignDeviceIsRefusedWhole(t *testing.T) {
	r := newRig(t)
	r.v = r.venue(testMap(t), []point.ID{"plc-seats", "plc-panels"}) // no gates
	r.deliverTable()
	r.deliver(log.Batch, r.frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(time.Minute), Bits: 1}}}))
	if _, seats := r.v.Seats(); seats[2].State != Unknown {
		t.Errorf("a frame of a refused table moved the state")
	}
	if c := r.v.Counts(); c.SetAside["device-not-granted"] != 1 {
		t.Errorf("set aside %v", c.SetAside)
	}
}

func TestBadFramesAreSetAsideAndTheRestGoesOn(t *testing.T) {
	r := newRig(t)
	r.deliverTable()
	good := r.frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(time.Minute), Bits: 1}}})
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	for name, payload := range map[string][]byte{"empty": nil, "truncated": good[:len(good)-3], "flipped": flipped, "text": []byte("hello")} {
		before := len(r.v.SetAside())
		r.deliver(log.Batch, payload)
		if got := r.v.SetAside(); len(got) != before+1 || got[before].Reason == "" || got[before].Offset != uint64(len(r.records)-1) {
			t.Errorf("%s: set aside %+v", name, got)
		}
	}
	r.deliver(log.Table, []byte("hello"))
	r.deliver(log.Inventory, []byte("hello"))
	r.deliver(log.Status, []byte("{"))
	r.deliver(log.Batch, good)
	if _, seats := r.v.Seats(); seats[2].State != Occupied {
		t.Error("a good frame after bad ones did not count")
	}
	if n := len(r.v.SetAside()); n != 7 {
		t.Errorf("%d set aside, want 7", n)
	}
}

func TestDeathCountsForItsOwnSessionOnly(t *testing.T) {
	r := newRig(t)
	status := func(session, state string) {
		raw, err := json.Marshal(wire.Status{Venue: testVenue, Gateway: testGateway, Session: session, State: state})
		if err != nil {
			t.Fatal(err)
		}
		r.deliver(log.Status, raw)
	}
	status("one", "birth")
	status("two", "birth")
	status("one", "death") // the half-open old session's will
	if g := r.v.Gateways()[0]; g.State != "birth" {
		t.Errorf("an old session's will killed the new one: %s", g.State)
	}
	status("two", "death")
	if g := r.v.Gateways()[0]; g.State != "death" {
		t.Errorf("state %s, want death", g.State)
	}
}

func TestGapMakesOlderValuesUnknown(t *testing.T) {
	r := newRig(t)
	r.deliverTable()
	r.deliver(log.Batch, r.frame(telemetry(0), wire.Batch{Samples: []point.Sample{{Index: 2, Time: at(40 * time.Minute), Bits: 1}, {Index: 0, Time: at(59 * time.Minute), Bits: kg(50)}}}))
	r.deliver(log.Batch, r.frame(telemetry(2), wire.Batch{Gaps: []point.Gap{{Epoch: point.Epoch{7}, Lane: point.Telemetry, From: 1, To: 2,
		Boot: clock.BootID{1}, First: at(50 * time.Minute), Last: at(52 * time.Minute), Count: 10, Reason: point.GapDropped}}}))
	_, seats := r.v.Seats()
	if seats[2].State != Unknown || seats[0].State != Occupied {
		t.Errorf("before the gap %v, want unknown; after it %v, want occupied", seats[2].State, seats[0].State)
	}
	gaps := r.v.Gaps().Gaps
	if len(gaps) != 1 || gaps[0].Reason != "dropped" || gaps[0].Count != 10 || !gaps[0].First.Equal(origin.Add(50*time.Minute)) {
		t.Errorf("gaps %+v", gaps)
	}
}
