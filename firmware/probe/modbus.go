package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
)

// Modbus is what to ask a Modbus device.
type Modbus struct {
	Address string // host:port, or the path of a serial port
	Baud    int    // of a serial port; 0 for the driver's default
	Parity  string
	Framing string // "rtu" for a serial server; empty for Modbus TCP
	Unit    int
	Table   string // holding, input, coil or discrete
	Timeout time.Duration
	Pause   time.Duration // between questions of a search
}

func (m Modbus) serial() bool { return strings.HasPrefix(m.Address, "/") }

// options writes the driver's own section, for a unit.
func (m Modbus) options(unit int) string {
	var b strings.Builder
	if m.serial() {
		fmt.Fprintf(&b, "serial:\n  port: %q\n", m.Address)
		if m.Baud != 0 {
			fmt.Fprintf(&b, "  baud: %d\n", m.Baud)
		}
		if m.Parity != "" {
			fmt.Fprintf(&b, "  parity: %q\n", m.Parity)
		}
	} else {
		fmt.Fprintf(&b, "address: %q\n", m.Address)
		if m.Framing != "" {
			fmt.Fprintf(&b, "framing: %q\n", m.Framing)
		}
	}
	fmt.Fprintf(&b, "unit: %d\ntimeout: %q\n", unit, m.Timeout)
	return b.String()
}

func (m Modbus) bits() bool { return m.Table == "coil" || m.Table == "discrete" }

// group returns n registers or bits from address on.
func (m Modbus) group(address, n int) group {
	if m.bits() {
		return group{point.Bool, n, fmt.Sprintf("table: %q\naddress: %d\n", m.Table, address)}
	}
	return group{point.Int, n, fmt.Sprintf("table: %q\naddress: %d\ntype: uint16\n", m.Table, address)}
}

