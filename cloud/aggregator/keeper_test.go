package aggregator

import (
	"errors"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// hourly is a process whose log got a record an hour, each of a kilobyte, and two snapshots.
func hourly(t *testing.T) (*venuetest.Rig, *disk, *process) {
	t.Helper()
	r, d := venuetest.New(t), newDisk()
	d.size = 1024
	p := start(t, r, d, t.TempDir())
	begin := r.Now
	for seq := range uint64(20) {
		r.Now = begin.Add(time.Duration(seq) * time.Hour)
		f := r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry, Seq: seq}, wire.Batch{Samples: []point.Sample{{Index: 2, Time: int64(time.Minute), Bits: 1}}})
		if seq == 0 {
			for _, part := range r.Parts() {
				if _, err := d.Append(log.Record{Kind: log.Table, Venue: venuetest.Venue, Gateway: venuetest.Gateway, Received: r.Now, Payload: part}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := d.Append(log.Record{Kind: log.Batch, Venue: venuetest.Venue, Gateway: venuetest.Gateway, Received: r.Now, Payload: f}); err != nil {
			t.Fatal(err)
		}
		d.sync()
		p.apply(d, 10)
	}
	return r, d, p
}

func save(t *testing.T, p *process) {
	t.Helper()
	if err := p.keeper.save(func(uint64) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// more appends a record that changes nothing.
func more(t *testing.T, r *venuetest.Rig, d *disk, p *process) {
	t.Helper()
	if _, err := d.Append(log.Record{Kind: log.Table, Venue: venuetest.Venue, Gateway: venuetest.Gateway, Received: r.Now, Payload: r.Parts()[0]}); err != nil {
		t.Fatal(err)
	}
	d.sync()
	p.apply(d, 1)
}

func TestTheLogIsTrimmedBehindTheSnapshots(t *testing.T) {
	r, d, p := hourly(t)
	p.keeper.c.Retention.Age = 6 * time.Hour
	trim := func(why string, want uint64) {
		t.Helper()
		if err := p.keeper.trim(); err != nil {
			t.Fatal(err)
		}
		if first, _ := d.Bounds(); first != want {
			t.Errorf("%s: the log begins at %d, want %d", why, first, want)
		}
	}
	trim("without a snapshot", 0)
	save(t, p)
	trim("with one snapshot, of which the log is the other", 0)
	more(t, r, d, p)
	save(t, p)
	trim("younger than six hours stay", 14) // 20 batches behind one part, the last of this hour
	p.keeper.c.Retention.Bytes = 4096
	trim("and four kilobytes at most", 18)
	v := start(t, r, d, p.keeper.c.DataDir)
	if v.next != 22 || v.v.Gateways()[0].Batches != 20 {
		t.Errorf("the replay begins at %d, with %d batches", v.next, v.v.Gateways()[0].Batches)
	}
}

func TestWhatIsSetAsideHoldsTheLogBack(t *testing.T) {
	r, d, p := hourly(t)
	bad := r.Now.Add(-12 * time.Hour)
	p.keeper.c.Retention.Age, p.keeper.c.Retention.SetAside = time.Hour, 20*time.Hour
	d.records[8].Payload = []byte("no frame") // as if it had come so, twelve hours ago
	d.records[8].Received = bad
	p = start(t, r, d, t.TempDir())
	p.keeper.c.Retention.Age, p.keeper.c.Retention.SetAside = time.Hour, 20*time.Hour
	p.apply(d, 100)
	save(t, p)
	more(t, r, d, p)
	save(t, p)
	trim := func() uint64 {
		t.Helper()
		if err := p.keeper.trim(); err != nil {
			t.Fatal(err)
		}
		first, _ := d.Bounds()
		return first
	}
	if first := trim(); first != 8 || len(p.v.SetAside()) != 1 {
		t.Errorf("the log begins at %d, want 8, where a frame is set aside", first)
	}
	p.keeper.c.Retention.SetAside = 10 * time.Hour
	if first := trim(); first <= 8 || len(p.v.SetAside()) != 0 {
		t.Errorf("the log begins at %d, with %d frames set aside that are too old", first, len(p.v.SetAside()))
	}
}

// TestASnapshotAheadOfTheLogIsNotUsed: a log that was restored from an older copy than the snapshots.
func TestASnapshotAheadOfTheLogIsNotUsed(t *testing.T) {
	r, d, p := hourly(t)
	save(t, p)
	d.records = d.records[:10]
	again := start(t, r, d, p.keeper.c.DataDir)
	if again.next != 0 {
		t.Errorf("the replay begins at %d, want 0: what the snapshot rests on is gone", again.next)
	}
}

func TestSnapshotsAreDueByTimeAndByRecords(t *testing.T) {
	r, d, p := hourly(t)
	k := p.keeper
	k.at = r.Now
	if k.c.Snapshots.Records = 21; !k.due() {
		t.Error("21 records make no snapshot due")
	}
	if k.c.Snapshots.Records = 22; k.due() {
		t.Error("a snapshot is due before its time")
	}
	r.Now = r.Now.Add(k.c.Snapshots.Every)
	if !k.due() {
		t.Error("no snapshot is due after its time")
	}
	save(t, p)
	if r.Now = r.Now.Add(time.Hour); k.due() {
		t.Error("a snapshot is due although nothing came")
	}
	more(t, r, d, p)
	if !k.due() {
		t.Error("no snapshot is due although something came")
	}
	broken := errors.New("no space left on device")
	if err := k.save(func(uint64) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if k.saved[venuetest.Venue] == p.v.Offset() {
		t.Error("a snapshot that failed counts")
	}
}
