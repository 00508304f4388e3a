package slot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/slot"
)

// well is a version under which everything is as it was.
func well() slot.Evidence {
	return slot.Evidence{Back: true, Uptime: 2 * time.Minute, Network: slot.NetworkOn, NetworkFor: 2 * time.Minute,
		Known: true, Healthy: true, Used: 3, Up: 3, Described: 3, LinkUsed: true, LinkUp: true}
}

// dark is one under which nothing answers.
func dark(e *slot.Evidence) {
	e.Missing, e.Up, e.LinkUp = []string{"a", "b", "c"}, 0, false
}

func TestTheRule(t *testing.T) {
	type change func(*slot.Evidence)
	const long = 100 * time.Hour
	for _, c := range []struct {
		name   string
		change change
		do     slot.Do
		why    string
		left   time.Duration
	}{
		{"all as before", func(*slot.Evidence) {}, slot.Confirm, "3 of 3 devices", 0},
		{"the link was never up", func(e *slot.Evidence) { e.LinkUsed, e.LinkUp = false, false }, slot.Confirm, "as it was under the version before", 0},
		{"nothing ever answered", func(e *slot.Evidence) { e.Used, e.Up, e.LinkUsed, e.LinkUp = 0, 0, false, false }, slot.Confirm, "0 of 3", 0},
		{"all as before, the network is off", func(e *slot.Evidence) { e.Network = slot.NetworkOff }, slot.Confirm, "", 0},

		{"it just started", func(e *slot.Evidence) { e.Uptime = 10 * time.Second }, slot.Wait, "run for 60 s", 0},
		{"it has not answered yet", func(e *slot.Evidence) { e.Silent, e.Uptime = time.Minute, 0 }, slot.Wait, "does not answer", 4 * time.Minute},
		{"it never answers", func(e *slot.Evidence) { e.Silent, e.Uptime = 5*time.Minute, 0 }, slot.RollBack, "does not answer", 0},
		{"it hangs, though all was well", func(e *slot.Evidence) { e.Silent = 5 * time.Minute }, slot.RollBack, "does not answer", 0},
		{"it never answers, nor does the network", func(e *slot.Evidence) { dark(e); e.Silent, e.Network = 5*time.Minute, slot.NetworkOff }, slot.RollBack, "socket", 0},
		{"it starts again and again", func(e *slot.Evidence) { e.Restarts, e.Uptime = 5, time.Second }, slot.RollBack, "5 times", 0},

		{"a device is missing", func(e *slot.Evidence) { e.Missing, e.Up = []string{"plc-7"}, 2 }, slot.Wait, "1 of 3 devices that used to answer do not: plc-7", 13 * time.Minute},
		{"a device stays missing", func(e *slot.Evidence) { e.Missing, e.Up, e.NetworkFor = []string{"plc-7"}, 2, 15*time.Minute }, slot.RollBack, "plc-7", 0},
		{"all devices stay missing, the link is up", func(e *slot.Evidence) { dark(e); e.LinkUp, e.NetworkFor = true, 15*time.Minute }, slot.RollBack, "3 of 3", 0},
		{"the link stays down", func(e *slot.Evidence) { e.LinkUp, e.NetworkFor = false, 15*time.Minute }, slot.RollBack, "the link, which was up", 0},
		{"many are missing", func(e *slot.Evidence) { e.Used, e.Missing = 9, []string{"a", "b", "c", "d", "e"} }, slot.Wait, "a, b, c and 2 more", 13 * time.Minute},

		{"the venue's network is off", func(e *slot.Evidence) { dark(e); e.Network, e.NetworkFor = slot.NetworkOff, long }, slot.Wait, "network is off", 0},
		{"it is off, lines on the board answer", func(e *slot.Evidence) {
			e.Missing, e.Up, e.LinkUp, e.Network, e.NetworkFor = []string{"a"}, 2, false, slot.NetworkOff, long
		}, slot.Wait, "network is off", 0},
		{"it came back a minute ago, after a day", func(e *slot.Evidence) { dark(e); e.Up, e.Uptime, e.NetworkFor = 1, long, time.Minute }, slot.Wait, "3 of 3", 14 * time.Minute},
		{"the network chip's driver is missing", func(e *slot.Evidence) { dark(e); e.Network, e.NetworkFor = slot.NetworkGone, 15*time.Minute }, slot.RollBack, "interface that was there is gone", 0},
		{"nothing answers though frames come", func(e *slot.Evidence) { dark(e); e.NetworkFor = time.Hour }, slot.Wait, "nothing answers at all", 23 * time.Hour},
		{"nothing answers for a day", func(e *slot.Evidence) { dark(e); e.NetworkFor = 24 * time.Hour }, slot.RollBack, "nothing answers at all", 0},
		{"it refuses the configuration", func(e *slot.Evidence) { dark(e); e.LinkUp, e.Described, e.NetworkFor = true, 0, 15*time.Minute }, slot.RollBack, "3 of 3", 0},

		{"it has problems of its own", func(e *slot.Evidence) { e.Problems = []string{"critical lane: no store"} }, slot.Wait, "no store", 13 * time.Minute},
		{"it keeps them", func(e *slot.Evidence) { e.Problems, e.NetworkFor = []string{"critical lane: no store"}, 15*time.Minute }, slot.RollBack, "no store", 0},
		{"it has them at once, and nothing answers", func(e *slot.Evidence) { dark(e); e.Problems, e.NetworkFor = []string{"no store"}, 15*time.Minute }, slot.RollBack, "no store", 0},
		{"it has them while the network is off", func(e *slot.Evidence) {
			e.Problems, e.Network, e.NetworkFor = []string{"no room"}, slot.NetworkOff, long
		}, slot.Wait, "no room", 0},
		{"the old one had problems too", func(e *slot.Evidence) { e.Problems, e.Healthy = []string{"disk full"}, false }, slot.Confirm, "", 0},

		{"nothing is known, something answers", func(e *slot.Evidence) { *e = slot.Evidence{Back: true, Uptime: time.Hour, Up: 1} }, slot.Confirm, "1 of 0", 0},
		{"nothing is known, nothing answers", func(e *slot.Evidence) { *e = slot.Evidence{Back: true, Uptime: long, NetworkFor: long} }, slot.Wait, "nothing is known", 0},
		{"nowhere to go back to", func(e *slot.Evidence) { e.Silent, e.Back = long, false }, slot.Wait, "no confirmed slot", 0},
		{"fresh from the card, without a configuration", func(e *slot.Evidence) { *e = slot.Evidence{Uptime: time.Hour} }, slot.Confirm, "no other version", 0},
		{"nowhere to go back to yet", func(e *slot.Evidence) { e.Silent, e.Back = time.Second, false }, slot.Wait, "does not answer", 0},
	} {
		e := well()
		c.change(&e)
		if v := slot.Judge(e, slot.Limits{}); v.Do != c.do || !strings.Contains(v.Why, c.why) || v.Left != c.left {
			t.Errorf("%s: %s, %q, %s left; want %s, %q, %s", c.name, v.Do, v.Why, v.Left, c.do, c.why, c.left)
		}
	}
}

