//go:build image

package imagetest

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// TestPowerCuts takes the power away at random moments: while the gateway polls, while it stores what the cloud does not take, and while it
// installs. It comes back each time, and in the end nobody who passed a gate is missing: counters are critical.
func TestPowerCuts(t *testing.T) {
	if !*long {
		t.Skip("twenty power cuts take half an hour: make image-test BOARD=… LONG=1")
	}
	i := open(t, *boardName)
	s := newSite(t, false)
	s.hold(true)
	m := newMachine(t, i)
	s.install(m.disk)
	i.make(t, s.folder, "next", change{version: i.later(1)})
	m.on()
	m.prompted(0)
	m.until("the gateway polls", "devices", `plc-1 .*up`)
	s.hold(false)
	s.moving(m)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for n := range *cuts {
		doing := []string{"polling", "spilling", "installing"}[n%3]
		if doing == "spilling" { // the aggregator takes nothing and says nothing
			if err := s.cloud.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		if doing == "installing" {
			m.ask("update status")
			if _, err := m.console.Write([]byte("update install " + s.updates + "/next.raucb\r")); err != nil {
				t.Fatal(err)
			}
		}
		after := time.Duration(random.IntN(25_000)) * time.Millisecond
		time.Sleep(after)
		m.cut()
		if err := s.cloud.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		t.Logf("-- cut %d, %.1f s into %s", n+1, after.Seconds(), doing)
		m.on()
		m.prompted(0)
		m.until("the gateway polls", "devices", `plc-1 .*up`)
		s.moving(m)
	}
	s.equal("after the power cuts", [2]uint64{})
}
