package doctor

import (
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func TestJudgeUpdate(t *testing.T) {
	game := &diag.Event{Name: "home game", By: "command", Left: 3600e9}
	for name, c := range map[string]struct {
		u     diag.Updating
		grade diag.Grade
		says  string
	}{
		"confirmed":                 {diag.Updating{Version: "7", Slot: "A", Install: "none"}, diag.OK, "version 7 runs in slot A"},
		"on trial":                  {diag.Updating{Version: "7", Slot: "B", Trial: true, Event: game}, diag.Warn, "on trial"},
		"an event":                  {diag.Updating{Version: "7", Slot: "A", Event: game}, diag.OK, "home game, for 1h0m0s more"},
		"refused by an event":       {diag.Updating{Version: "7", Slot: "A", Event: game, Refused: map[string]int{"event": 2}}, diag.Warn, "2 updates or reboots were refused"},
		"refused by a past event":   {diag.Updating{Version: "7", Slot: "A", Refused: map[string]int{"event": 2}}, diag.OK, "slot A"},
		"an install that failed":    {diag.Updating{Version: "7", Slot: "A", Install: "failed"}, diag.Warn, "could not be installed"},
		"no image, though an event": {diag.Updating{Event: game}, diag.OK, "does not run an image; no update is installed now"},
	} {
		f := JudgeUpdate(c.u)
		if f.Check != "updates" || f.Grade != c.grade || !strings.Contains(f.Saw, c.says) || (f.Grade == diag.Warn) != (f.Next != "") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
