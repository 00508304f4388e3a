package gwctltest

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// screen looks at the terminal of the tmux server at $TMUX_AT until it holds every text, and judges what a text alone cannot: no line is longer than
// the terminal is wide, none is below its end, and the last one shows the keys. `screen 80 24 TEXT…`
func screen(ts *testscript.TestScript, _ bool, args []string) {
	wide, high := int(duration(ts, args[0]+"ns")), int(duration(ts, args[1]+"ns"))
	ts.Defer(func() { _ = exec.Command("tmux", "-S", ts.Getenv("TMUX_AT"), "kill-server").Run() }) // gone already when the script went well
	var shown string
	var wrong error
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("tmux", "-u", "-S", ts.Getenv("TMUX_AT"), "capture-pane", "-p", "-t", "top").Output()
		if err != nil {
			shown = err.Error()
			continue
		}
		shown = string(out)
		if missing(shown, args[2:]) {
			continue
		}
		if wrong = misshapen(shown, wide, high); wrong != nil {
			continue // a terminal that was just given another size is drawn anew
		}
		ts.Check(say(ts, shown, ""))
		return
	}
	if wrong != nil {
		ts.Fatalf("%v:\n%s", wrong, shown)
	}
	ts.Fatalf("the screen never shows %q, but at last:\n%s", args[2:], shown)
}

// misshapen says what is wrong with the form of a screen.
func misshapen(shown string, wide, high int) error {
	lines := strings.Split(strings.TrimSuffix(shown, "\n"), "\n")
	if len(lines) != high {
		return fmt.Errorf("%d lines on a terminal of %d", len(lines), high)
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) > wide {
			return fmt.Errorf("a line is wider than %d: %s", wide, l)
		}
	}
	if last := lines[high-1]; !strings.Contains(last, "q end") && !strings.Contains(last, "NO ANSWER") {
		return errors.New("the last line does not show the keys")
	}
	return nil
}

func missing(shown string, texts []string) bool {
	for _, t := range texts {
		if !strings.Contains(shown, t) {
			return true
		}
	}
	return false
}
