// Package probe asks a device by hand, through the product's own drivers: what a gateway would see, before any point is described.
//
// It is polite: one request at a time, a pause between requests, reads only. A probe opens a connection of its own; a device that
// serves one client only answers nobody else meanwhile.
//
//	what fails                          what is said
//	nobody at the address               the failure of the connection, ErrSilent
//	the unit does not answer            "no answer", ErrSilent when none does
//	the device refuses an address       "refused", and the others are read
//	a value that is no number           "–" in that order
package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// polls is how often a class is polled until every point has been read; a driver may read the parts of what was refused later.
const polls = 20

// Reading is what came of one point.
type Reading struct {
	Quality point.Quality
	Bits    uint64
	Text    string
	Seen    bool
}

// Answered reports whether the device gave an answer, if only a refusal.
func (r Reading) Answered() bool {
	switch r.Quality {
	case point.BadTimeout, point.BadNotConnected, point.BadCommunication:
		return false
	}
	return r.Seen
}

// group is points that a probe makes up: n of type t from source on.
type group struct {
	t      point.Type
	n      int
	source string // YAML of the driver's own section
}

// clock stamps readings; nobody looks at the stamps.
type clock struct{ start time.Time }

func (c clock) Mono() int64 { return int64(time.Since(c.start)) }

// read opens one connection to a device with options, a YAML mapping, reads all groups once and returns their readings in order.
func read(ctx context.Context, driver drivers.Driver, options string, groups []group) ([]Reading, error) {
	d, n, err := device(options, groups)
	if err != nil {
		return nil, err
	}
	source, err := driver.Prepare(d)
	if err != nil {
		return nil, refused(err)
	}
	conn, err := source.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	all := make([]Reading, n)
	take := func(b *drivers.Block) {
		for _, r := range b.Readings {
			if int(r.Index) >= n {
				continue
			}
			v := Reading{Quality: r.Quality, Bits: r.Bits, Seen: r.Quality != point.BadWaitingForInitialData}
			if r.Bits < uint64(len(b.Texts)) {
				v.Text = b.Texts[r.Bits]
			}
			all[r.Index] = v
		}
	}
	for range polls {
		if err := conn.Poll(ctx, 0, take); err != nil {
			return all, err
		}
		if complete(all) {
			break
		}
	}
	return all, nil
}

func complete(all []Reading) bool {
	for _, r := range all {
		if !r.Seen {
			return false
		}
	}
	return true
}

// device describes what is probed as a configuration would.
func device(options string, groups []group) (drivers.Device, int, error) {
	section := func(name, text string) (drivers.Section, error) {
		s, err := settings.Parse(name, []byte(text), settings.Limits{})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	o, err := section("command line", options)
	if err != nil {
		return drivers.Device{}, 0, err
	}
	d := drivers.Device{ID: "probe", Options: o, Classes: []drivers.ScanClass{{Name: "once", Period: time.Second}}, Clock: clock{time.Now()}, Log: slog.New(slog.DiscardHandler),
		Cursor: func(point.Name) ([]byte, bool) { return nil, false }}
	n := 0
	for i, g := range groups {
		s, err := section("command line", g.source)
		if err != nil {
			return drivers.Device{}, 0, err
		}
		out := drivers.Group{Options: s}
		for range g.n {
			p := &point.Point{Device: d.ID, Name: point.Name(fmt.Sprintf("p/%d/%d", i, n)), Type: g.t, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}
			out.Targets = append(out.Targets, drivers.Target{Index: uint32(n), Point: p})
			n++
		}
		d.Groups = append(d.Groups, out)
	}
	return d, n, nil
}

// Pairs writes key=value arguments as lines of a YAML mapping. Keys may be paths of two parts: serial.baud=9600.
func Pairs(args []string) (map[string]string, error) {
	out := make(map[string]string, len(args))
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("%q is not key=value", a)
		}
		out[k] = v
	}
	return out, nil
}

// pause waits between questions.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed is what a probe ends with that came no further than err: what was typed is wrong, or nobody answers.
func failed(err error) error {
	if errors.Is(err, diag.ErrUsage) {
		return err
	}
	if said, ok := typed(err); ok {
		return diag.Usage("%s", said)
	}
	return fmt.Errorf("%w: %s", diag.ErrSilent, reason(err))
}

// refused is the fault that a driver finds in what was typed.
func refused(err error) error {
	said, ok := typed(err)
	if !ok {
		said = reason(err)
	}
	return diag.Usage("%s", said)
}

// typed writes faults of settings for a command line: places in the text that was made of it say nothing.
func typed(err error) (said string, ok bool) {
	list := []error{err}
	if e, ok := errors.AsType[*settings.Error](err); ok {
		list = e.Faults
	}
	var all []string
	for _, one := range list {
		f, ok := errors.AsType[*settings.Fault](one)
		if !ok {
			return "", false
		}
		all = append(all, strings.TrimSuffix(f.Problem+"; "+f.Fix, "; "))
	}
	return strings.Join(all, "; "), true
}

// reason is err in a line.
func reason(err error) string {
	if e, ok := errors.AsType[*drivers.Error](err); ok {
		return e.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
