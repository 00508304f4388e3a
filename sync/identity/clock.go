package identity

import (
	"runtime/debug"
	"time"
)

// Clock tells the time that validity is judged against. Its zero value trusts the system's clock.
type Clock struct {
	// Now is the system's clock; nil for time.Now.
	Now func() time.Time
	// Floor is what the time cannot be before: the later of BuildTime and the last time persisted
	// from a verified source. nil for none.
	Floor func() time.Time
	// Synchronised reports whether Now can be trusted. While it reports false NotBefore is not
	// checked, and NotAfter is judged against the latest time that is known to have passed. nil for always.
	Synchronised func() bool
}

// BuildTime returns when the running binary's source was committed, or the zero time when the build does not say.
func BuildTime() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			t, err := time.Parse(time.RFC3339, s.Value)
			if err != nil {
				return time.Time{}
			}
			return t
		}
	}
	return time.Time{}
}

// now returns the latest time that is known to have passed.
func (c Clock) now() time.Time {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	t := now()
	if c.Floor != nil {
		if floor := c.Floor(); floor.After(t) {
			return floor
		}
	}
	return t
}

// Time returns the latest time that is known to have passed.
func (c Clock) Time() time.Time { return c.now() }

// Trusted reports whether Time is the time, and not only what it cannot be before.
func (c Clock) Trusted() bool { return c.synchronised() }

func (c Clock) synchronised() bool { return c.Synchronised == nil || c.Synchronised() }
