package loadgen

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// cloud is a broker and an aggregator in one, without a network. It acknowledges what it is asked to.
type cloud struct {
	mu      sync.Mutex
	acking  bool
	batches map[point.BatchID]uint32 // and their samples
	unacked []point.BatchID
	deliver func(mqtt.Message)
	first   chan struct{} // closed with the first batch
}

func newCloud(acking bool) *cloud {
	return &cloud{acking: acking, batches: map[point.BatchID]uint32{}, first: make(chan struct{})}
}

type session struct {
	c    *cloud
	lost chan struct{}
	once sync.Once
}

func (c *cloud) dial(_ context.Context, o mqtt.Options) (uplink.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliver = o.OnMessage
	return &session{c: c, lost: make(chan struct{})}, nil
}

// Publish implements uplink.Session.
func (s *session) Publish(m mqtt.Message, done func(error)) error {
	if h, err := wire.Verify(m.Payload, wire.DefaultLimits()); err == nil {
		s.c.took(h)
	}
	if done != nil {
		go done(nil)
	}
	return nil
}

func (c *cloud) took(h wire.Header) {
	c.mu.Lock()
	if len(c.batches) == 0 {
		close(c.first)
	}
	c.batches[h.ID()] = h.Count
	c.unacked = append(c.unacked, h.ID())
	acking := c.acking
	c.mu.Unlock()
	if acking {
		go c.ackAll()
	}
}

// ackAll acknowledges everything that came.
func (c *cloud) ackAll() {
	c.mu.Lock()
	c.acking = true
	a := wire.Ack{Incarnation: "test", CloudTime: time.Now()}
	for _, id := range c.unacked {
		a.Durable = append(a.Durable, wire.Range{Epoch: id.Epoch, Lane: id.Lane, From: id.Seq, To: id.Seq + 1})
	}
	c.unacked = nil
	deliver := c.deliver
	c.mu.Unlock()
	if len(a.Durable) > 0 {
		deliver(mqtt.Message{Topic: wire.GatewayTopic(Venue, Gateway, wire.AckCh), Payload: wire.EncodeAck(a)})
	}
}

// samples returns how many distinct samples of telemetry came.
func (c *cloud) samples() (n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, count := range c.batches {
		if id.Lane == point.Telemetry {
			n += uint64(count)
		}
	}
	return n
}

func (s *session) Subscribe(context.Context, ...string) error { return nil }
func (s *session) Lost() <-chan struct{}                      { return s.lost }
func (s *session) Err() error                                 { return nil }
func (s *session) Close() error                               { s.once.Do(func() { close(s.lost) }); return nil }

// start runs a site against c; the returned function stops it and returns the final figures.
func start(t *testing.T, c *cloud, site Site, hold int64) (*Control, func() Figures) {
	t.Helper()
	dir := t.TempDir()
	site.DataDir = filepath.Join(dir, "data")
	files, err := site.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	control := NewControl(hold)
	cfg, err := config.Load(files.Gateway, Registry(control))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	type end struct {
		f   Figures
		err error
	}
	ended := make(chan end, 1)
	go func() {
		f, err := Run(ctx, Options{Config: cfg, Control: control, Dial: c.dial})
		ended <- end{f, err}
	}()
	return control, func() Figures {
		stop()
		e := <-ended
		if e.err != nil {
			t.Error(e.err)
		}
		return e.f
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within 30 s", what)
		}
	}
}

// TestMaxNeverDrops is the closed loop in the real gateway: a cloud that acknowledges nothing stops the generator, one
// that begins to lets it go on, and at the end everything that was yielded arrived.
func TestMaxNeverDrops(t *testing.T) {
	c := newCloud(false)
	control, stop := start(t, c, Site{Points: 500, NoProbes: true, SpillAfter: time.Hour}, 64<<10)
	eventually(t, "a generator that waits", func() bool { return control.Waited() > 100*time.Millisecond })
	stuck, _ := control.Produced()
	if c.samples() > stuck {
		t.Errorf("%d samples came of %d readings", c.samples(), stuck)
	}
	c.ackAll()
	eventually(t, "a generator that goes on", func() bool { n, _ := control.Produced(); return n > 2*stuck })
	f := stop()
	if f.Lost != 0 || f.Dropped != 0 || f.Skipped != 0 || f.Spilled != 0 {
		t.Errorf("lost %d, dropped %d, skipped %d, spilled %d bytes; want none of it", f.Lost, f.Dropped, f.Skipped, f.Spilled)
	}
	if f.Batched != f.Produced {
		t.Errorf("%d readings, %d samples in batches: every reading has to pass the filter", f.Produced, f.Batched)
	}
	if n := c.samples(); n != f.Produced {
		t.Errorf("%d samples came of %d readings", n, f.Produced)
	}
	if !f.Final || f.Seconds <= 0 || f.CPUSeconds <= 0 || f.AckTrips == 0 {
		t.Errorf("the final figures are %+v", f)
	}
}

