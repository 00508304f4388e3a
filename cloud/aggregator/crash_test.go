package aggregator

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// disk is a log in memory that knows what is durable. Cut power and it keeps that and any part of the rest.
type disk struct {
	mu      sync.Mutex
	first   uint64
	records []log.Record // from first on
	synced  uint64
	moved   chan struct{}
	size    int64
}

func newDisk() *disk { return &disk{moved: make(chan struct{})} }

func (d *disk) Append(r log.Record) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.Offset = d.first + uint64(len(d.records))
	r.Payload = slices.Clone(r.Payload)
	d.records = append(d.records, r)
	return r.Offset, nil
}

func (d *disk) sync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced = d.first + uint64(len(d.records))
	close(d.moved)
	d.moved = make(chan struct{})
}

// cut ends the power: keep records of those that are not durable survive.
func (d *disk) cut(keep int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = d.records[:min(len(d.records), int(d.synced-d.first)+keep)]
	d.synced = d.first + uint64(len(d.records))
	d.moved = make(chan struct{})
}

func (d *disk) Get(off uint64) (log.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case off < d.first:
		return log.Record{}, log.ErrTrimmed
	case off >= d.first+uint64(len(d.records)):
		return log.Record{}, log.ErrNotFound
	}
	return d.records[off-d.first], nil
}

func (d *disk) Trim(before uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records, d.first = d.records[before-d.first:], before
	return nil
}

func (d *disk) Synced() uint64          { d.mu.Lock(); defer d.mu.Unlock(); return d.synced }
func (d *disk) Watch() <-chan struct{}  { d.mu.Lock(); defer d.mu.Unlock(); return d.moved }
func (d *disk) Failed() <-chan struct{} { return nil }
func (d *disk) Err() error              { return nil }
func (d *disk) Incarnation() string     { return "inc" }
func (d *disk) LiveBytes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.size * int64(len(d.records))
}
func (d *disk) Bounds() (uint64, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.first, d.first + uint64(len(d.records))
}
func (d *disk) Read(context.Context, uint64) iter.Seq2[log.Record, error] { return nil }

// process is a cloud's process: what stands between the broker and the log, and the venue behind it.
type process struct {
	in     *ingest.Ingest
	v      *venue.Venue
	keeper *keeper
	next   uint64 // record to be applied
	acks   []wire.Ack
}

// Publish takes the acks.
func (p *process) Publish(topic string, payload []byte, _ byte, _ bool) error {
	if t, err := wire.ParseTopic(topic); err != nil || t.Channel != wire.AckCh {
		return err
	}
	a, err := wire.DecodeAck(payload)
	p.acks = append(p.acks, a)
	return err
}

func settingsFor(dir string) *config.Config {
	return &config.Config{DataDir: dir, Snapshots: config.Snapshots{Every: time.Minute, Records: 1000},
		Retention: config.Retention{Age: time.Hour, Bytes: 1 << 30, SetAside: 2 * time.Hour}}
}

