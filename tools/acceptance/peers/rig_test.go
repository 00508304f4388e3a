//go:build acceptance

package peers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

// patience bounds what must happen; it asserts no speed.
const patience = 60 * time.Second

// python is the interpreter that has the peers of PyPI, or skips the test by their name.
func python(t *testing.T, module string) string {
	t.Helper()
	py, err := filepath.Abs("../../../tmp/peers/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(py, "-c", "import "+module).CombinedOutput(); err != nil {
		t.Skipf("%s of PyPI is not installed in tmp/peers/venv (%v): %.200s", module, err, out)
	}
	return py
}

// program is a peer that runs until the test ends or it is stopped, and can be started again.
type program struct {
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	done chan struct{}
	said strings.Builder // valid once done is closed

	in       io.WriteCloser
	answered chan struct{} // one for each "done" that it says
}

// start runs a program and waits until it says that it is ready, or, without that, until ready returns true.
func start(t *testing.T, ready func() bool, args ...string) *program {
	t.Helper()
	p := &program{t: t, args: args, done: make(chan struct{}), answered: make(chan struct{}, 1)}
	p.cmd = exec.Command(args[0], args[1:]...)
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	out, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			switch s.Text() {
			case "ready":
				close(told)
			case "done":
				p.answered <- struct{}{}
			default:
				p.said.WriteString(s.Text() + "\n")
			}
		}
	}()
	go func() {
		_ = p.cmd.Wait() // it is killed
		w.Close()
		<-read
		close(p.done)
	}()
	t.Cleanup(p.stop)
	deadline := time.After(patience)
	for {
		select {
		case <-told:
			return p
		case <-p.done:
			t.Fatalf("%q ended: %s", args, &p.said)
		case <-deadline:
			t.Fatalf("%q is not ready after %v", args, patience)
		case <-time.After(10 * time.Millisecond):
			if ready != nil && ready() {
				return p
			}
		}
	}
}

// tell gives the program a command and waits until it says that it is done.
func (p *program) tell(t *testing.T, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.answered:
	case <-p.done:
		t.Fatalf("told to "+format+", it ended: %s", append(args, &p.said)...)
	case <-time.After(patience):
		t.Fatalf("told to "+format+", it did not in %v", append(args, patience)...)
	}
}

// stop kills the program, as a power cut would, and waits for its end.
func (p *program) stop() {
	_ = p.cmd.Process.Kill()
	<-p.done
	if p.t.Failed() && p.said.Len() > 0 {
		s := p.said.String()
		p.t.Logf("%s said:\n%s", filepath.Base(p.args[0]), s[max(0, len(s)-2000):])
	}
}

// freePort returns a port of 127.0.0.1 that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// want is one point: where it lies, and what it has to read.
type want struct {
	source string // YAML
	typ    point.Type
	number float64 // of bool and int the value as it is
	bits   uint64
	text   string
}

// device describes a device whose n-th point is the n-th want.
func device(options string, log io.Writer, wants []want) drivers.Device {
	d := drivers.Device{ID: "peer", Options: driverstest.Section("options", options), Clock: driverstest.Clock{Start: time.Now()},
		Log: slog.New(slog.NewTextHandler(log, nil)), Classes: []drivers.ScanClass{{Name: "fast", Period: 50 * time.Millisecond}}}
	for n, w := range wants {
		p := &point.Point{Device: "peer", Name: point.Name(fmt.Sprintf("p/%d", n)), Type: w.typ, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}
		d.Groups = append(d.Groups, drivers.Group{Options: driverstest.Section(fmt.Sprintf("source-%d", n), w.source),
			Targets: []drivers.Target{{Index: uint32(n), Point: p}}})
	}
	return d
}

func prepare(t *testing.T, driver drivers.Driver, d drivers.Device) drivers.Source {
	t.Helper()
	src, err := driver.Prepare(d)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// open connects, trying again as a worker would while the failure is transient.
func open(t *testing.T, src drivers.Source) drivers.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		c, err := src.Open(ctx)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if ctx.Err() != nil || drivers.IsPermanent(err) {
			t.Fatalf("opening a connection: %v", err)
		}
		time.Sleep(50 * time.Millisecond) // between attempts, as a worker would
	}
}

// got is one reading with its text.
type got struct {
	drivers.Reading
	text string
}

// take returns the readings of a block.
func take(b *drivers.Block, wants []want) []got {
	all := make([]got, 0, len(b.Readings))
	for _, r := range b.Readings {
		g := got{Reading: r}
		if wants[r.Index].typ == point.Text && !r.Quality.IsBad() {
			g.text = b.Texts[r.Bits]
		}
		all = append(all, g)
	}
	return all
}

// poll reads all points once.
func poll(t *testing.T, c drivers.Conn, wants []want) (map[uint32]got, error) {
	all := map[uint32]got{}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := c.Poll(ctx, 0, func(b *drivers.Block) {
		for _, g := range take(b, wants) {
			all[g.Index] = g
		}
	})
	return all, err
}

// holds reports whether a reading is good and what the peer says.
func (w want) holds(g got) bool {
	switch {
	case !g.Quality.IsGood():
		return false
	case w.typ == point.Text:
		return g.text == w.text
	case w.typ == point.Float:
		return g.Bits == point.FloatBits(w.number)
	}
	return g.Bits == w.bits
}
