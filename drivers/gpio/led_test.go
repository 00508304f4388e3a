package gpio

import (
	"errors"
	"strings"
	"testing"
)

// lamp is an output that remembers.
type lamp struct {
	on, given bool
	fail      error
}

func (l *lamp) set(on bool) error { l.on = on; return l.fail }
func (l *lamp) close() error      { l.given = true; return nil }

func TestLED(t *testing.T) {
	l := &lamp{}
	led := &LED{"GPIO16", l}
	if err := led.Set(true); err != nil || !l.on {
		t.Errorf("on: %v, %v", l.on, err)
	}
	if err := led.Close(); err != nil || l.on || !l.given {
		t.Errorf("closed: %+v, %v", l, err)
	}
	l.fail = errInUse
	if err := led.Set(true); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "GPIO16") {
		t.Error(err)
	}
}
