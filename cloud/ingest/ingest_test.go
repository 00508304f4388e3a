package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// manualLog is a log that syncs when the test says so.
type manualLog struct {
	mu      sync.Mutex
	records []log.Record
	synced  uint64
	moved   chan struct{}
	err     error
}

func newLog() *manualLog { return &manualLog{moved: make(chan struct{})} }

func (l *manualLog) Append(r log.Record) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	r.Offset = uint64(len(l.records))
	l.records = append(l.records, r)
	return r.Offset, nil
}

func (l *manualLog) sync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = uint64(len(l.records))
	close(l.moved)
	l.moved = make(chan struct{})
}

func (l *manualLog) len() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.records) }

func (l *manualLog) Synced() uint64 { l.mu.Lock(); defer l.mu.Unlock(); return l.synced }
func (l *manualLog) Watch() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}
func (l *manualLog) Failed() <-chan struct{} { return nil }
func (l *manualLog) Err() error              { return l.err }
func (l *manualLog) Trim(uint64) error       { return nil }
func (l *manualLog) Bounds() (uint64, uint64) {
	return 0, uint64(l.len())
}
func (l *manualLog) Incarnation() string { return "inc" }
func (l *manualLog) Get(off uint64) (log.Record, error) {
	return l.records[off], nil
}
func (l *manualLog) Read(context.Context, uint64) iter.Seq2[log.Record, error] { return nil }

// inbox is the gateways' side: it collects acks and commands.
type inbox struct {
	acks chan wire.Ack
	cmds chan wire.Command
	err  error
}

func (b *inbox) Publish(topic string, payload []byte, qos byte, retained bool) error {
	if b.err != nil {
		return b.err
	}
	t, err := wire.ParseTopic(topic)
	if err != nil || retained {
		return fmt.Errorf("topic %q retained %v: %w", topic, retained, err)
	}
	switch t.Channel {
	case wire.AckCh:
		a, err := wire.DecodeAck(payload)
		if err != nil || qos != 0 {
			return fmt.Errorf("ack with qos %d: %w", qos, err)
		}
		b.acks <- a
	case wire.CommandCh:
		c, err := wire.DecodeCommand(payload)
		if err != nil || qos != 1 {
			return fmt.Errorf("command with qos %d: %w", qos, err)
		}
		b.cmds <- c
	}
	return nil
}

type fixture struct {
	t   *testing.T
	rig *venuetest.Rig
	log *manualLog
	box *inbox
	in  *ingest.Ingest
	now time.Time

	reached atomic.Uint64 // what the venues have applied
}

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, rig: venuetest.New(t), log: newLog(), box: &inbox{acks: make(chan wire.Ack, 100), cmds: make(chan wire.Command, 100)}, now: time.Unix(1_700_000_000, 0)}
	f.in = ingest.New(ingest.Options{Log: f.log, Publisher: f.box, Limits: wire.DefaultLimits(), Now: func() time.Time { return f.now },
		Reached: f.reached.Load, Gateways: []ingest.Gateway{{Venue: venuetest.Venue, Gateway: venuetest.Gateway}}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.in.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

func (f *fixture) send(c wire.Channel, payload []byte) {
	f.in.Handle(wire.Topic{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Channel: c}, payload, f.now)
}

func (f *fixture) batch(lane point.Lane, seq uint64, bits uint64) []byte {
	index := uint32(2)
	b := wire.Batch{}
	if lane == point.Critical {
		index = 3
		b.Runs = []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: 1}}
	}
	b.Samples = []point.Sample{{Index: index, Time: int64(time.Minute), Bits: bits}}
	return f.rig.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: lane, Seq: seq}, b)
}

// large makes a batch of telemetry that is as much as may be ahead of the venues.
func (f *fixture) large(seq uint64) []byte {
	b := wire.Batch{Samples: make([]point.Sample, 32<<10)}
	for i := range b.Samples {
		b.Samples[i] = point.Sample{Index: 2, Time: int64(time.Minute) + int64(i), Bits: seq % 2}
	}
	return f.rig.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry, Seq: seq}, b)
}

// quiet fails when an ack comes; what could cause one has happened before.
func (f *fixture) quiet(why string) {
	f.t.Helper()
	select {
	case a := <-f.box.acks:
		f.t.Fatalf("%s: acked %+v", why, a)
	default:
	}
}

