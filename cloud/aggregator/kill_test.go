package aggregator

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/snapshot"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestMain(m *testing.M) { os.Exit(faulttest.Main(m, map[string]faulttest.Role{"cloud": runCloud})) }

// cloud is the aggregator without its doors: the log on disk, ingest, venue and keeper.
type cloud struct {
	log    *log.Segmented
	keeper *keeper
	in     *ingest.Ingest
	v      *venue.Venue
	acks   chan wire.Ack
	cancel context.CancelFunc
	done   chan struct{}
}

// Publish takes the acks.
func (c *cloud) Publish(topic string, payload []byte, _ byte, _ bool) error {
	if !strings.HasSuffix(topic, "/ack") {
		return nil
	}
	a, err := wire.DecodeAck(payload)
	if err == nil {
		c.acks <- a
	}
	return err
}

// openCloud opens what is in dir, and applies what the log yields until it is closed.
func openCloud(dir string) (*cloud, error) {
	l, err := log.Open(filepath.Join(dir, "log"), log.Options{SegmentBytes: log.MinSegmentBytes})
	if err != nil {
		return nil, err
	}
	c := &cloud{log: l, acks: make(chan wire.Ack, 10_000), done: make(chan struct{})}
	cfg := &config.Config{DataDir: dir, Snapshots: config.Snapshots{Every: time.Hour, Records: 1000}, Retention: config.Retention{Age: time.Hour, Bytes: 1 << 30, SetAside: time.Hour}}
	if c.keeper, err = newKeeper(cfg, l, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	o := venue.Options{ID: venuetest.Venue, Gateways: []venue.Gateway{{ID: venuetest.Gateway, Devices: venuetest.Devices()}}, Limits: wire.DefaultLimits(), Fetch: l.Get,
		Now: func() time.Time { return venuetest.Origin.Add(24 * time.Hour) }}
	if c.v, err = c.keeper.open(o); err != nil {
		return nil, err
	}
	c.in = ingest.New(ingest.Options{Log: l, Publisher: c, Limits: wire.DefaultLimits(), Gateways: []ingest.Gateway{{Venue: venuetest.Venue, Gateway: venuetest.Gateway}}})
	c.keeper.teach(c.in)
	_, target := l.Bounds()
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	run := make(chan struct{})
	go func() { defer close(run); _ = c.in.Run(ctx) }()
	go func() {
		defer close(c.done)
		for r, err := range l.Read(ctx, c.keeper.from()) {
			if err != nil {
				break
			}
			if r.Offset < target {
				c.in.Recover(r)
			}
			c.v.Apply(r)
		}
		<-run
	}()
	return c, nil
}

func (c *cloud) publish(ch wire.Channel, hash point.TableHash, payload []byte) {
	c.in.Handle(wire.Topic{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Channel: ch, Hash: hash}, payload, venuetest.Origin)
}

// appliedTo waits until the venue has applied what is below an offset. The offset moves after the state, which alone is waited for elsewhere.
func (c *cloud) appliedTo(t *testing.T, end uint64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); c.v.Offset() < end; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %d records to be applied: %d are", end, c.v.Offset())
		}
	}
}

// close ends it in order, with a snapshot.
func (c *cloud) close() error {
	c.cancel()
	<-c.done
	if err := c.log.Close(); err != nil {
		return err
	}
	return c.keeper.last()
}

// passing makes the batch of which seq is the number: one person a batch.
func passing(enc *wire.Encoder, table []point.Point, hash point.TableHash, seq uint64) ([]byte, error) {
	b := wire.Batch{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Table: hash,
		Map:     clock.Map{Boot: clock.BootID{1}, Offset: time.Duration(venuetest.Origin.UnixNano()), Source: clock.NTP},
		Samples: []point.Sample{{Index: 3, Time: int64(time.Minute) + int64(seq)*int64(time.Second), Bits: seq + 1}},
		Runs:    []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: 1}}}
	f, err := enc.Encode(nil, point.Critical, table, &b)
	if err != nil {
		return nil, err
	}
	wire.Seal(f, point.Epoch{7}, seq)
	return f, nil
}

// runCloud is a cloud and its gateway in a process that is killed: it sends from a seq on, takes snapshots all the time, and tells of each ack.
func runCloud(args []string) error {
	c, err := openCloud(args[0])
	if err != nil {
		return err
	}
	from, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	parts, hash, err := wire.EncodeTable(venuetest.Table(), 0)
	if err != nil {
		return err
	}
	for _, p := range parts {
		c.publish(wire.Table, hash, p)
	}
	enc, err := wire.NewEncoder(wire.DefaultLimits())
	if err != nil {
		return err
	}
	go func() {
		for c.keeper.save(c.keeper.durable(context.Background())) == nil {
		}
	}()
	for seq := from; ; seq++ {
		f, err := passing(enc, venuetest.Table(), hash, seq)
		if err != nil {
			return err
		}
		c.publish(wire.Critical, point.TableHash{}, f)
		for len(c.acks) > 0 || seq%50 == 49 {
			a := <-c.acks
			for _, r := range a.Durable {
				if _, err := fmt.Println(r.From, r.To); err != nil {
					return err
				}
			}
			if seq%50 == 49 && len(c.acks) == 0 {
				break
			}
		}
	}
}

