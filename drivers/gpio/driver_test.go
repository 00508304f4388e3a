package gpio

import (
	"errors"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

// TestLinesAreFound by the names, labels and paths of chips, and by numbers and names of lines.
func TestLinesAreFound(t *testing.T) {
	names := func(all ...string) func(uint32) (string, error) {
		return func(n uint32) (string, error) { return all[n], nil }
	}
	chips := []chip{
		{"/dev/gpiochip0", "gpiochip0", "pinctrl", 3, names("A", "", "B")},
		{"/dev/gpiochip1", "gpiochip1", "expander", 2, names("C", "A")},
		{"/dev/gpiochip2", "gpiochip2", "expander", 9, func(uint32) (string, error) { return "", errors.New("pulled out") }},
	}
	for _, x := range []struct {
		chip, line string
		want       place
		says       string
	}{
		{"", "A", place{"/dev/gpiochip0", 0}, ""},
		{"expander", "A", place{"/dev/gpiochip1", 1}, ""},
		{"gpiochip0", "2", place{"/dev/gpiochip0", 2}, ""},
		{"/dev/gpiochip1", "1", place{"/dev/gpiochip1", 1}, ""},
		{"pinctrl", "3", place{}, "gpiochip0 has lines 0 to 2, not 3"},
		{"pinctrl", "C", place{}, "the board's chips are gpiochip0 (pinctrl, 3 lines), gpiochip1 (expander, 2 lines)"},
		{"", "D", place{}, "pulled out"},
		{"nobody", "0", place{}, "line 0 of nobody"},
	} {
		got, err := findIn(chips, x.chip, x.line)
		if x.says == "" && (err != nil || got != x.want) || x.says != "" && (!errors.Is(err, errNoLine) || !strings.Contains(err.Error(), x.says)) {
			t.Errorf("%q %q: %v, %v", x.chip, x.line, got, err)
		}
	}
	if _, err := findIn(nil, "", "A"); err == nil || !strings.Contains(err.Error(), "chips are none") {
		t.Errorf("no chips: %v", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	board := newFakeBoard(1)
	change := func(d drivers.Device, f func(p *point.Point)) drivers.Device {
		f(d.Groups[0].Targets[0].Point)
		return d
	}
	anyChip := device(board, "", "line: 3")
	anyChip.Options = driverstest.Section("options", "")
	ranged := device(board, "", "line: GPIO1")
	ranged.Groups[0].Targets = append(ranged.Groups[0].Targets, ranged.Groups[0].Targets[0])
	for says, d := range map[string]drivers.Device{
		"debounce 11s is out of range":      device(board, "debounce: 11s"),
		"resync 1ms is out of range":        device(board, "resync: 1ms"),
		"line is missing":                   device(board, "", "bias: up"),
		"debounce -1s is out":               device(board, "", "line: 1\ndebounce: -1s"),
		"\"left\" is not a bias":            device(board, "", "line: 1\nbias: left"),
		"\"up\" is not an edge":             device(board, "", "count line: 1\nedge: up"),
		"edge is for counters":              device(board, "", "line: 1\nedge: rising"),
		"lines 5000 to 5000 are":            device(board, "", "line: 5000"),
		"step 0":                            device(board, "", "line: 1\nstep: 0"),
		"line 1 of gpiochip0 already fills": device(board, "", "line: 1", "count line: 1"),
		"line 3 of which chip":              anyChip,
		"which a range cannot count on":     ranged,
		"a line has no log of events":       change(device(board, "", "line: 1"), func(p *point.Point) { p.Class = point.Event }),
		"cannot fill a point of type float": change(device(board, "", "line: 1"), func(p *point.Point) { p.Type = point.Float }),
		"make the point's bits 64":          change(device(board, "", "count line: 1"), func(p *point.Point) { p.Bits = 16 }),
	} {
		_, err := Driver{board: board}.Prepare(d)
		if says == "step 0" {
			says = "are out of range"
		}
		if err == nil || !strings.Contains(err.Error(), says) || len(driverstest.Faults(err)) == 0 {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}