func TestI4AckOnlyWhatIsSynced(t *testing.T) {
	f := start(t)
	for seq := range uint64(3) {
		f.send(wire.Live, f.batch(point.Telemetry, seq, 1))
	}
	f.send(wire.Critical, f.batch(point.Critical, 0, 5))
	f.quiet("nothing is synced")
	f.log.sync()
	a := <-f.box.acks
	want := map[wire.Range]bool{{Epoch: point.Epoch{7}, Lane: point.Telemetry, From: 0, To: 3}: true, {Epoch: point.Epoch{7}, Lane: point.Critical, From: 0, To: 1}: true}
	for _, r := range a.Durable {
		if !want[r] {
			t.Errorf("acked %+v", r)
		}
		delete(want, r)
	}
	if len(want) > 0 || a.Incarnation != "inc" || !a.CloudTime.Equal(f.now) {
		t.Errorf("ack %+v lacks %v", a, want)
	}
}

// TestAcksHoldBacklogsBack: live batches alone bring no limit, a venue that falls behind does.
func TestAcksHoldBacklogsBack(t *testing.T) {
	f := start(t)
	credit := func(c wire.Channel, seq uint64) uint32 {
		f.send(c, f.batch(point.Telemetry, seq, 1))
		f.log.sync()
		return (<-f.box.acks).Credit
	}
	for seq := range uint64(20) {
		if c := credit(wire.Live, seq); c != 0 {
			t.Fatalf("live batches are held to %d bytes a second", c)
		}
		f.now = f.now.Add(300 * time.Millisecond)
	}
	f.reached.Store(20)
	if c := credit(wire.Replay, 20); c != 0 {
		t.Errorf("a backlog is held to %d bytes a second while nothing is late", c)
	}
	last := uint32(0)
	for seq := uint64(21); seq < 40; seq++ {
		f.now = f.now.Add(300 * time.Millisecond)
		last = credit(wire.Replay, seq)
	}
	if last == 0 || last >= 32<<20 {
		t.Errorf("nothing is applied for seconds, and the credit is %d", last)
	}
	if s := f.in.Stats(); s.Replaying != 1 || s.ReplayRate != uint64(last) {
		t.Errorf("%+v", s)
	}
}