// start begins a process over the disk and the directory of snapshots.
func start(t rapid.TB, r *venuetest.Rig, d *disk, dir string) *process {
	t.Helper()
	d.sync() // a log makes durable what it finds
	k, err := newKeeper(settingsFor(dir), d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	k.now = func() time.Time { return r.Now }
	o := r.Options(venuetest.Map(t), venuetest.Devices())
	o.Fetch = d.Get
	v, err := k.open(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{v: v, keeper: k, next: k.from()}
	p.in = ingest.New(ingest.Options{Log: d, Publisher: p, Limits: wire.DefaultLimits(), Gateways: []ingest.Gateway{{Venue: venuetest.Venue, Gateway: venuetest.Gateway}}})
	k.teach(p.in)
	_, target := d.Bounds()
	for off := p.next; off < target; off++ {
		if rec, err := d.Get(off); err == nil {
			p.in.Recover(rec)
		}
	}
	return p
}

// apply gives the venue some of the records that the log has, synced or not.
func (p *process) apply(d *disk, n int) {
	for ; n > 0; n-- {
		r, err := d.Get(p.next)
		if err != nil {
			return
		}
		p.v.Apply(r)
		p.next++
	}
}

func (p *process) publish(c wire.Channel, hash point.TableHash, payload []byte) {
	p.in.Handle(wire.Topic{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Channel: c, Hash: hash}, payload, venuetest.Origin)
}

// crowd is a gateway with a register that people move, and batches that the cloud has not acknowledged.
type crowd struct {
	t       *rapid.T
	r       *venuetest.Rig
	frames  map[uint64][]byte
	next    uint64
	counted uint64
	table   bool // acknowledged
}

func (c *crowd) batch() {
	c.counted += uint64(rapid.IntRange(0, 3).Draw(c.t, "people"))
	id := point.BatchID{Epoch: point.Epoch{7}, Lane: point.Critical, Seq: c.next}
	c.frames[c.next] = c.r.Frame(id, wire.Batch{Samples: []point.Sample{{Index: 3, Time: int64(30*time.Minute) + int64(c.next)*int64(time.Second), Bits: c.counted}},
		Runs: []point.CounterRun{{Index: 3, Run: 9, Bits: 16, Reason: point.RunFirst, Start: 1}}})
	c.next++
}

// send publishes some batch that is not acknowledged, or was.
func (c *crowd) send(p *process) {
	if !c.table {
		for _, part := range c.r.Parts() {
			p.publish(wire.Table, c.r.Hash, part)
		}
	}
	seqs := slices.Sorted(maps.Keys(c.frames))
	if len(seqs) > 0 {
		p.publish(wire.Critical, point.TableHash{}, c.frames[seqs[rapid.IntRange(0, len(seqs)-1).Draw(c.t, "seq")]])
	}
}

// hear takes the acks; each seq that one names must be durable, whatever happens now.
func (c *crowd) hear(p *process, d *disk) {
	durable := map[uint64]bool{}
	for off, end := d.first, d.Synced(); off < end; off++ {
		r, err := d.Get(off)
		if err != nil {
			c.t.Fatal(err)
		}
		if h, err := wire.ParseHeader(r.Payload); err == nil && r.Kind == log.Batch {
			durable[h.Seq] = true
		}
	}
	for _, a := range p.acks {
		for _, r := range a.Durable {
			for seq := r.From; seq < r.To; seq++ {
				if !durable[seq] {
					c.t.Fatalf("seq %d was acknowledged and is not durable", seq)
				}
				delete(c.frames, seq)
			}
		}
		c.table = c.table || slices.Contains(a.Tables, c.r.Hash)
	}
	p.acks = nil
}

// TestCloudKilledAnywhere kills the cloud's process, and cuts its power, between any two of: taking a batch, appending it, applying it, making it
// durable, acknowledging it, saving the state. Nothing that was acknowledged is missing in the end, and nothing counts twice.
func TestCloudKilledAnywhere(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		r, d, snapshots := venuetest.New(t), newDisk(), filepath.Join(dir, fmt.Sprint(n))
		c := &crowd{t: t, r: r, frames: map[uint64][]byte{}}
		p := start(t, r, d, snapshots)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"batch", "batch", "send", "send", "send", "apply", "apply", "sync", "settle", "hear", "save", "kill", "cut"}).Draw(t, "step") {
			case "batch":
				c.batch()
			case "send":
				c.send(p)
			case "apply":
				p.apply(d, rapid.IntRange(1, 3).Draw(t, "records"))
			case "sync":
				d.sync()
			case "settle":
				p.in.Settle()
			case "hear":
				c.hear(p, d)
			case "save":
				// A state that is ahead of what is durable is not saved.
				if err := p.keeper.save(func(upTo uint64) error {
					if upTo > d.Synced() {
						return errNotDurable
					}
					return nil
				}); err != nil && !errors.Is(err, errNotDurable) {
					t.Fatal(err)
				}
			case "kill":
				p = start(t, r, d, snapshots)
			case "cut":
				d.cut(rapid.IntRange(0, 3).Draw(t, "survivors"))
				p = start(t, r, d, snapshots)
			}
		}
		c.finish(p, d)
		if err := os.RemoveAll(snapshots); err != nil {
			t.Fatal(err)
		}
	})
}

// finish sends until everything is acknowledged, and compares.
func (c *crowd) finish(p *process, d *disk) {
	t := c.t
	for i := 0; len(c.frames) > 0; i++ {
		if i > 1000 {
			t.Fatalf("%d batches are never acknowledged", len(c.frames))
		}
		c.send(p)
		d.sync()
		p.in.Settle()
		c.hear(p, d)
	}
	p.apply(d, 1<<30)
	if g := p.v.Gates(); g.In != c.counted {
		t.Fatalf("%d people are counted, %d came", g.In, c.counted)
	}
	batches := uint64(0)
	for _, g := range p.v.Gateways() {
		batches += g.Batches
	}
	if batches != c.next {
		t.Fatalf("%d batches are in the state, %d were made", batches, c.next)
	}
}