// Read prints n registers or bits from address on, as they are now.
func (m Modbus) Read(ctx context.Context, w io.Writer, driver drivers.Driver, address, n int) error {
	all, err := read(ctx, driver, m.options(m.Unit), []group{m.group(address, n)})
	if err != nil {
		return failed(err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if m.bits() {
		fmt.Fprintf(t, "ADDRESS\tREFERENCE\tVALUE\n")
	} else {
		fmt.Fprintf(t, "ADDRESS\tREFERENCE\tHEX\tUNSIGNED\tSIGNED\tTEXT\n")
	}
	answered := false
	for i, r := range all {
		answered = answered || r.Answered()
		at := fmt.Sprintf("%d\t%s", address+i, m.reference(address+i))
		switch {
		case r.Quality.IsBad():
			fmt.Fprintf(t, "%s\t%s\n", at, r.Quality)
		case m.bits():
			fmt.Fprintf(t, "%s\t%d\n", at, r.Bits)
		default:
			v := uint16(r.Bits)
			fmt.Fprintf(t, "%s\t%04x\t%d\t%d\t%s\n", at, v, v, int16(v), printable(v))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	m.explain(w, all)
	if !answered {
		return m.silent()
	}
	return nil
}

// silent says that the unit does not answer.
func (m Modbus) silent() error {
	return fmt.Errorf("%w: unit %d at %s, within %v; find the units that do with --units 1-247, or give a slow one longer with --timeout 5s", diag.ErrSilent, m.Unit, m.Address, m.Timeout)
}

// explain says what bad answers mean in Modbus, one line a kind.
func (m Modbus) explain(w io.Writer, all []Reading) {
	meanings := map[point.Quality]string{
		point.BadNodeIDUnknown:       "the device does not have them (exception 2, illegal data address): another table, or one off; --scan finds what it has",
		point.BadConfigurationError:  "the device refuses the request itself (exception 1 or 3: function, quantity or value); try another --table, or a smaller --count",
		point.BadDeviceFailure:       "the device says that it fails (exception 4 or 8)",
		point.BadResourceUnavailable: "the device says that it is busy (exception 5 or 6); ask again",
		point.BadNotConnected:        "a converter answers, and does not reach the unit (exception 10 or 11); find the units with --units 1-247",
		point.BadDataEncodingInvalid: "the answer is of another unit, function or length than was asked for",
	}
	var said []point.Quality
	for _, r := range all {
		if meaning := meanings[r.Quality]; meaning != "" && !slices.Contains(said, r.Quality) {
			said = append(said, r.Quality)
			fmt.Fprintf(w, "%s: %s\n", r.Quality, meaning)
		}
	}
}

// reference is the address as manuals count.
func (m Modbus) reference(address int) string {
	first := map[string]int{"coil": 1, "discrete": 100001, "input": 300001, "holding": 400001}[m.Table]
	return fmt.Sprintf("%06d", first+address)
}

func printable(v uint16) string {
	out := []byte{byte(v >> 8), byte(v)}
	for i, c := range out {
		if c < ' ' || c > '~' {
			out[i] = '.'
		}
	}
	return string(out)
}

// Scan prints which addresses from first to last the device has, in spans, and what they hold when that is not 0.
func (m Modbus) Scan(ctx context.Context, w io.Writer, driver drivers.Driver, first, last int) error {
	const step = 100
	var spans []string
	from := -1
	close := func(end int) {
		if from >= 0 {
			spans = append(spans, fmt.Sprintf("%d to %d", from, end))
		}
		from = -1
	}
	filled, answered := 0, false
	for at := first; at <= last; at += step {
		all, err := read(ctx, driver, m.options(m.Unit), []group{m.group(at, min(step, last-at+1))})
		if err != nil {
			return failed(err)
		}
		for i, r := range all {
			answered = answered || r.Answered()
			if r.Quality.IsBad() {
				close(at + i - 1)
				continue
			}
			if from < 0 {
				from = at + i
			}
			if r.Bits != 0 {
				filled++
			}
		}
		if err := pause(ctx, m.Pause); err != nil {
			return err
		}
	}
	close(last)
	if !answered {
		return m.silent()
	}
	if len(spans) == 0 {
		fmt.Fprintf(w, "the device answers, and refuses every %s address from %d to %d\n", m.Table, first, last)
		return nil
	}
	fmt.Fprintf(w, "%s addresses that the device has: %s\n%d of them are not 0\n", m.Table, strings.Join(spans, ", "), filled)
	return nil
}

// Units prints which unit ids answer.
func (m Modbus) Units(ctx context.Context, w io.Writer, driver drivers.Driver, units []int) error {
	found := 0
	for _, u := range units {
		all, err := read(ctx, driver, m.options(u), []group{m.group(0, 1)})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err != nil && len(all) == 0: // no connection: no unit will answer
			return failed(err)
		case len(all) > 0 && all[0].Answered():
			found++
			said := fmt.Sprintf("answers, %s 0 is %d", m.Table, all[0].Bits)
			if all[0].Quality.IsBad() {
				said = fmt.Sprintf("answers, and refuses %s 0 (%s)", m.Table, all[0].Quality)
			}
			fmt.Fprintf(w, "unit %3d  %s\n", u, said)
		}
		if err := pause(ctx, m.Pause); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "%d of %d unit ids answer\n", found, len(units))
	if found == 0 {
		return fmt.Errorf("%w: no unit id of those asked, at %s", diag.ErrSilent, m.Address)
	}
	return nil
}

// Bauds prints at which speeds and parities a unit on a serial line answers.
func (m Modbus) Bauds(ctx context.Context, w io.Writer, driver drivers.Driver, bauds []int) error {
	found := 0
	for _, baud := range bauds {
		for _, parity := range []string{"even", "none", "odd"} {
			m.Baud, m.Parity = baud, parity
			all, err := read(ctx, driver, m.options(m.Unit), []group{m.group(0, 1)})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			said := "no answer"
			switch {
			case len(all) > 0 && all[0].Answered() && all[0].Quality != point.BadDataEncodingInvalid:
				said = "answers"
				found++
			case len(all) > 0 && all[0].Quality == point.BadDataEncodingInvalid:
				said = "bytes that are no frames: wrong baud rate or parity"
			case err != nil && len(all) == 0:
				return failed(err)
			}
			fmt.Fprintf(w, "%6d baud, %-4s parity: %s\n", baud, parity, said)
			if err := pause(ctx, m.Pause); err != nil {
				return err
			}
		}
	}
	if found == 0 {
		return fmt.Errorf("%w: unit %d at no speed of those tried", diag.ErrSilent, m.Unit)
	}
	return nil
}

// Value prints one value in every word order, side by side.
func (m Modbus) Value(ctx context.Context, w io.Writer, driver drivers.Driver, address int) error {
	if m.bits() {
		return diag.Usage("a %s has no word order; use --table holding or input", m.Table)
	}
	all, err := read(ctx, driver, m.options(m.Unit), []group{m.group(address, 4)})
	if err != nil {
		return failed(err)
	}
	var raw []byte
	for _, r := range all {
		if r.Quality.IsBad() {
			break
		}
		raw = binary.BigEndian.AppendUint16(raw, uint16(r.Bits))
	}
	if len(raw) == 0 {
		if !all[0].Answered() {
			return fmt.Errorf("%w: unit %d at %s: %s", diag.ErrSilent, m.Unit, m.Address, all[0].Quality)
		}
		return fmt.Errorf("%s %d: %w: %s", m.Table, address, diag.ErrNotFound, all[0].Quality)
	}
	fmt.Fprintf(w, "%s %d: % x\n\n", m.Table, address, raw)
	return orders(w, raw)
}

// orders prints what raw, up to four registers as the device sends them, may mean.
func orders(w io.Writer, raw []byte) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "word_order\tbig\tlittle\tbig\tlittle\t\nbyte_order\tbig\tbig\tlittle\tlittle\t\n")
	for _, kind := range []struct {
		name string
		size int
		text func(b []byte) string
	}{
		{"uint16", 2, func(b []byte) string { return strconv.FormatUint(uint64(binary.BigEndian.Uint16(b)), 10) }},
		{"int16", 2, func(b []byte) string { return strconv.Itoa(int(int16(binary.BigEndian.Uint16(b)))) }},
		{"uint32", 4, func(b []byte) string { return strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 10) }},
		{"int32", 4, func(b []byte) string { return strconv.Itoa(int(int32(binary.BigEndian.Uint32(b)))) }},
		{"float32", 4, func(b []byte) string { return float(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))) }},
		{"uint64", 8, func(b []byte) string { return strconv.FormatUint(binary.BigEndian.Uint64(b), 10) }},
		{"float64", 8, func(b []byte) string { return float(math.Float64frombits(binary.BigEndian.Uint64(b))) }},
	} {
		if len(raw) < kind.size {
			continue
		}
		fmt.Fprint(t, kind.name, "\t")
		for _, littleBytes := range []bool{false, true} {
			for _, littleWords := range []bool{false, true} {
				if kind.size == 2 && littleWords {
					fmt.Fprint(t, "\t")
					continue
				}
				fmt.Fprint(t, kind.text(ordered(raw[:kind.size], littleWords, littleBytes)), "\t")
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func float(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	return strconv.FormatFloat(v, 'g', 7, 64)
}

// ordered returns raw with its words and the bytes in them exchanged.
func ordered(raw []byte, littleWords, littleBytes bool) []byte {
	out := slices.Clone(raw)
	if littleWords {
		for i, k := 0, len(out)-2; i < k; i, k = i+2, k-2 {
			out[i], out[i+1], out[k], out[k+1] = out[k], out[k+1], out[i], out[i+1]
		}
	}
	if littleBytes {
		for i := 0; i+1 < len(out); i += 2 {
			out[i], out[i+1] = out[i+1], out[i]
		}
	}
	return out
}
