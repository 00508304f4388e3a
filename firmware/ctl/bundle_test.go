package ctl

import (
	"strings"
	"testing"
)

func TestNothingSecretIsInABundle(t *testing.T) {
	got := string(scrub([]byte("open courtside-join-1.HUNTER2-a_b: no such file\n-----BEGIN PRIVATE KEY-----\nHUNTER2\n-----END PRIVATE KEY-----\nmqtts://u:HUNTER2@broker:8883\n")))
	if strings.Contains(got, "HUNTER2") || !strings.Contains(got, "JOIN TOKEN REMOVED: no such file") || !strings.Contains(got, "@broker:8883") {
		t.Errorf("%s", got)
	}
}

// What a device says may break neither a table nor a terminal.
func TestWhatDevicesSayStandsInOneLine(t *testing.T) {
	for said, want := range map[string]string{
		"plain \"text\" é":        "plain \"text\" é",
		"two\nlines\tand a tab":   `two\nlines and a tab`,
		"\x1b[2Jgone \"q\" \x07é": `\x1b[2Jgone "q" \aé`,
	} {
		if got := oneLine(said); got != want {
			t.Errorf("%q becomes %q, want %q", said, got, want)
		}
	}
}
