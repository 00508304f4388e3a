package faults

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/identity"
)

// whole is a rig whose programs run in this process, so that their clocks and identities can be changed.
type whole struct {
	*testing.T
	*Rig
	cloud *aggregator.Aggregator
}

// newWhole starts a venue with one gateway's devices, and the aggregator. Nobody moves yet.
func newWhole(t *testing.T, life time.Duration) *whole {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	t.Parallel()
	r := &Rig{dir: t.TempDir(), kills: make([][]kill, 1), failed: make(chan error, 1), life: life}
	r.stop = func() {} // nothing of it runs by itself
	w := &whole{T: t, Rig: r}
	var err error
	if r.api, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	if r.broker, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	if err := r.startVenue(0, 1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	if err := r.writeConfig(nil); err != nil {
		t.Fatal(err)
	}
	c, err := cloudconfig.Load(filepath.Join(r.dir, "aggregator.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if w.cloud, err = aggregator.Start(context.Background(), c, aggregator.Deps{Version: "test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// gateway starts a gateway on a data directory; "" is the configured one.
func (w *whole) gateway(dataDir string, c func() clock.Reading) *gateway.Gateway {
	w.Helper()
	cfg, err := config.Load(filepath.Join(w.dir, "gw-0.yaml"), all.All())
	if err != nil {
		w.Fatal(err)
	}
	if dataDir != "" {
		cfg.DataDir = dataDir
	}
	var said bytes.Buffer
	g, err := gateway.Start(context.Background(), cfg, gateway.Deps{Version: "test", Clocks: c, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = g.Close() // the test judged the first one
		if w.Failed() {
			w.Logf("a gateway said:\n%s", said.String()[max(0, said.Len()-3000):])
		}
	})
	return g
}

// wants waits until ask has nothing to say.
func (w *whole) wants(what string, ask func() error) {
	w.Helper()
	if err := w.eventually(w.Context(), 60*time.Second, ask); err != nil {
		w.Fatalf("%s: %v", what, err)
	}
}

// move lets people move for a while, then stand still.
func (w *whole) move(d time.Duration, meanwhile func()) {
	ctx, still := context.WithCancel(w.Context())
	w.moving.Go(func() { w.plants[0].run(ctx) })
	end := time.After(d)
	if meanwhile != nil {
		meanwhile()
	}
	<-end
	still()
	time.Sleep(3 * scanPeriod) // the last values are read
}

// scanned waits until g has read everything anew.
func (w *whole) scanned(g *gateway.Gateway) {
	w.Helper()
	before := g.Status().Devices[0].Classes[0].Scans
	w.wants("two more scans", func() error {
		if now := g.Status().Devices[0].Classes[0].Scans; now < before+2 {
			return fmt.Errorf("%d scans after %d", now, before)
		}
		return nil
	})
}

// equal wants the cloud to agree with the ground truth in the end.
func (w *whole) equal() { w.Helper(); w.equalBut() }

// equalBut is equal, but for differences that name something expected.
func (w *whole) equalBut(expected ...string) {
	w.Helper()
	w.wants("comparing with the ground truth", func() error {
		differences, err := w.compare()
		differences = slices.DeleteFunc(differences, func(d string) bool {
			return slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(d, e) })
		})
		if err == nil && len(differences) > 0 {
			err = fmt.Errorf("%d differences:\n%s", len(differences), strings.Join(differences[:min(5, len(differences))], "\n"))
		}
		return err
	})
}

func clocks(t *testing.T) *faulttest.ShiftedClock {
	t.Helper()
	h, err := clock.OpenHost()
	if err != nil {
		t.Fatal(err)
	}
	return faulttest.NewShiftedClock(h.Read)
}

// A card that was copied while the gateway ran, and put into a second one: both have the same name, identity and backlog.
func TestAClonedCard(t *testing.T) {
	w := newWhole(t, authorityLife)
	first := w.gateway("", nil)
	w.wants("the first gateway", w.seesEverything)
	w.links[0].Set(faulttest.Link{Hold: true}) // both will have the same backlog
	clone := filepath.Join(w.dir, "clone")
	w.move(1500*time.Millisecond, func() {
		time.Sleep(time.Second)
		if err := faulttest.Copy(clone, filepath.Join(w.dir, "gw-0")); err != nil {
			t.Error(err)
		}
	})
	second := w.gateway(clone, nil)
	w.links[0].Set(faulttest.Link{})
	w.move(2*time.Second, nil)
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	w.move(500*time.Millisecond, nil)
	// Every passage counts once. Each of the two says of the other's epoch that it ended, or does not name it: the cloud shows gaps, and
	// what they may have changed as unknown, never as something else.
	w.equalBut("unaccounted", "the cloud says unknown", "points known")
	var lost gapList
	if err := w.get("/gaps", &lost); err != nil || len(lost.Gaps) == 0 {
		t.Errorf("the cloud shows no gap: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

// A gateway whose wall clock says 2036 for a while: nobody is counted twice or not at all, and the house is right again at once.
func TestAClockInTheFutureForAWhile(t *testing.T) {
	w := newWhole(t, authorityLife)
	c := clocks(t)
	g := w.gateway("", c.Read)
	w.wants("the gateway", w.seesEverything)
	w.move(time.Second, nil)
	c.Shift(10 * 365 * 24 * time.Hour)
	c.Pretend(true) // worse than a clock that is merely wrong
	w.move(time.Second, nil)
	c.Shift(0)
	c.Pretend(false)
	w.move(4*time.Second, nil)
	w.equal()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// An SVID that expires while a backlog is replayed over a thin link, and is only issued again later.
func TestAnSVIDThatExpiresDuringReplay(t *testing.T) {
	const life = 3 * time.Second
	w := newWhole(t, life)
	id := identity.ID{TrustDomain: trustDomain, Role: identity.Gateway, Venue: venue, Name: gatewayID(0)}
	g := w.gateway("", nil)
	w.wants("the gateway", w.seesEverything)
	w.links[0].Set(faulttest.Link{Refuse: true})
	w.links[0].Cut(faulttest.Reset)
	w.move(1500*time.Millisecond, nil)
	w.links[0].Set(faulttest.Link{Rate: 4 << 10}) // replay takes a while
	w.move(life, nil)                             // and nobody rotates meanwhile
	w.links[0].Cut(faulttest.Reset)               // whoever comes back needs a valid one
	w.wants("the link to wait for an SVID", func() error {
		s := g.Status()
		held := uint64(0)
		for _, l := range s.Lanes {
			held += l.RAM.Batches + l.Stored.Batches
		}
		if s.Identity.NotAfter.After(time.Now()) || s.Link.State == "up" || held == 0 {
			return fmt.Errorf("the SVID is valid until %v, the link is %s, %d batches are held", s.Identity.NotAfter, s.Link.State, held)
		}
		return nil
	})
	for _, who := range []identity.ID{id, {TrustDomain: trustDomain, Role: identity.Aggregator}} {
		if err := w.authority.Rotate(who); err != nil {
			t.Fatal(err)
		}
	}
	w.links[0].Set(faulttest.Link{})
	rotated, stop := context.WithCancel(t.Context())
	defer stop()
	go w.authority.Run(rotated)
	w.equal()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// A boot that nothing ever dated, offline, ended by a power cut: its passages are counted, and what the cut cost is declared.
func TestABootWithoutTimeThatEndsInAPowerCut(t *testing.T) {
	w := newWhole(t, authorityLife)
	c := clocks(t)
	first := w.gateway("", c.Read)
	w.wants("the gateway", w.seesEverything)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	w.links[0].Set(faulttest.Link{Refuse: true})
	c.Boot(clock.BootID{7})
	c.Unset(true)
	undated := w.gateway("", c.Read)
	w.scanned(undated) // who passes before is declared lost: nothing dates the read before it
	w.move(1500*time.Millisecond, nil)
	w.scanned(undated)
	w.wants("the undated gateway to store everything", func() error {
		for _, l := range undated.Status().Lanes {
			if l.RAM.Batches > 0 || l.Stored.Batches == 0 {
				return fmt.Errorf("%d batches of lane %s are stored, %d are not", l.Stored.Batches, l.Lane, l.RAM.Batches)
			}
		}
		return nil
	})
	cut := filepath.Join(w.dir, "after-the-cut")
	if err := faulttest.Copy(cut, filepath.Join(w.dir, "gw-0")); err != nil {
		t.Fatal(err)
	}
	if err := undated.Close(); err != nil {
		t.Error(err)
	}
	c.Boot(clock.BootID{8})
	c.Unset(false)
	w.links[0].Set(faulttest.Link{})
	g := w.gateway(cut, c.Read)
	w.scanned(g)
	w.move(time.Second, nil)
	w.equal()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