func TestRunWithProbes(t *testing.T) {
	c := newCloud(true)
	control, stop := start(t, c, Site{Points: 100, Rate: 20_000}, 0)
	<-c.first
	eventually(t, "a second of readings", func() bool { n, _ := control.Produced(); return n > 5000 })
	f := stop()
	if f.TotalBase == 0 || f.CriticalEvents == 0 || f.Connects != 1 || f.FirstLive == 0 {
		t.Errorf("no trace of the probes: %+v", f)
	}
	if f.Lost != 0 || f.Dropped != 0 || f.Batched+f.CriticalEvents > f.Produced {
		t.Errorf("%d readings, %d and %d samples, %d lost, %d dropped", f.Produced, f.Batched, f.CriticalEvents, f.Lost, f.Dropped)
	}
	if _, err := json.Marshal(f); err != nil {
		t.Error(err)
	}
}

func TestRunSaysWhyItCannot(t *testing.T) {
	dir := t.TempDir()
	files, err := Site{Points: 1, DataDir: filepath.Join(dir, "gateway.yaml", "no-folder")}.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	control := NewControl(0)
	cfg, err := config.Load(files.Gateway, Registry(control))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Options{Config: cfg, Control: control, Dial: newCloud(true).dial}); err == nil || !strings.Contains(err.Error(), "data_dir") {
		t.Errorf("a data directory below a file: %v", err)
	}
}

var errRefused = errors.New("refused")

type refusing struct{ uplink.Session }

func (refusing) Publish(mqtt.Message, func(error)) error { return errRefused }

func TestTripsMeasureFromPublishToAck(t *testing.T) {
	tr := newTrips()
	start := time.Now()
	tr.begin(start)
	epoch := point.Epoch{1}
	frame := func(seq uint64) []byte {
		enc, err := wire.NewEncoder(wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		table := []point.Point{{Device: "d", Name: "n", Type: point.Int, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}}
		_, hash, err := wire.EncodeTable(table, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := enc.Encode(nil, point.Telemetry, table, &wire.Batch{Venue: Venue, Gateway: Gateway, Table: hash, Samples: []point.Sample{{Time: 1, Bits: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		wire.Seal(b, epoch, seq)
		return b
	}
	publish := func(seq uint64, c wire.Channel, after time.Duration) {
		tr.published(start.Add(after), mqtt.Message{Topic: wire.GatewayTopic(Venue, Gateway, c), Payload: frame(seq)})
	}
	ack := func(from, to uint64, after time.Duration) {
		tr.received(start.Add(after), mqtt.Message{Topic: wire.GatewayTopic(Venue, Gateway, wire.AckCh), Payload: wire.EncodeAck(wire.Ack{Incarnation: "x", CloudTime: start,
			Durable: []wire.Range{{Epoch: epoch, Lane: point.Telemetry, From: from, To: to}}})})
	}
	publish(0, wire.Replay, time.Second)
	publish(1, wire.Live, 2*time.Second)
	publish(2, wire.Live, 3*time.Second)
	tr.published(start, mqtt.Message{Topic: wire.GatewayTopic(Venue, Gateway, wire.StatusCh), Payload: []byte(`{}`)})
	tr.received(start, mqtt.Message{Topic: wire.GatewayTopic(Venue, Gateway, wire.AckCh), Payload: []byte("no ack")})
	ack(0, 2, 4*time.Second)
	ack(0, 1000, 9*time.Second)
	ack(0, 1000, 99*time.Second) // told before
	took, connected, returned := tr.snapshot()
	var f Figures
	f.trips(took, connected, returned)
	if f.AckTrips != 3 || f.AckP50 != 3000 || f.AckP99 != 6000 || f.FirstLive != 2000 || !f.Connected.Equal(start) {
		t.Errorf("trips of 2, 3 and 6 s, the first live batch after 2 s: %+v", f)
	}
	tr.forget()
	if took, _, _ := tr.snapshot(); len(took) != 0 {
		t.Errorf("%v after forgetting", took)
	}
	// What did not go is not waited for.
	w := watched{refusing{}, tr}
	if err := w.Publish(mqtt.Message{Topic: wire.GatewayTopic(Venue, Gateway, wire.Live), Payload: frame(7)}, nil); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	ack(7, 8, time.Hour)
	if took, _, _ := tr.snapshot(); len(took) != 0 {
		t.Errorf("%v of a batch that did not go", took)
	}
	for n := range keptTrips + 10 {
		tr.keep(time.Duration(n))
	}
	if took, _, _ := tr.snapshot(); len(took) != keptTrips {
		t.Errorf("%d round trips are kept, %d at most", len(took), keptTrips)
	}
}

func TestLineIsOfTheTimeBetween(t *testing.T) {
	before := Figures{Seconds: 1, Batched: 1000, Batches: 1, Bytes: 1000, CPUSeconds: 1}
	now := Figures{Seconds: 3, Batched: 201_000, Batches: 201, Bytes: 301_000, CPUSeconds: 2, Held: 3 << 20, Spilled: 5 << 30, RSS: 7 << 10, Link: "up"}
	line := now.Line(before)
	for _, want := range []string{"100000 events/s", "100 batches/s", "1.50 B/event", "held 3.0 MiB", "spilled 5.0 GiB", "CPU  50 %", "RSS 7.0 KiB", "link up"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %q", want, line)
		}
	}
	if Figures.Line(Figures{Held: 12}, Figures{}) == "" || quantile(nil, 0.5) != 0 {
		t.Error("nothing at all has no line")
	}
}
