package model

import (
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/point"
)

// event is something that may happen; it reports whether it could.
type event struct {
	name   string
	happen func(*world) bool
}

func events() []event {
	return []event{
		{"telemetry", func(w *world) bool { return w.append(point.Telemetry) }},
		{"critical", func(w *world) bool { return w.append(point.Critical) }},
		{"critical disk", func(w *world) bool { return w.disk(point.Critical) }},
		{"telemetry disk", func(w *world) bool { return w.disk(point.Telemetry) }},
		{"age", (*world).age},
		{"publish", (*world).publish},
		{"inventory", (*world).report},
		{"deliver", func(w *world) bool { return w.deliver(0, false) }},
		{"deliver second", func(w *world) bool { return w.deliver(1, false) }},
		{"double", func(w *world) bool { return w.deliver(0, true) }},
		{"lose", (*world).loseMessage},
		{"sync", (*world).sync},
		{"ack", func(w *world) bool { return w.answer(0, false) }},
		{"ack second", func(w *world) bool { return w.answer(1, false) }},
		{"lose ack", func(w *world) bool { return w.answer(0, true) }},
		{"link breaks", (*world).breakLink},
		{"power cut", func(w *world) bool { return w.crashGateway(0, false) }},
		{"power cut between append and sync", func(w *world) bool { return w.crashGateway(0, true) }},
		{"power cut after the disk had it", func(w *world) bool { return w.crashGateway(1, true) }},
		{"cloud power cut", (*world).crashCloud},
	}
}

// replay makes a new world and lets a path of events happen in it.
func replay(bad faults, b bounds, all []event, path []byte) *world {
	w := newWorld(bad, b)
	for _, i := range path {
		all[i].happen(w)
	}
	return w
}

func describe(all []event, path []byte) string {
	names := make([]string, len(path))
	for i, e := range path {
		names[i] = all[e].name
	}
	return strings.Join(names, ", ")
}

// explore visits every distinct state that is at most depth events away, and returns how many there are and the first failure.
func explore(bad faults, b bounds, depth int) (states int, failure string) {
	all := events()
	seen := map[string]bool{}
	frontier := [][]byte{nil}
	for level := 0; level <= depth && len(frontier) > 0; level++ {
		var next [][]byte
		for _, path := range frontier {
			for i := range all {
				w := replay(bad, b, all, path)
				if !all[i].happen(w) {
					w.close()
					continue
				}
				w.check()
				longer := append(append([]byte{}, path...), byte(i))
				if w.failure == "" {
					print := w.fingerprint()
					if seen[print] {
						w.close()
						continue
					}
					seen[print] = true
					w.peace()
				}
				w.close()
				if w.failure != "" {
					return len(seen), w.failure + "\nafter: " + describe(all, longer)
				}
				next = append(next, longer)
			}
		}
		frontier = next
	}
	return len(seen), ""
}

func TestEveryOrderOfEventsWithinBounds(t *testing.T) {
	for name, c := range map[string]struct {
		b     bounds
		depth int
	}{
		"one critical batch, crashes of both":  {bounds{critical: 1, gatewayCrashes: 1, cloudCrashes: 1, losses: 1, doubles: 1}, 7},
		"one telemetry batch, crashes of both": {bounds{telemetry: 1, gatewayCrashes: 1, cloudCrashes: 1, losses: 1, doubles: 1}, 7},
		"inventories across an opening":        {bounds{telemetry: 1, gatewayCrashes: 1, losses: 1, inventories: 2}, 7},
		"two lanes":                            {bounds{telemetry: 1, critical: 1, gatewayCrashes: 1, cloudCrashes: 1}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				depth := c.depth
				if testing.Short() {
					depth -= 2
				}
				states, failure := explore(faults{}, c.b, depth)
				if failure != "" {
					t.Error(failure)
				}
				t.Logf("%d states", states)
				if states < 50 {
					t.Errorf("only %d states were reached; the exploration proves little", states)
				}
			})
		})
	}
}

// The model can fail: each planted fault is found, under the name of the invariant that it breaks.
func TestPlantedFaultsAreFound(t *testing.T) {
	b := bounds{telemetry: 1, critical: 1, gatewayCrashes: 1, cloudCrashes: 1}
	for name, c := range map[string]struct {
		bad  faults
		want string
	}{
		"the cloud acks before its log is synced":   {faults{logLies: true}, "I4"},
		"the gateway's disk says synced and is not": {faults{diskLies: true}, "I5"},
		"cursors do not commit with their batch":    {faults{noCursors: true}, "I5"},
		"a publish is taken for an ack":             {faults{losesAcked: true}, "I4"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if _, failure := explore(c.bad, b, 6); !strings.HasPrefix(failure, c.want) {
					t.Errorf("found %q, want a violation of %s", failure, c.want)
				}
			})
		})
	}
}

// Long random runs; a failure shrinks to the events that it needs.
func TestRandomRunsKeepTheInvariants(t *testing.T) {
	all := events()
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SliceOfN(rapid.ByteRange(0, byte(len(all)-1)), 1, 60).Draw(rt, "events")
		var failure string
		synctest.Test(t, func(*testing.T) {
			b := bounds{telemetry: 8, critical: 8, gatewayCrashes: 4, cloudCrashes: 4, losses: 6, doubles: 4, inventories: 6}
			w := newWorld(faults{}, b)
			for _, i := range path {
				if all[i].happen(w) {
					w.check()
				}
			}
			if w.failure == "" {
				w.peace()
			}
			w.close()
			failure = w.failure
		})
		if failure != "" {
			rt.Fatalf("%s\nafter: %s", failure, describe(all, path))
		}
	})
}
