//go:build hardware

package inside

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chip is a chip of gpio-sim.
type chip struct {
	t    testing.TB
	dir  string // in configfs
	name string // gpiochip1
	sys  string // where its lines can be driven
}

// newChip plugs a chip in. names are those of its lines; a line whose name begins with "hog" is held by another consumer.
func newChip(t testing.TB, label string, lines int, names map[int]string) *chip {
	t.Helper()
	c := &chip{t: t, dir: filepath.Join("/sys/kernel/config/gpio-sim", label)}
	bank := filepath.Join(c.dir, "bank0")
	c.mkdir(c.dir)
	c.mkdir(bank)
	c.write(filepath.Join(bank, "num_lines"), fmt.Sprint(lines))
	c.write(filepath.Join(bank, "label"), label)
	for n, name := range names {
		line := filepath.Join(bank, fmt.Sprintf("line%d", n))
		c.mkdir(line)
		c.write(filepath.Join(line, "name"), name)
		if strings.HasPrefix(name, "hog") {
			c.mkdir(filepath.Join(line, "hog"))
			c.write(filepath.Join(line, "hog", "name"), "somebody")
			c.write(filepath.Join(line, "hog", "direction"), "input")
		}
	}
	c.plug()
	t.Cleanup(c.remove)
	return c
}

// plug makes the chip live.
func (c *chip) plug() {
	c.t.Helper()
	c.write(filepath.Join(c.dir, "live"), "1")
	c.name = c.read(filepath.Join(c.dir, "bank0", "chip_name"))
	c.sys = filepath.Join("/sys/devices/platform", c.read(filepath.Join(c.dir, "dev_name")), c.name)
	for _, path := range []string{"/dev/" + c.name, c.sys} {
		if _, err := os.Stat(path); err != nil {
			c.t.Fatal(err)
		}
	}
	share(c.t, "/dev/"+c.name)
}

// unplug takes the chip away, as when a USB plug is pulled.
func (c *chip) unplug() {
	c.t.Helper()
	c.write(filepath.Join(c.dir, "live"), "0")
}

func (c *chip) remove() {
	_ = os.WriteFile(filepath.Join(c.dir, "live"), []byte("0"), 0)
	bank := filepath.Join(c.dir, "bank0")
	lines, _ := filepath.Glob(filepath.Join(bank, "line*"))
	for _, l := range lines {
		_ = os.Remove(filepath.Join(l, "hog"))
		_ = os.Remove(l)
	}
	_ = os.Remove(bank)
	_ = os.Remove(c.dir)
}

// set drives a line.
func (c *chip) set(line int, high bool) { c.t.Helper(); c.driver(line)(high) }

// driver returns what drives a line, quickly.
func (c *chip) driver(line int) func(high bool) {
	c.t.Helper()
	f, err := os.OpenFile(filepath.Join(c.sys, fmt.Sprintf("sim_gpio%d", line), "pull"), os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { f.Close() })
	return func(high bool) {
		c.t.Helper()
		word := "pull-down"
		if high {
			word = "pull-up"
		}
		if _, err := f.WriteAt([]byte(word), 0); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *chip) mkdir(path string) {
	c.t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chip) write(path, text string) {
	c.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chip) read(path string) string {
	c.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