// TestCloudKilledForReal kills a cloud with SIGKILL while it takes batches and saves its state, several times. Whatever was acknowledged is there, once.
func TestCloudKilledForReal(t *testing.T) {
	dir := t.TempDir()
	acked := map[uint64]bool{}
	next, top := uint64(0), uint64(0) // what was not acknowledged comes again, as from a gateway
	for round := range 5 {
		p := faulttest.Start(t, "cloud", dir, fmt.Sprint(next))
		for range 30 + 40*round {
			line, err := p.Line()
			if err != nil {
				t.Fatalf("round %d: %v\n%s", round, err, p.Stderr())
			}
			top = max(top, heard(t, acked, line))
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		lines, err := p.Drain()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			top = max(top, heard(t, acked, line))
		}
		for acked[next] {
			next++
		}
	}
	c, err := openCloud(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, end := c.log.Bounds()
	c.appliedTo(t, end)
	batches, in := c.v.Gateways()[0].Batches, c.v.Gates().In
	if next == 0 || batches < top || in < top || c.v.Counts().Conflicts != 0 {
		t.Errorf("batches up to %d were acknowledged; %d are in the state, %d people", top, batches, in)
	}
	if batches != in {
		t.Errorf("%d batches of a person each, %d people", batches, in)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if m, refused := c.keeper.store.Load(venuetest.Venue, c.log.Incarnation(), func(snapshot.Meta, []byte) error { return nil }); m == nil || m.From != end || len(refused) > 0 {
		t.Errorf("after an orderly end the newest snapshot is %+v, want one at %d; %v", m, end, refused)
	}
}

// heard notes what a line says was acknowledged, and returns where it ends.
func heard(t *testing.T, acked map[uint64]bool, line string) uint64 {
	t.Helper()
	var from, to uint64
	if _, err := fmt.Sscan(line, &from, &to); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for seq := from; seq < to; seq++ {
		acked[seq] = true
	}
	return to
}

// TestRestoredFromAnOldCopy runs a cloud, copies its directory, runs on, and goes back to the copy: what the gateway still holds comes again, and the
// rest is named.
func TestRestoredFromAnOldCopy(t *testing.T) {
	live, backup := filepath.Join(t.TempDir(), "live"), filepath.Join(t.TempDir(), "copy")
	session(t, live, 0, 100, nil, nil)
	if err := faulttest.Copy(backup, live); err != nil {
		t.Fatal(err)
	}
	session(t, live, 100, 150, nil, nil)
	tell := wire.EncodeInventory(wire.Inventory{Number: 9, Session: "s", Epochs: []wire.EpochInventory{{Epoch: point.Epoch{7}, Open: true,
		Lanes: []wire.LaneInventory{{Lane: point.Critical, Next: 150, Pending: []wire.PendingRange{{From: 140, To: 150}}}}}}})
	session(t, backup, 140, 150, tell, func(v *venue.Venue) {
		g := v.Gaps()
		if len(g.Gaps) != 1 || g.Gaps[0].From != 100 || g.Gaps[0].To != 140 || g.Gaps[0].Reason != "unaccounted" || !g.Gaps[0].Alarm || len(g.Pending) != 0 {
			t.Errorf("gaps %+v, pending %+v", g.Gaps, g.Pending)
		}
		if n := v.Counts().Unaccounted; n != 40 {
			t.Errorf("an alarm for %d batches, want 40", n)
		}
		if in := v.Gates().In; in != 150 {
			t.Errorf("%d people: a counter's totals bridge what was lost; want 150", in)
		}
	})
}

// session runs a cloud over dir: tell is an inventory, then come the batches from from to to. It ends in order once they are acknowledged.
func session(t *testing.T, dir string, from, to uint64, tell []byte, check func(*venue.Venue)) {
	t.Helper()
	parts, hash, err := wire.EncodeTable(venuetest.Table(), 0)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := wire.NewEncoder(wire.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCloud(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		c.publish(wire.Table, hash, p)
	}
	if tell != nil {
		c.publish(wire.InvCh, point.TableHash{}, tell)
	}
	for seq := from; seq < to; seq++ {
		f, err := passing(enc, venuetest.Table(), hash, seq)
		if err != nil {
			t.Fatal(err)
		}
		c.publish(wire.Critical, point.TableHash{}, f)
	}
	for left := to - from; left > 0; {
		for _, r := range (<-c.acks).Durable {
			left -= min(left, r.To-r.From)
		}
	}
	_, end := c.log.Bounds()
	c.appliedTo(t, end)
	c.v.Tick()
	if check != nil {
		check(c.v)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
}
