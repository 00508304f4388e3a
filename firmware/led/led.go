package led

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Class is where the kernel lists its LEDs.
const Class = "/sys/class/leds"

// Pattern is what is shown.
type Pattern uint8

// The patterns; doc.go says how they look.
const (
	Off Pattern = iota
	Waiting
	Online
	Offline
	Degraded
	Failing
)

// String returns the pattern's name.
func (p Pattern) String() string {
	return [...]string{"off", "waiting", "online", "offline", "degraded", "failing"}[p]
}

// blink is how long the light is on and off; steady patterns have none.
func (p Pattern) blink() (on, off time.Duration) {
	switch p {
	case Waiting:
		return time.Second, time.Second
	case Offline:
		return 100 * time.Millisecond, 1900 * time.Millisecond
	case Degraded:
		return 250 * time.Millisecond, 250 * time.Millisecond
	case Failing:
		return 60 * time.Millisecond, 65 * time.Millisecond
	}
	return 0, 0
}

// LED is one light. It is for one goroutine at a time.
type LED struct {
	dir   string // empty for none
	log   *slog.Logger
	shown Pattern
	known bool // shown is what the light shows
	tries int  // in a row that failed
}

// Open returns the light called name below class. One that is not there, or no name, is a light that nobody sees.
func Open(class, name string, log *slog.Logger) *LED {
	l := &LED{log: log}
	switch {
	case name == "":
		return l
	case name != filepath.Base(name) || name == "." || name == "..":
		l.absent(fmt.Errorf("%q is no name of an LED", name))
		return l
	}
	dir := filepath.Join(class, name)
	if _, err := os.Stat(filepath.Join(dir, "brightness")); err != nil {
		l.absent(err)
		return l
	}
	l.dir = dir
	return l
}

// Show shows p from now on. What is shown already costs nothing.
func (l *LED) Show(p Pattern) {
	if l.dir == "" || l.known && l.shown == p {
		return
	}
	l.known = false
	if err := l.drive(p); err != nil {
		l.complain(err)
		return
	}
	l.shown, l.known, l.tries = p, true, 0
}

// Follow shows what now says, at each period until ctx ends, and nothing afterwards. It returns at once when there is no light.
func (l *LED) Follow(ctx context.Context, period time.Duration, now func() Pattern) {
	if l.dir == "" {
		return
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	defer l.Show(Off)
	for {
		l.Show(now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// maxTries is how often driving the light may fail before the log says so: udev takes moments to give the timer's files away.
const maxTries = 10

// complain counts a failure, and logs the one after which nothing is to be expected of waiting.
func (l *LED) complain(err error) {
	if l.tries++; l.tries == maxTries {
		l.log.Warn("the LED shows nothing", "err", err)
	}
}

// absent logs that there is no such light.
func (l *LED) absent(err error) { l.log.Warn("the LED shows nothing", "err", err) }

func (l *LED) drive(p Pattern) error {
	on, off := p.blink()
	if on == 0 {
		if err := l.write("trigger", "none"); err != nil {
			return err
		}
		return l.write("brightness", l.level(p))
	}
	if !l.triggered("timer") { // setting it again would start it anew, with files that are root's again
		if err := l.write("trigger", "timer"); err != nil {
			return fmt.Errorf("%w; is the kernel's module ledtrig-timer loaded?", err)
		}
	}
	if err := l.write("delay_on", strconv.FormatInt(on.Milliseconds(), 10)); err != nil {
		return err
	}
	return l.write("delay_off", strconv.FormatInt(off.Milliseconds(), 10))
}

// level is the brightness of a steady pattern.
func (l *LED) level(p Pattern) string {
	if p == Off {
		return "0"
	}
	raw, err := os.ReadFile(filepath.Join(l.dir, "max_brightness"))
	if level := strings.TrimSpace(string(raw)); err == nil && level != "" && level != "0" {
		return level
	}
	return "1"
}

// triggered reports whether the kernel marks the trigger as the one in force.
func (l *LED) triggered(name string) bool {
	raw, err := os.ReadFile(filepath.Join(l.dir, "trigger"))
	return err == nil && strings.Contains(string(raw), "["+name+"]")
}

// write gives the kernel one value; its files are never created here.
func (l *LED) write(file, value string) error {
	f, err := os.OpenFile(filepath.Join(l.dir, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