// TestBacklogsWaitSoThatLiveDoesNot: while the venues have not applied what came before, a backlog stays out of the log; live batches do not.
func TestBacklogsWaitSoThatLiveDoesNot(t *testing.T) {
	f := start(t)
	first := f.large(0)
	for _, frame := range [][]byte{first, f.large(1), f.large(2), f.large(1)} { // the gateway sends one again: its ack is late
		f.send(wire.Replay, frame)
	}
	f.send(wire.Live, f.batch(point.Telemetry, 3, 1))
	if s := f.in.Stats(); f.log.len() != 2 || s.Waiting != 2 || s.Duplicates != 1 {
		t.Fatalf("%d records, %+v; want the first of the backlog and the live one, and two that wait", f.log.len(), s)
	}
	f.log.sync()
	if a := <-f.box.acks; len(a.Durable) != 2 {
		t.Errorf("ack %+v names what waits", a)
	}
	f.send(wire.Replay, first) // durable: it need not wait for its ack
	if a := <-f.box.acks; len(a.Durable) != 1 || a.Durable[0].From != 0 {
		t.Errorf("ack %+v", a)
	}
	for applied, want := range []int{2, 3, 3, 4} {
		f.in.Applied(uint64(applied))
		if f.log.len() != want {
			t.Fatalf("with %d records applied there are %d, want %d", applied, f.log.len(), want)
		}
	}
	if s := f.in.Stats(); s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDuplicateOfTheDurableIsAckedAgainAndNotLogged(t *testing.T) {
	f := start(t)
	frame := f.batch(point.Telemetry, 0, 1)
	f.send(wire.Live, frame)
	f.send(wire.Live, frame) // not durable yet: it must go into the log
	if f.log.len() != 2 {
		t.Fatalf("%d records, want 2", f.log.len())
	}
	f.log.sync()
	<-f.box.acks
	f.send(wire.Replay, frame)
	if a := <-f.box.acks; len(a.Durable) != 1 || a.Durable[0].To != 1 {
		t.Errorf("ack %+v", a)
	}
	f.send(wire.Replay, f.batch(point.Telemetry, 0, 0)) // the same identity with another content is for the venue to judge
	if f.log.len() != 3 {
		t.Errorf("%d records, want 3: a conflict must reach the log", f.log.len())
	}
}

func TestRefusals(t *testing.T) {
	f := start(t)
	good := f.batch(point.Telemetry, 0, 1)
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	for _, c := range []struct {
		name    string
		channel wire.Channel
		payload []byte
	}{
		{"empty", wire.Live, nil}, {"truncated", wire.Live, good[:len(good)-2]}, {"flipped", wire.Live, flipped}, {"text", wire.Live, []byte("hello")},
		{"huge", wire.Live, make([]byte, 1<<20)}, {"telemetry on critical", wire.Critical, good}, {"critical on live", wire.Live, f.batch(point.Critical, 0, 1)},
		{"not an inventory", wire.InvCh, []byte("hello")}, {"not a table", wire.Table, []byte("hello")}, {"huge status", wire.StatusCh, make([]byte, 100<<10)},
		{"an ack from a gateway", wire.AckCh, nil},
	} {
		before := total(f.in.Stats().Refused)
		f.send(c.channel, c.payload)
		if got := total(f.in.Stats().Refused); got != before+1 {
			t.Errorf("%s: refused %d more, want 1: %v", c.name, got-before, f.in.Stats().Refused)
		}
	}
	f.in.Handle(wire.Topic{Venue: "dal-001", Gateway: "gw-stranger", Channel: wire.Live}, good, f.now)
	if f.in.Stats().Refused["unknown-gateway"] != 1 {
		t.Errorf("refused %v", f.in.Stats().Refused)
	}
	if f.log.len() != 0 {
		t.Errorf("%d records were logged", f.log.len())
	}
	f.log.sync()
	f.send(wire.Live, good)
	f.log.sync()
	if a := <-f.box.acks; len(a.Durable) != 1 {
		t.Errorf("the stream did not go on: %+v", a)
	}
}

func total(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

func TestTablesAreAckedWhenWholeAndDurable(t *testing.T) {
	f := start(t)
	parts, hash, err := wire.EncodeTable(venuetest.Table(), 256<<10)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		f.in.Handle(wire.Topic{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Channel: wire.Table, Hash: hash}, p, f.now)
	}
	f.quiet("the table is not synced")
	f.log.sync()
	if a := <-f.box.acks; len(a.Tables) != 1 || a.Tables[0] != hash {
		t.Errorf("ack %+v", a)
	}
	f.in.Handle(wire.Topic{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Channel: wire.Table, Hash: hash}, parts[0], f.now)
	if a := <-f.box.acks; len(a.Tables) != 1 || f.log.len() != len(parts) {
		t.Errorf("again: ack %+v, %d records", a, f.log.len())
	}
}

// A part counts on its own topic only: who reads the retained topics finds a table by them.
func TestATablesTopicAgreesWithItsPayload(t *testing.T) {
	f := start(t)
	parts, hash, err := wire.EncodeTable(manyPoints(500), 2<<10)
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	send := func(h point.TableHash, part int, payload []byte) {
		f.in.Handle(wire.Topic{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Channel: wire.Table, Hash: h, Part: part}, payload, f.now)
	}
	send(point.TableHash{1}, 0, parts[0]) // of another table
	send(hash, 1, parts[0])               // another part
	if n := f.in.Stats().Refused["table-hash"]; n != 2 || f.log.len() != 0 {
		t.Errorf("%d parts were refused, want 2; %d were logged: %v", n, f.log.len(), f.in.Stats().Refused)
	}
	for i, p := range parts {
		send(hash, i, p)
	}
	f.log.sync()
	if a := <-f.box.acks; len(a.Tables) != 1 || a.Tables[0] != hash {
		t.Errorf("ack %+v", a)
	}
}

func manyPoints(n int) []point.Point {
	out := make([]point.Point, n)
	for i := range out {
		out[i] = point.Point{Device: "plc-1", Name: point.Name(fmt.Sprintf("level/%d", i*i*7919)), Type: point.Int, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}
	}
	return out
}

func TestInventoryIsAnsweredWithWhatIsDurable(t *testing.T) {
	f := start(t)
	f.send(wire.Live, f.batch(point.Telemetry, 1, 1))
	f.send(wire.Live, f.batch(point.Telemetry, 2, 1))
	f.log.sync()
	<-f.box.acks // as if lost
	inv := wire.Inventory{Number: 4, Session: "s", Epochs: []wire.EpochInventory{{Epoch: point.Epoch{7}, Open: true,
		Lanes: []wire.LaneInventory{{Lane: point.Telemetry, Next: 9, Pending: []wire.PendingRange{{From: 0, To: 9}}}}}}}
	f.send(wire.InvCh, wire.EncodeInventory(inv))
	f.log.sync()
	a := <-f.box.acks
	if a.Inventory != 4 || len(a.Durable) != 1 || a.Durable[0] != (wire.Range{Epoch: point.Epoch{7}, Lane: point.Telemetry, From: 1, To: 3}) {
		t.Errorf("answer %+v", a)
	}
}

// The largest inventory that a gateway may publish is answered; a byte beyond is refused before it is inflated.
func TestInventoriesAreLimitedByTheirSize(t *testing.T) {
	f := start(t)
	inv := wire.Inventory{Number: 1, Session: "s"}
	for e := range byte(64) {
		var lane wire.LaneInventory
		lane.Lane = point.Telemetry
		for i := range uint64(50) {
			lane.Pending = append(lane.Pending, wire.PendingRange{From: 7 * i * i * i, To: 7*i*i*i + i + 1, First: int64(i * i * 7919_000_003 * uint64(e+1)), Last: int64(i*i*7919_000_003*uint64(e+1)) + 1})
		}
		lane.Next = 1 << 40
		inv.Epochs = append(inv.Epochs, wire.EpochInventory{Epoch: point.Epoch{1, e}, Lanes: []wire.LaneInventory{lane}})
	}
	payload := wire.EncodeInventory(inv)
	f.send(wire.InvCh, payload)
	f.log.sync()
	if a := <-f.box.acks; a.Inventory != 1 {
		t.Errorf("an inventory of %d bytes was answered with %+v", len(payload), a)
	}
	f.send(wire.InvCh, make([]byte, wire.MaxInventoryBytes+1))
	if n := f.in.Stats().Refused["too-large"]; n != 1 {
		t.Errorf("refused %v", f.in.Stats().Refused)
	}
}

func TestRecoverKnowsWhatTheLogHolds(t *testing.T) {
	f := start(t)
	frame := f.batch(point.Telemetry, 0, 1)
	f.in.Recover(log.Record{Kind: log.Batch, Venue: venuetest.Venue, Gateway: venuetest.Gateway, Payload: frame})
	f.send(wire.Replay, frame)
	if a := <-f.box.acks; len(a.Durable) != 1 {
		t.Errorf("ack %+v", a)
	}
	if f.log.len() != 0 {
		t.Error("what the log held already was logged again")
	}
}

func TestFailedAppendEndsEverything(t *testing.T) {
	f := start(t)
	f.log.err = errors.New("no space left on device")
	f.send(wire.Live, f.batch(point.Telemetry, 0, 1))
	<-f.in.Failed()
	if err := f.in.Err(); err == nil || !errors.Is(err, f.log.err) {
		t.Errorf("err %v", err)
	}
	f.quiet("nothing was appended")
}

func TestTableIsAskedForOnceInFiveSeconds(t *testing.T) {
	f := start(t)
	gw := ingest.Gateway{Venue: venuetest.Venue, Gateway: venuetest.Gateway}
	for range 3 {
		f.in.Want(gw, point.TableHash{1})
	}
	f.in.Want(gw, point.TableHash{2})
	if n := len(f.box.cmds); n != 2 {
		t.Fatalf("%d commands, want one a table", n)
	}
	c := <-f.box.cmds
	if c.Kind != wire.TableWanted || c.Table != (point.TableHash{1}) || !c.Expires.After(f.now) || c.ID == "" {
		t.Errorf("command %+v", c)
	}
	f.now = f.now.Add(6 * time.Second)
	f.in.Want(gw, point.TableHash{1})
	if n := len(f.box.cmds); n != 2 {
		t.Errorf("%d commands wait, want another after five seconds", n)
	}
}

func TestAGatewayIsToldOnceAMinuteThatItsBatchesAreSetAside(t *testing.T) {
	f := start(t)
	gw := ingest.Gateway{Venue: venuetest.Venue, Gateway: venuetest.Gateway}
	why := wire.Notice{Reason: "device-not-granted", Detail: "plc-9"}
	for range 3 {
		f.in.Tell(gw, why)
	}
	f.in.Tell(gw, wire.Notice{Reason: "conflict"})
	if n := len(f.box.cmds); n != 2 {
		t.Fatalf("%d commands, want one a reason", n)
	}
	if c := <-f.box.cmds; c.Kind != wire.SetAside || c.Notice != why || !c.Expires.After(f.now) || c.ID == "" {
		t.Errorf("command %+v", c)
	}
	f.now = f.now.Add(61 * time.Second)
	f.in.Tell(gw, why)
	if n := len(f.box.cmds); n != 2 {
		t.Errorf("%d commands wait, want another after a minute", n)
	}
}
