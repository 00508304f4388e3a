package led

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// board makes an LED as the kernel does, whose timer's files are there from the beginning.
func board(t *testing.T) (class, dir string) {
	class = t.TempDir()
	dir = filepath.Join(class, "green:status")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, value := range map[string]string{"brightness": "0", "max_brightness": "255\n", "trigger": "[none] timer", "delay_on": "", "delay_off": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return class, dir
}

func read(t *testing.T, dir, file string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestPatterns(t *testing.T) {
	class, dir := board(t)
	l := Open(class, "green:status", slog.New(slog.DiscardHandler))
	seen := map[string]Pattern{}
	for p := Off; p <= Failing; p++ {
		l.Show(p)
		if !l.known || l.shown != p {
			t.Fatalf("%s is not shown", p)
		}
		look := read(t, dir, "trigger") + " "
		if strings.HasPrefix(look, "none") {
			look += read(t, dir, "brightness")
		} else {
			look += read(t, dir, "delay_on") + "/" + read(t, dir, "delay_off")
		}
		if other, taken := seen[look]; taken {
			t.Errorf("%s and %s look alike: %s", p, other, look)
		}
		seen[look] = p
	}
	for look, want := range map[string]Pattern{"none 0": Off, "none 255": Online, "timer 1000/1000": Waiting, "timer 100/1900": Offline, "timer 250/250": Degraded} {
		if got, ok := seen[look]; !ok || got != want {
			t.Errorf("%s is %s, want %s", look, got, want)
		}
	}
}

// TestWhatIsShownCostsNothing takes the files away: a pattern that is shown already touches none.
func TestWhatIsShownCostsNothing(t *testing.T) {
	class, dir := board(t)
	var said bytes.Buffer
	l := Open(class, "green:status", slog.New(slog.NewTextHandler(&said, nil)))
	l.Show(Online)
	if err := os.Remove(filepath.Join(dir, "trigger")); err != nil {
		t.Fatal(err)
	}
	l.Show(Online)
	if said.Len() > 0 {
		t.Errorf("it says %s", said.String())
	}
	for range 3 * maxTries {
		l.Show(Offline)
	}
	if n := strings.Count(said.String(), "the LED shows nothing"); n != 1 {
		t.Errorf("it says %d times that nothing is shown, want once:\n%s", n, said.String())
	}
}

func TestNoLED(t *testing.T) {
	class, dir := board(t)
	for name, loud := range map[string]bool{"": false, "absent": true, "../green:status": true, "..": true, "a/b": true} {
		var said bytes.Buffer
		l := Open(class, name, slog.New(slog.NewTextHandler(&said, nil)))
		l.Show(Online)
		l.Show(Off)
		if got := strings.Count(said.String(), "\n"); got > 1 || (got == 1) != loud {
			t.Errorf("%q: it says\n%s", name, said.String())
		}
	}
	if got := read(t, dir, "brightness"); got != "0" {
		t.Errorf("the light of another name is %s", got)
	}
}

// TestTheTimersFilesComeLater is a kernel whose timer's files belong to root until udev has given them away.
func TestTheTimersFilesComeLater(t *testing.T) {
	class, dir := board(t)
	for _, file := range []string{"delay_on", "delay_off"} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	l := Open(class, "green:status", slog.New(slog.DiscardHandler))
	l.Show(Waiting)
	if l.known {
		t.Fatal("it takes the pattern for shown")
	}
	if err := os.WriteFile(filepath.Join(dir, "trigger"), []byte("none [timer]"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"delay_on", "delay_off"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.Show(Waiting)
	if !l.known || read(t, dir, "delay_on") != "1000" || read(t, dir, "trigger") != "none [timer]" {
		t.Errorf("the second look shows %s/%s by %s", read(t, dir, "delay_on"), read(t, dir, "delay_off"), read(t, dir, "trigger"))
	}
}

func TestFollowEndsDark(t *testing.T) {
	class, dir := board(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		asked := 0
		l := Open(class, "green:status", slog.New(slog.DiscardHandler))
		l.Follow(ctx, time.Second, func() Pattern {
			if asked++; asked == 3 {
				cancel(errors.New("enough"))
			}
			return Online
		})
		if asked != 3 {
			t.Errorf("it asked %d times, want 3", asked)
		}
	})
	if got := read(t, dir, "brightness"); got != "0" {
		t.Errorf("in the end the light is %s", got)
	}
}

func TestJudge(t *testing.T) {
	up, down := diag.Device{State: "up"}, diag.Device{State: "down"}
	link := diag.Link{State: "up"}
	for name, c := range map[string]struct {
		s    diag.Status
		want Pattern
	}{
		"waiting":                 {diag.Status{Waiting: "no configuration yet", Problems: []string{"x"}}, Waiting},
		"all is well":             {diag.Status{Link: link, Devices: []diag.Device{up, up}}, Online},
		"no broker":               {diag.Status{Link: diag.Link{State: "down"}, Devices: []diag.Device{up}}, Offline},
		"at the start":            {diag.Status{Link: diag.Link{State: "connecting"}, Devices: []diag.Device{{State: "connecting"}}}, Offline},
		"one device is down":      {diag.Status{Link: link, Devices: []diag.Device{up, down}}, Degraded},
		"and the broker too":      {diag.Status{Devices: []diag.Device{up, {State: "failed"}}}, Degraded},
		"every device is down":    {diag.Status{Link: link, Devices: []diag.Device{down, {State: "failed"}}}, Failing},
		"nothing can be kept":     {diag.Status{Link: link, Devices: []diag.Device{up}, Problems: []string{"critical lane: no room"}}, Failing},
		"a broker, and no device": {diag.Status{Link: link}, Online},
	} {
		if got := Judge(c.s); got != c.want {
			t.Errorf("%s: it shows %s, want %s", name, got, c.want)
		}
	}
}
