package slot

import (
	"context"
	"errors"
	"fmt"
)

// The reasons for which an update is refused. Each refusal wraps exactly one.
var (
	ErrNoImage    = errors.New("this machine does not run an image of Courtside")
	ErrDowngrade  = errors.New("the update is not newer than what runs")
	ErrCompatible = errors.New("the update is for another board")
	ErrTrial      = errors.New("the running version is not confirmed yet")
	ErrEvent      = errors.New("an event is on")
	ErrBusy       = errors.New("an update is being installed")
	ErrNoRAUC     = errors.New("RAUC does not answer on the system bus")
)

// Bundle is what an update says of itself. Its signature has been verified by whoever gives it.
type Bundle struct {
	Compatible string
	Version    string // as it stands there; may be none of an image's
}

// Progress is how far an install is.
type Progress struct {
	Percent int
	Step    string
}

// State is one slot as RAUC knows it.
type State struct {
	Slot    string // RAUC's name, such as rootfs.0
	Name    Name   // none for slots that are not booted
	Device  string
	Booted  bool
	Good    bool   // the boot loader has attempts left for it
	Version string // of the update that was written to it; empty when none was
	Status  string // of that install
}

// Installer is what inspects updates and writes them to the slot that does not run. RAUC is one. It is safe for concurrent use.
type Installer interface {
	// Inspect verifies the signature of the update at source, a path or a URL, and returns what it says of itself.
	Inspect(ctx context.Context, source string) (Bundle, error)
	// Install writes the update and makes its slot the one that is booted next. When ctx ends it returns, but what has begun goes on.
	Install(ctx context.Context, source string, progress func(Progress)) error
	// Slots returns all slots.
	Slots(ctx context.Context) ([]State, error)
	// Primary returns the slot that is booted next, by RAUC's name.
	Primary(ctx context.Context) (string, error)
	// Mark marks a slot, "booted", "other" or a name of RAUC's, as "good", "bad" or "active", and returns what was done.
	Mark(ctx context.Context, state, slot string) (string, error)
}

// Ready returns why no update at all may be installed on m now, or nil.
func Ready(m Machine) error {
	switch {
	case !m.IsImage():
		return fmt.Errorf("%w: updates are for flashed images; what a package manager installed, it updates", ErrNoImage)
	case m.Trial():
		return fmt.Errorf("%w, and slot %s, which an update would overwrite, is the one to go back to; journalctl -u courtside-confirm says what is waited for", ErrTrial, m.Good)
	}
	return nil
}

// Admit returns why an update may not be installed on m, or nil. downgrade allows versions that are not newer.
func Admit(m Machine, b Bundle, downgrade bool) error {
	if err := Ready(m); err != nil {
		return err
	}
	switch {
	case b.Compatible != m.Image:
		return fmt.Errorf("%w: it is for %q, this is %q", ErrCompatible, b.Compatible, m.Image)
	case downgrade:
		return nil
	}
	v, err := ParseVersion(b.Version)
	if err != nil {
		return fmt.Errorf("%w: %w; --allow-downgrade installs it all the same", ErrDowngrade, err)
	}
	if v.Compare(m.Version) <= 0 {
		return fmt.Errorf("%w: it has version %s, version %s runs; --allow-downgrade installs it all the same", ErrDowngrade, v, m.Version)
	}
	return nil
}
