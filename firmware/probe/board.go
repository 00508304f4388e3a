package probe

import (
	"context"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/adc"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
)

// GPIO is what to read of the board's own lines.
type GPIO struct {
	Chip      string   // gpiochip0, a label or a path; empty for whichever chip has the lines
	Lines     []string // numbers or names
	Bias      string   // up, down, none or as-is
	ActiveLow bool
}

// Read prints the level of each line. The lines are taken as inputs for a moment: one that somebody uses is left alone, and says so.
func (g GPIO) Read(ctx context.Context, w io.Writer, driver drivers.Driver) error {
	options := ""
	if g.Chip != "" {
		options = fmt.Sprintf("chip: %q\n", g.Chip)
	}
	var groups []group
	for _, l := range g.Lines {
		groups = append(groups, group{point.Bool, 1, fmt.Sprintf("line: %q\nbias: %q\nactive_low: %v\n", l, g.Bias, g.ActiveLow)})
	}
	all, err := read(ctx, driver, options+"debounce: 0s\n", groups)
	if err != nil {
		return failed(err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "LINE\tLEVEL\tQUALITY\n")
	bad := 0
	for i, r := range all {
		level := fmt.Sprint(r.Bits)
		if r.Quality.IsBad() {
			level = "–"
			bad++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", g.Lines[i], level, r.Quality)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if bad == len(all) {
		return fmt.Errorf("%w: none of these lines can be had: no such line (node id unknown), or somebody uses it (resource unavailable); see gpioinfo", diag.ErrSilent)
	}
	return nil
}

// I2C is what to ask on one of the board's buses.
type I2C struct {
	Bus     string // i2c-1
	Chip    string // a converter's model; needed to read one
	Address int
	Range   float64 // volts of its full scale
}

// Scan prints the addresses at which a chip answers a read of one byte; nothing is written to any.
func (b I2C) Scan(ctx context.Context, w io.Writer) error {
	found, err := adc.Scan(ctx, b.Bus)
	if err != nil {
		return failed(err)
	}
	for _, a := range found {
		may := ""
		if a >= adc.FirstAddress && a <= adc.LastAddress {
			may = fmt.Sprintf("  may be an ADS1115 or ADS1015: --chip ads1115 --address %#x", a)
		}
		fmt.Fprintf(w, "%#02x  answers%s\n", a, may)
	}
	fmt.Fprintf(w, "%d chips answer on %s\n", len(found), b.Bus)
	if len(found) == 0 {
		return fmt.Errorf("%w: nobody on %s: check supply, SDA and SCL, and the pull-ups", diag.ErrSilent, b.Bus)
	}
	return nil
}

// channels is how many inputs an ADS1115 or ADS1015 has.
const channels = 4

// Read prints the volts at each input of a converter. Its settings are written for that; a chip of another model may not like it.
func (b I2C) Read(ctx context.Context, w io.Writer, driver drivers.Driver) error {
	source := fmt.Sprintf("chip: %q\naddress: %d\nchannel: 0\nrange: %v\n", b.Chip, b.Address, b.Range)
	all, err := read(ctx, driver, fmt.Sprintf("bus: %q\n", b.Bus), []group{{point.Float, channels, source}})
	if err != nil {
		return failed(err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "CHANNEL\tVOLTS\tQUALITY\n")
	answered := false
	for i, r := range all {
		volts := "–"
		if !r.Quality.IsBad() {
			volts = fmt.Sprintf("%.4f", math.Float64frombits(r.Bits))
		}
		answered = answered || r.Answered()
		fmt.Fprintf(t, "%d\t%s\t%s\n", i, volts, r.Quality)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if !answered {
		return fmt.Errorf("%w: no %s at %#x of %s", diag.ErrSilent, b.Chip, b.Address, b.Bus)
	}
	return nil
}
