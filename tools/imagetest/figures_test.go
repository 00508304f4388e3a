//go:build image

package imagetest

import (
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestFigures says how long a boot takes and what the gateway takes then: 48 points of one PLC, every 200 ms. It asserts nothing: machines are noisy.
func TestFigures(t *testing.T) {
	if !*long {
		t.Skip("figures are asked for with LONG=1")
	}
	s := newSite(t, false)
	m := newMachine(t, open(t, *boardName))
	s.install(m.disk)
	m.on()
	m.prompted(0)
	m.until("the gateway polls", "devices", `plc-1 .*up`)
	s.moving(m)
	m.cut()
	m.on()
	s.moving(m) // counted from power to the cloud's count, not of the first boot
	m.prompted(0)
	m.until("the slot is confirmed", "update status", `: confirmed`)
	time.Sleep(30 * time.Second) // what only the start takes is over
	took := func() (time.Duration, time.Time) {
		found := regexp.MustCompile(`"cpu_ns": (\d+)`).FindStringSubmatch(m.ask("status -o json"))
		if found == nil {
			t.Fatal("status does not say what the gateway took")
		}
		n, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n), time.Now()
	}
	before, at := took()
	time.Sleep(60 * time.Second)
	after, now := took()
	t.Logf("%.1f %% of a processor (emulated)", 100*(after-before).Seconds()/now.Sub(at).Seconds())
	t.Log(m.ask("status"))
}
