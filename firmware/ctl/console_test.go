package ctl

import (
	"slices"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/firmware/console"
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
