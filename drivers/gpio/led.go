package gpio

import (
	"errors"
	"fmt"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
)

// LED is the board's status LED, or a relay in its place: the one output that the gateway drives. It is for one goroutine at a time.
type LED struct {
	pin gpio.PinOut
	low bool
}

// OpenLED returns the LED on the line of this name, such as GPIO16, switched off. activeLow says that it lights when the line is low.
func OpenLED(line string, activeLow bool) (*LED, error) {
	if _, err := driverreg.Init(); err != nil {
		return nil, fmt.Errorf("looking at the board: %w", err)
	}
	pin := gpioreg.ByName(line)
	if pin == nil {
		return nil, fmt.Errorf("open the LED: the board has no line %q; its chips are %s", line, chipNames())
	}
	return openLED(pin, activeLow)
}

func openLED(pin gpio.PinOut, activeLow bool) (*LED, error) {
	l := &LED{pin: pin, low: activeLow}
	return l, l.Set(false)
}

// Set switches the LED. Nothing else of periph's line is ever asked: its Read and Func would turn an output into an input.
func (l *LED) Set(on bool) error {
	if err := l.pin.Out(gpio.Level(on != l.low)); err != nil {
		return fmt.Errorf("switch the LED on %s: %w", l.pin.Name(), err)
	}
	return nil
}

// Close switches the LED off and gives its line back.
func (l *LED) Close() error {
	err := l.Set(false)
	if c, ok := l.pin.(interface{ Close() }); ok {
		c.Close()
		return err
	}
	return errors.Join(err, l.pin.Halt())
}
