package gpio

import (
	"errors"
	"fmt"
)

// LED is a light on a line, for a program of one's own; the gateway's is package led's, of the kernel's LED class. It is for one goroutine at a time.
type LED struct {
	line string
	output
}

// output is a line that is driven.
type output interface {
	set(on bool) error
	close() error
}

// OpenLED returns the LED on the line of this name, such as GPIO16, switched off. activeLow says that it lights when the line is low.
func OpenLED(line string, activeLow bool) (*LED, error) {
	var m machine
	p, err := m.find("", line)
	if err != nil {
		return nil, fmt.Errorf("open the LED: %w", err)
	}
	out, err := m.drive(p, activeLow)
	if err != nil {
		return nil, fmt.Errorf("open the LED on %s: %w", line, err)
	}
	return &LED{line, out}, nil
}

// Set switches the LED.
func (l *LED) Set(on bool) error {
	if err := l.set(on); err != nil {
		return fmt.Errorf("switch the LED on %s: %w", l.line, err)
	}
	return nil
}

// Close switches the LED off and gives its line back.
func (l *LED) Close() error { return errors.Join(l.Set(false), l.close()) }
