package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/interval"
)

// outage cuts the power of a working store again and again, each time in an image beside it.
type outage struct {
	t       *testing.T
	r       *rand.Rand
	base    string
	live    string
	shadow  faulttest.Shadow
	store   *Store
	model   *slow // everything appended
	synced  int   // records that a Sync has vouched for
	images  int
	chance  int // one barrier in so many is cut
	broken  bool
	started bool
}

// barrier runs right after each fsync: before it the disk may have held any part of what came since
// the one before; from now on it holds all.
func (o *outage) barrier() {
	if o.started && o.r.IntN(o.chance) == 0 {
		o.cut()
	}
	if err := o.shadow.Capture(o.live); err != nil {
		o.t.Error(err)
	}
}

func (o *outage) cut() {
	o.images++
	dir := filepath.Join(o.base, fmt.Sprintf("image-%d", o.images))
	if err := o.shadow.Image(dir, o.live, o.r); err != nil {
		o.t.Error(err)
		return
	}
	s, err := Open(dir, small())
	if err != nil {
		o.t.Errorf("image %d: %v", o.images, err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			o.t.Errorf("image %d: closing: %v", o.images, err)
		}
	}()
	if err := o.check(s); err != nil {
		o.broken = true
		o.t.Errorf("image %d (synced %d of %d): %v; %+v", o.images, o.synced, len(o.model.records), err, s.Recovery())
	}
	// The store works on, and what it holds now is what it holds after another start.
	if _, err := s.Append(Tx{Records: [][]byte{[]byte("after")}}); err != nil {
		o.t.Errorf("image %d: appending after the cut: %v", o.images, err)
	}
}

// check says whether s may be what is left of the model after a power cut.
func (o *outage) check(s *Store) error {
	rec := s.Recovery()
	if len(rec.Lost) > 0 || rec.StateLost || len(rec.SetAside) > 0 || rec.Created {
		return fmt.Errorf("recovery tells of losses")
	}
	_, next := s.Bounds()
	if next < uint64(o.synced) || next > uint64(len(o.model.records)) {
		return fmt.Errorf("next is %d", next)
	}
	// The state is that of the last record that is left, neither older nor newer.
	if last, ok := s.State("last"); ok != (next > 0) || ok && string(last) != fmt.Sprint(next-1) {
		return fmt.Errorf("the small state belongs to record %s, the last one is %d", last, next-1)
	}
	at := uint64(0)
	for r, err := range s.Scan(0) {
		if err != nil {
			return err
		}
		for at < r.Offset && o.model.released.Has(at) {
			at++
		}
		if r.Offset != at || !bytes.Equal(r.Bytes, o.model.records[at]) {
			return fmt.Errorf("scan yields %d, want %d", r.Offset, at)
		}
		at++
	}
	rest := interval.Interval{From: at, To: next}
	if rest.Len() > 0 && at < next && !o.model.released.Covers(rest) {
		return fmt.Errorf("scan ended at %d of %d", at, next)
	}
	return nil
}

func (o *outage) step() {
	switch o.r.IntN(10) {
	case 0, 1:
		next, err := o.store.Sync()
		if err != nil {
			o.t.Fatal(err)
		}
		o.synced = int(next)
	case 2:
		to := o.r.IntN(len(o.model.records) + 1)
		from := o.r.IntN(to + 1)
		if o.r.IntN(3) > 0 {
			from = 0
		}
		// As a spool does, which releases what the cloud has.
		o.model.released.Add(interval.Interval{From: uint64(from), To: uint64(to)})
		if err := o.store.Release(uint64(from), uint64(to)); err != nil {
			o.t.Fatal(err)
		}
	case 3:
		o.cut()
	default:
		n := len(o.model.records)
		tx := Tx{}
		for i := range 1 + o.r.IntN(3) {
			tx.Records = append(tx.Records, body(uint64(n+i), o.r.IntN(9000)))
		}
		tx.Set = map[string][]byte{"last": fmt.Append(nil, n+len(tx.Records)-1)}
		// The model runs ahead: a cut inside Append may keep the transaction.
		o.model.append(tx)
		if _, err := o.store.Append(tx); err != nil {
			o.t.Fatal(err)
		}
	}
	o.store.tend()
}

func TestAPowerCutKeepsWhatWasSyncedAndAPrefixOfTheRest(t *testing.T) {
	t.Parallel()
	for seed := range uint64(envRounds(2)) {
		o := &outage{t: t, r: rand.New(rand.NewPCG(seed, 3)), base: t.TempDir(), model: newSlow(), chance: 4}
		o.live = filepath.Join(o.base, "live")
		opts := small()
		opts.manual, opts.barrier = true, o.barrier
		o.store = open(t, o.live, opts)
		o.started = true
		for range 60 {
			o.step()
			if o.broken {
				t.Fatalf("seed %d", seed)
			}
		}
		o.chance = 1
		mustClose(t, o.store)
	}
}
