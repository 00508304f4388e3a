package ctl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/firmware/console"
	"github.com/courtside-edge/courtside/firmware/diag"
)

// TestTheConsoleOffersWhatThereIs finds each command and flag of the console among gwctl's own.
func TestTheConsoleOffersWhatThereIs(t *testing.T) {
	for _, offered := range console.Commands() {
		words, flags := offered[0], offered[1]
		c, rest, err := Root("").Find(words)
		if err != nil || len(rest) > 0 || !strings.HasSuffix(c.CommandPath(), strings.Join(words, " ")) {
			t.Errorf("gwctl has no %q: %v", words, err)
			continue
		}
		for _, flag := range flags {
			name := strings.TrimLeft(flag, "-")
			known := c.Flag(name)
			if !strings.HasPrefix(flag, "--") {
				known = c.InheritedFlags().ShorthandLookup(name)
				if known == nil {
					known = c.Flags().ShorthandLookup(name)
				}
			}
			if known == nil {
				t.Errorf("%q has no flag %s", words, flag)
			}
		}
	}
	for _, bad := range []string{"check", "probe", "man", "support-bundle", "console", "reload"} {
		if slices.ContainsFunc(console.Commands(), func(c [2][]string) bool { return c[0][0] == bad }) {
			t.Errorf("the console offers %s", bad)
		}
	}
}

func TestTheStateInOneLine(t *testing.T) {
	up, down := diag.Device{State: "up"}, diag.Device{State: "down"}
	running := diag.Status{Link: diag.Link{State: "up"}, Devices: []diag.Device{up, down}}
	with := func(change func(*diag.Status)) diag.Status {
		s := running
		change(&s)
		return s
	}
	for want, c := range map[string]struct {
		s   diag.Status
		err error
	}{
		"1 of 2 devices answer, link UP":                                  {s: running},
		"1 of 2 devices answer, link UP; critical lane: no room":          {s: with(func(s *diag.Status) { s.Problems = []string{"critical lane: no room"} })},
		"1 of 2 devices answer, link UP; version 2 is on trial in slot B": {s: with(func(s *diag.Status) { s.Update = &diag.Updating{Version: "2", Slot: "B", Trial: true} })},
		"1 of 2 devices answer, link UP; an update is being installed; event: final, day 1": {s: with(func(s *diag.Status) {
			s.Update = &diag.Updating{Install: "running", Event: &diag.Event{Name: "final, day 1"}}
		})},
		"WAITING: the configuration has faults: a:1:2: x":         {s: diag.Status{Waiting: "the configuration has faults: a:1:2: x\n    y\n    ^"}},
		"the gateway does not run; it is started again by itself": {err: fmt.Errorf("asking: %w", diag.ErrNotRunning)},
		"the gateway does not answer: no right":                   {err: errors.New("no right")},
	} {
		if got := stateLine(c.s, c.err); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
