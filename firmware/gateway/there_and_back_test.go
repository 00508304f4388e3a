package gateway_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/slot"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
)

// nextVersion makes what the gateway left look as the next version would leave it: new fields in every JSON text of the stores' small state and of the files beside
// them, small state that this version does not know, new fields in the stores' identities, files of its own.
func (r *rig) nextVersion() {
	r.t.Helper()
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	changed := 0
	for _, lane := range []string{"critical", "telemetry"} {
		store, err := segment.Open(filepath.Join(r.dataDir(), "spool", lane), segment.Options{})
		must(err)
		set := map[string][]byte{"novelty/1": []byte("of the next version"), "page-2/0000": {2, 0, 0}}
		for key, value := range store.States("") {
			if better, ok := withNovelty(value); ok {
				set[key] = better
				changed++
			}
		}
		_, err = store.Append(segment.Tx{Set: set})
		must(err)
		_, err = store.Sync()
		must(err)
		must(store.Close())
		must(os.WriteFile(filepath.Join(r.dataDir(), "spool", lane, "novelty"), []byte("x"), 0o600))
	}
	if changed == 0 {
		r.t.Fatal("no JSON text was found in the stores; the test would prove nothing")
	}
	for _, name := range []string{slot.MemoryFile, slot.EventFile, "time.json"} {
		path := filepath.Join(r.dataDir(), name)
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		better, ok := withNovelty(text)
		if !ok {
			r.t.Fatalf("%s: %s", name, text)
		}
		must(os.WriteFile(path, better, 0o600))
	}
	r.rewrite(`"format":1`, fmt.Sprintf(`"format":1,"novelty%d":{"x":[1,2]}`, time.Now().UnixNano()))
}

// withNovelty adds a field to a JSON object.
func withNovelty(text []byte) ([]byte, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields == nil {
		return nil, false
	}
	fields["novelty"] = json.RawMessage(`{"since":"the next version","list":[1,2,3]}`)
	out, err := json.Marshal(fields)
	return out, err == nil
}

// outage counts people while nobody can be reached, until so many batches of this process are stored, and stops the gateway.
func (r *rig) outage(g *gateway.Gateway, n uint64) {
	r.t.Helper()
	r.count(n)
	eventually(r.t, func() string {
		if n := g.Status().Spool.Spilled; n < 5 {
			return fmt.Sprintf("%d batches were spilled", n)
		}
		return ""
	})
	r.close(g)
}

// An update during an outage, and a rollback in the same outage: version A leaves a backlog, B adds its own and writes as later versions do, and A comes back to
// all of it. The cloud gets everything, of each epoch, in one run of the counter, and nothing is declared lost.
func TestAnUpdateThereAndBackLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	w := &writer{}
	g, ask := r.asImage(w)
	r.sees()
	if _, err := ask.BeginEvent(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	r.c.be(away)
	r.outage(g, 200)
	r.nextVersion()
	g = r.start() // version B: it reads what A left, whatever it adds
	r.outage(g, 200)
	r.nextVersion()
	heard := r.listen()
	g, ask = r.asImage(w) // A again
	if s, err := ask.Status(t.Context()); err != nil || s.Update == nil || s.Update.Event == nil {
		t.Errorf("the event is forgotten: %+v, %v", s.Update, err)
	}
	r.count(50)
	r.c.be(polite)
	r.sees()
	r.accounted()
	r.c.mu.Lock()
	epochs := map[point.Epoch]bool{}
	for id := range r.c.frames {
		epochs[id.Epoch] = true
	}
	gaps := r.c.gaps
	r.c.mu.Unlock()
	if len(epochs) != 3 || len(gaps) != 0 {
		t.Errorf("%d epochs arrived, want 3; gaps %+v", len(epochs), gaps)
	}
	for _, bad := range []string{"set aside", "faults=1", "corrupt=1", "unclean=true"} {
		if heard.has(bad) {
			t.Errorf("the log of A says %q", bad)
		}
	}
	if !heard.has("faults=0") {
		t.Error("the log does not say what was found")
	}
	r.close(g)
	r.keepsNovelty()
}

// keepsNovelty reports small state of the next version that this one has thrown away.
func (r *rig) keepsNovelty() {
	r.t.Helper()
	for _, lane := range []string{"critical", "telemetry"} {
		store, err := segment.Open(filepath.Join(r.dataDir(), "spool", lane), segment.Options{})
		if err != nil {
			r.t.Fatal(err)
		}
		if value, ok := store.State("novelty/1"); !ok || !strings.Contains(string(value), "next version") {
			r.t.Errorf("the %s store has lost state that it did not know: %q", lane, value)
		}
		if err := store.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
}