// Whatever the rest is: the network that is off never costs a version its place while the gateway runs well.
func TestANetworkThatIsOffAloneNeverRollsBack(t *testing.T) {
	for _, known := range []bool{true, false} {
		for _, link := range []bool{true, false} {
			for up := range 4 {
				e := well()
				e.Known, e.LinkUsed, e.LinkUp, e.Up, e.Missing = known, true, link, up, []string{"a", "b", "c"}[up:]
				e.Network, e.NetworkFor, e.Uptime, e.Problems = slot.NetworkOff, 1000*time.Hour, 1000*time.Hour, []string{"critical lane: no room"}
				if v := slot.Judge(e, slot.Limits{}); v.Do == slot.RollBack {
					t.Errorf("known %t, link %t, %d up: %s", known, link, up, v.Why)
				}
			}
		}
	}
}

// A gateway that does not answer is never confirmed, whatever it said before.
func TestSilenceNeverConfirms(t *testing.T) {
	for s := time.Second; s < 10*time.Minute; s += 10 * time.Second {
		e := well()
		e.Silent = s
		if v := slot.Judge(e, slot.Limits{}); v.Do == slot.Confirm {
			t.Fatalf("%s silent: %s", s, v.Why)
		}
	}
}

func TestLimitsThatAreGiven(t *testing.T) {
	e := well()
	e.Silent = 10 * time.Second
	if v := slot.Judge(e, slot.Limits{Answer: 10 * time.Second}); v.Do != slot.RollBack {
		t.Errorf("%s: %s", v.Do, v.Why)
	}
}
