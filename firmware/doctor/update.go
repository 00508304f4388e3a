package doctor

import (
	"fmt"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// JudgeUpdate judges how the gateway stands with its slots, updates and events.
func JudgeUpdate(u diag.Updating) diag.Finding {
	f := diag.Finding{Check: "updates", Grade: diag.OK, Saw: fmt.Sprintf("version %s runs in slot %s", u.Version, u.Slot)}
	if u.Slot == "" {
		f.Saw = "this machine does not run an image"
	}
	refused := u.Refused["event"]
	switch {
	case u.Trial:
		f.Grade, f.Saw = diag.Warn, f.Saw+", on trial: it is not confirmed yet"
		f.Cause, f.Next = "what answered under the version before does not answer yet, or the network is off", "journalctl -u courtside-confirm says what is waited for; gwctl update confirm --now takes the version as it is"
	case refused > 0 && u.Event != nil:
		f.Grade, f.Saw = diag.Warn, fmt.Sprintf("%s; %d updates or reboots were refused because of events", f.Saw, refused)
		f.Cause, f.Next = "on now: "+u.Event.String(), "install afterwards, or use --force; gwctl event status"
	case u.Install == "failed":
		f.Grade, f.Saw = diag.Warn, f.Saw+"; the last update could not be installed"
		f.Cause, f.Next = "gwctl update status says why", "install it again: the version that runs is untouched"
	case u.Event != nil:
		f.Saw += "; no update is installed now: " + u.Event.String()
	}
	return f
}
