package slot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// EventFile is the name, in the gateway's data directory, of the file that holds the event begun by command.
const EventFile = "event.json"

// Limits of an event that is begun by command.
const (
	LeastEvent   = time.Minute
	MostEvent    = 7 * 24 * time.Hour
	DefaultEvent = 4 * time.Hour
)

// Moment is a time as a gateway knows it.
type Moment struct {
	Wall  time.Time
	Known bool          // something trustworthy stands behind Wall
	Boot  string        // the kernel's boot id
	Mono  time.Duration // since the boot
}

// Called is an event that somebody began by command. It ends by itself: within the boot in which it was begun by the monotonic clock, after
// another boot by the wall clock, and while the time is not known at the latest when the new boot has lasted as long as the event was to.
type Called struct {
	Boot  string        `json:"boot"`
	Mono  time.Duration `json:"mono_ns"` // end, in that boot
	Wall  time.Time     `json:"until"`   // end; zero when the time was not known
	Lasts time.Duration `json:"lasts_ns"`
	By    string        `json:"by,omitempty"`
}

// Call begins an event at now.
func Call(now Moment, lasts time.Duration, by string) Called {
	c := Called{Boot: now.Boot, Mono: now.Mono + lasts, Lasts: lasts, By: by}
	if now.Known {
		c.Wall = now.Wall.Add(lasts).UTC()
	}
	return c
}

// At reports whether the event is on, and for how long still.
func (c *Called) At(now Moment) (left time.Duration, on bool) {
	switch {
	case c == nil:
		return 0, false
	case c.Boot == now.Boot:
		left = c.Mono - now.Mono
	case now.Known && !c.Wall.IsZero():
		left = c.Wall.Sub(now.Wall)
	default:
		left = c.Lasts - now.Mono
	}
	left = min(left, c.Lasts) // a clock that was set back makes no event longer
	return left, left > 0
}

// SaveCalled writes the event into dir; nil removes it.
func SaveCalled(dir string, c *Called) error {
	path := filepath.Join(dir, EventFile)
	if c == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("ending the event: %w", err)
		}
		return nil
	}
	text, err := json.Marshal(c)
	if err == nil {
		err = replace(path, text)
	}
	if err != nil {
		return fmt.Errorf("keeping the event: %w", err)
	}
	return nil
}

// LoadCalled reads the event from dir, nil when there is none.
func LoadCalled(dir string) (*Called, error) {
	f, err := os.Open(filepath.Join(dir, EventFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	var c Called
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	if c.Lasts < 0 || c.Lasts > MostEvent {
		return nil, fmt.Errorf("reading the event: it lasts %s", c.Lasts)
	}
	return &c, nil
}
