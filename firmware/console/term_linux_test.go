package console

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pair of a terminal and whoever sits before it.
func terminal(t *testing.T) (person, tty *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	return person, tty
}

// TestATerminal types what a serial line brings: corrections, Ctrl-S and its like, Ctrl-D, noise; then the line hangs up.
func TestATerminal(t *testing.T) {
	person, tty := terminal(t)
	g := begin(t, tty, person)
	g.await(t, "gwctl> ")
	g.typed("statux\x7fs\r")
	g.await(t, `ran ["status"]`)
	g.await(t, "gwctl> ")
	g.typed("\x13\x1a\x1c\n") // Ctrl-S, Ctrl-Z, Ctrl-\
	if out := g.await(t, "gwctl> "); !strings.Contains(out, "that was no text") {
		t.Errorf("it says %q", out)
	}
	g.typed("\x04")
	if out := g.await(t, "gwctl> "); !strings.Contains(out, "Courtside gateway") {
		t.Errorf("Ctrl-D gives %q", out)
	}
	g.typed("\x80\xff\x9b\x00\x01\x02noise\r")
	g.await(t, "that was no text")
	if err := person.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-g.done; err != nil {
		t.Error(err)
	}
	g.done <- nil
}

// TestTheTerminalIsLeftAsItWas compares its settings before and after.
func TestTheTerminalIsLeftAsItWas(t *testing.T) {
	_, tty := terminal(t)
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	in := newInput(tty)
	in.prepare()
	within, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *within == *before || within.Iflag&unix.IXON != 0 {
		t.Error("the settings are not the console's")
	}
	if size, err := unix.IoctlGetWinsize(int(tty.Fd()), unix.TIOCGWINSZ); err != nil || size.Row != 24 || size.Col != 80 {
		t.Errorf("a line without a size gets %+v, %v", size, err)
	}
	in.restore()
	after, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *after != *before {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
