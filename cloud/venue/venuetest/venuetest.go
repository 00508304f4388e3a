// Package venuetest is a small arena for tests: three seats, a gate with two counters and a ring, and a
// panel, with a log in memory and a clock that the test moves.
package venuetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venuemap"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// The arena, and the gateway that reports it.
const (
	Venue   = point.ID("dal-001")
	Gateway = point.ID("gw-north")
)

// Origin is the wall time of monotonic 0 in these tests: whole buckets, far from now.
var Origin = time.Unix(1_700_000_000, 0).Truncate(time.Minute)

// Table has one point of each behaviour.
func Table() []point.Point {
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

// Map has a place for everything in Table: seats a metre apart, the gate west of them, the panel north.
func Map(t rapid.TB) *venuemap.Map {
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

// Rig is a venue with a log in memory and a clock that the test moves.
type Rig struct {
	t       rapid.TB
	V       *venue.Venue
	Table   []point.Point
	parts   [][]byte
	Hash    point.TableHash
	Records []log.Record
	Now     time.Time
	More    []point.ID // gateways besides Gateway that are granted the same devices, of lower ranks
	enc     *wire.Encoder
}

// New returns a rig with an empty venue of Table and Map, an hour after Origin.
func New(t rapid.TB) *Rig {
	t.Helper()
	return NewWith(t, Table())
}

// NewWith is New with a point table of the test's own, of Table's devices.
func NewWith(t rapid.TB, table []point.Point) *Rig {
	t.Helper()
	r := &Rig{t: t, Table: table, Now: Origin.Add(time.Hour)}
	var err error
	if r.parts, r.Hash, err = wire.EncodeTable(r.Table, 256<<10); err != nil {
		t.Fatal(err)
	}
	if r.enc, err = wire.NewEncoder(wire.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	r.V = r.NewVenue(Map(t), Devices())
	return r
}

// NewVenue returns an empty venue over the rig's log and clock.
func (r *Rig) NewVenue(m *venuemap.Map, devices []point.ID) *venue.Venue {
	r.t.Helper()
	v, err := venue.New(r.Options(m, devices))
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// Options describe a venue over the rig's log and clock.
func (r *Rig) Options(m *venuemap.Map, devices []point.ID) venue.Options {
	gateways := []venue.Gateway{{ID: Gateway, Devices: devices}}
	for _, g := range r.More {
		gateways = append(gateways, venue.Gateway{ID: g, Devices: devices})
	}
	return venue.Options{ID: Venue, Map: m, Gateways: gateways, Limits: wire.DefaultLimits(),
		Now: func() time.Time { return r.Now },
		Fetch: func(off uint64) (log.Record, error) {
			if off >= uint64(len(r.Records)) {
				return log.Record{}, log.ErrNotFound
			}
			return r.Records[off], nil
		}}
}

// Devices are those of the table.
func Devices() []point.ID { return []point.ID{"plc-seats", "plc-gates", "plc-panels"} }

// Record appends a record of Gateway to the log and returns it.
func (r *Rig) Record(kind log.Kind, payload []byte) log.Record {
	return r.recordOf(Gateway, kind, payload)
}

func (r *Rig) recordOf(gateway point.ID, kind log.Kind, payload []byte) log.Record {
	rec := log.Record{Offset: uint64(len(r.Records)), Kind: kind, Venue: Venue, Gateway: gateway, Received: r.Now, Payload: payload}
	r.Records = append(r.Records, rec)
	return rec
}

// Deliver appends a record to the log and applies it.
func (r *Rig) Deliver(kind log.Kind, payload []byte) []venue.Effect {
	return r.V.Apply(r.Record(kind, payload))
}

// DeliverOf appends a record of another gateway to the log and applies it.
func (r *Rig) DeliverOf(gateway point.ID, kind log.Kind, payload []byte) []venue.Effect {
	return r.V.Apply(r.recordOf(gateway, kind, payload))
}

// DeliverTable delivers every part of Gateway's table.
func (r *Rig) DeliverTable() {
	for _, p := range r.parts {
		r.Deliver(log.Table, p)
	}
}

// Parts are the payloads of the table's parts.
func (r *Rig) Parts() [][]byte { return r.parts }

// Restart makes a new venue, from a snapshot if there is one, and gives it the log's records.
func (r *Rig) Restart(snapshot []byte) {
	r.t.Helper()
	if snapshot == nil {
		r.V = r.NewVenue(Map(r.t), Devices())
	} else {
		var err error
		if r.V, err = venue.Load(r.Options(Map(r.t), Devices()), snapshot); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, rec := range r.Records {
		r.V.Apply(rec)
	}
}

// TimeMap dates the one boot that there is.
func (r *Rig) TimeMap() clock.Map {
	return clock.Map{Boot: clock.BootID{1}, Offset: time.Duration(Origin.UnixNano()), Uncertainty: time.Millisecond, Source: clock.NTP}
}

// Frame encodes and seals a batch.
func (r *Rig) Frame(id point.BatchID, b wire.Batch) []byte { return r.FrameOf(Gateway, id, b) }

// FrameOf encodes and seals a batch of another gateway.
func (r *Rig) FrameOf(gateway point.ID, id point.BatchID, b wire.Batch) []byte {
	r.t.Helper()
	b.Venue, b.Gateway, b.Table = Venue, gateway, r.Hash
	if b.Map == (clock.Map{}) {
		b.Map = r.TimeMap()
	}
	frame, err := r.enc.Encode(nil, id.Lane, r.Table, &b)
	if err != nil {
		r.t.Fatal(err)
	}
	wire.Seal(frame, id.Epoch, id.Seq)
	return frame
}
