package settings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFaults is how many faults an error spells out; nobody reads on beyond, so the rest is only counted.
const maxFaults = 200

// maxShown is how many characters of a line a fault shows around its place.
const maxShown = 120

// Fault is one thing wrong in a configuration file.
type Fault struct {
	File         string
	Line, Column int    // from 1; in characters; 0 when the fault is of the file as a whole
	Text         string // the line
	Problem      string
	Fix          string // what would be right; empty when Problem says it
}

// Error returns "file:line:column: problem; fix" and below it the line with a caret at the column.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	b.WriteString(f.Problem)
	if f.Fix != "" {
		b.WriteString("; ")
		b.WriteString(f.Fix)
	}
	if f.Line > 0 {
		f.caret(&b)
	}
	return b.String()
}

// caret shows the line, cut to a window around the column when it is long, and marks the column.
func (f *Fault) caret(b *strings.Builder) {
	line := []rune(strings.TrimRight(f.Text, " \t"))
	at := min(max(f.Column-1, 0), len(line))
	if from := at - maxShown/2; len(line) > maxShown && from > 0 {
		line, at = append([]rune("…"), line[from:]...), at-from+1
	}
	if len(line) > maxShown {
		line = append(line[:maxShown:maxShown], '…')
	}
	b.WriteString("\n    ")
	b.WriteString(strings.Map(visible, string(line)))
	b.WriteString("\n    ")
	for _, r := range line[:min(at, len(line))] {
		if r == '\t' {
			b.WriteByte('\t') // keeps the caret below its text whatever a tab's width
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteByte('^')
}

// visible keeps what is no text from telling a terminal what to do.
func visible(r rune) rune {
	if r != '\t' && unicode.IsControl(r) {
		return utf8.RuneError
	}
	return r
}

// Faults collects faults. The zero value is empty and ready.
type Faults struct {
	list []error
}

// Add adds err, or each error that it joins; nil adds nothing.
func (f *Faults) Add(err error) {
	if err == nil {
		return
	}
	if _, one := err.(*Fault); !one {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				f.Add(e)
			}
			return
		}
	}
	f.list = append(f.list, err)
}

// Len returns how many faults were added.
func (f *Faults) Len() int { return len(f.list) }

// Err returns nil for no faults, or an *Error with each fault once, by place.
func (f *Faults) Err() error {
	if len(f.list) == 0 {
		return nil
	}
	list := slices.Clone(f.list)
	slices.SortStableFunc(list, byPlace)
	list = slices.CompactFunc(list, func(a, b error) bool { return a.Error() == b.Error() })
	return &Error{Faults: list}
}

// byPlace orders faults by file, line and column; errors without a place come last.
func byPlace(a, b error) int {
	var x, y *Fault
	inA, inB := errors.As(a, &x), errors.As(b, &y)
	switch {
	case inA && inB:
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	case inA:
		return -1
	case inB:
		return 1
	}
	return 0
}

// Error is everything wrong in a configuration: *Fault values by place, then errors that have none.
type Error struct {
	Faults []error
}

// Error returns each fault in lines of its own; beyond maxFaults they are counted only.
func (e *Error) Error() string {
	var b strings.Builder
	for i, f := range e.Faults {
		if i == maxFaults {
			fmt.Fprintf(&b, "\nand %d more faults", len(e.Faults)-maxFaults)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.Error())
	}
	return b.String()
}

// Unwrap returns the faults, for errors.Is and errors.As.
func (e *Error) Unwrap() []error { return e.Faults }

// quote returns s in quotes, cut when it is long.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
