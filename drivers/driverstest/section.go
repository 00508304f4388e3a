package driverstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"

	"github.com/courtside-edge/courtside/drivers"
)

// Fault is what a Section of this package reports.
type Fault struct {
	Section string // the section's name
	Key     string // empty for the section itself
	Text    string
}

// Error returns "section.key: text".
func (f *Fault) Error() string { return f.Section + "." + f.Key + ": " + f.Text }

// Section returns a mapping as a driver gets it from the configuration file. Its faults are *Fault.
func Section(name, text string) drivers.Section { return section{name, text} }

type section struct{ name, text string }

// Decode implements drivers.Section.
func (s section) Decode(into any) error {
	err := yaml.NewDecoder(bytes.NewReader([]byte(s.text)), yaml.DisallowUnknownField()).Decode(into)
	if err == nil || errors.Is(err, io.EOF) { // an empty mapping
		return nil
	}
	return &Fault{Section: s.name, Text: err.Error()}
}

// Fault implements drivers.Section.
func (s section) Fault(key, format string, args ...any) error {
	return &Fault{s.name, key, fmt.Sprintf(format, args...)}
}

// Faults returns every *Fault in err, however it is joined and wrapped, in order.
func Faults(err error) []*Fault {
	switch e := err.(type) {
	case nil:
		return nil
	case *Fault:
		return []*Fault{e}
	case interface{ Unwrap() []error }:
		var all []*Fault
		for _, one := range e.Unwrap() {
			all = append(all, Faults(one)...)
		}
		return all
	}
	return Faults(errors.Unwrap(err))
}
