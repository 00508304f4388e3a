//go:build acceptance

package peers

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/sync/point"
)

// golden is what libmodbus' registers were when the table of docs/drivers.md was written.
const golden = "../../../drivers/modbus/testdata/libmodbus.csv"

// Addresses of the peers; see testdata/libmodbus_server.c.
const (
	rowStep, generationAt, exceptionsAt    = 8, 1000, 1100
	slowAt, slowHolds, otherAt, otherHolds = 1200, 4711, 1210, 4242
)

// peer is a server that somebody else wrote.
type peer struct {
	command []string
	rtuTCP  bool // speaks RTU over TCP by itself; else socat does it for it
}

// compileOnce builds the server of libmodbus.
var compileOnce = sync.OnceValues(func() (string, error) {
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libmodbus").Output()
	if err != nil {
		return "", fmt.Errorf("libmodbus-dev of Debian is missing (tools/acceptance/run installs it): %w", err)
	}
	dir, err := filepath.Abs("../../../tmp/peers")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "libmodbus_server")
	args := append([]string{"-O1", "-Wall", "-Wextra", "-Werror", "-o", bin, "testdata/libmodbus_server.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling the server of libmodbus: %w: %s", err, out)
	}
	return bin, nil
})

func libmodbus(t *testing.T) peer {
	t.Helper()
	bin, err := compileOnce()
	if err != nil {
		t.Fatal(err)
	}
	return peer{command: []string{bin}}
}

func pymodbus(t *testing.T) peer {
	t.Helper()
	return peer{command: []string{python(t, "pymodbus"), "testdata/pymodbus_server.py"}, rtuTCP: true}
}

func (p peer) args(more ...string) []string { return append(append([]string{}, p.command...), more...) }

// rows returns what the peer says that it encodes.
func (p peer) rows(t *testing.T) []byte {
	t.Helper()
	args := p.args("rows")
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return out
}

// TestLibmodbusEncodesAsTheTableSays keeps the table of docs/drivers.md true, which is written from the same rows.
func TestLibmodbusEncodesAsTheTableSays(t *testing.T) {
	now := libmodbus(t).rows(t)
	then, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(now) != string(then) {
		t.Errorf("libmodbus encodes\n%s\n%s has\n%s", now, golden, then)
	}
}

// parseRows returns the points of a peer's rows, once of each table.
func parseRows(t *testing.T, raw []byte) []want {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var wants []want
	for _, table := range []string{"holding", "input"} {
		for n, r := range records {
			wants = append(wants, parseRow(t, table, n*rowStep, r))
		}
	}
	return wants
}

func parseRow(t *testing.T, table string, address int, r []string) want {
	t.Helper()
	kind, parameter, _ := strings.Cut(r[0], " ")
	w := want{source: fmt.Sprintf("{table: %s, address: %d, type: %s, byte_order: %s", table, address, kind, r[2])}
	if r[1] != "" {
		w.source += ", word_order: " + r[1]
	}
	var err error
	switch kind {
	case "float32", "float64":
		w.typ = point.Float
		size := map[string]int{"float32": 32, "float64": 64}[kind]
		w.number, err = strconv.ParseFloat(r[3], size)
	case "bit", "bool":
		w.typ = point.Bool
		w.bits = point.BoolBits(r[3] == "true")
		if kind == "bit" {
			w.source += ", bit: " + parameter
		}
	case "string":
		w.typ, w.text = point.Text, r[3]
		w.source += ", length: " + parameter
	default:
		w.typ = point.Int
		var v int64
		v, err = strconv.ParseInt(r[3], 10, 64)
		w.bits = point.IntBits(v)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.source += "}"
	return w
}

// register is a holding register that has to hold v.
func register(address, v int) want {
	return want{source: fmt.Sprintf("{table: holding, address: %d, type: uint16}", address), typ: point.Int, bits: uint64(v)}
}

// flags are the peers' coils and discrete inputs.
func flags() []want {
	var wants []want
	for _, table := range []string{"coil", "discrete"} {
		for n := range 40 {
			pattern := []byte{0xA5, 0x0F, 0x81, 0x00, 0xFE}
			wants = append(wants, want{source: fmt.Sprintf("{table: %s, address: %d}", table, n), typ: point.Bool,
				bits: uint64(pattern[n/8] >> (n % 8) & 1)})
		}
	}
	return wants
}

// line is a peer on a wire.
type line struct {
	t       *testing.T
	options string // of the driver: where the peer is
	serve   func(generation int) *program
	server  *program
}

// restart lets the peer begin anew, as if its power had come back.
func (l *line) restart(generation int) {
	l.t.Helper()
	l.server = l.serve(generation)
}

func tcpLine(t *testing.T, p peer) *line {
	port := freePort(t)
	return &line{t: t, options: "address: 127.0.0.1:" + port, serve: func(generation int) *program {
		return start(t, nil, p.args("tcp", port, strconv.Itoa(generation))...)
	}}
}

// pair makes two pseudo-terminals that are one wire.
func pair(t *testing.T) (ours, theirs string) {
	t.Helper()
	if _, err := exec.LookPath("socat"); err != nil {
		t.Fatalf("socat of Debian is missing (tools/acceptance/run installs it): %v", err)
	}
	dir := t.TempDir()
	ours, theirs = filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
	start(t, func() bool {
		_, a := os.Stat(ours)
		_, b := os.Stat(theirs)
		return a == nil && b == nil
	}, "socat", "pty,raw,echo=0,link="+ours, "pty,raw,echo=0,link="+theirs)
	return ours, theirs
}

func serialLine(t *testing.T, p peer) *line {
	ours, theirs := pair(t)
	return &line{t: t, options: fmt.Sprintf("serial: {port: %s, baud: 19200, parity: even}", ours), serve: func(generation int) *program {
		return start(t, nil, p.args("rtu", theirs, strconv.Itoa(generation))...)
	}}
}

func rtuTCPLine(t *testing.T, p peer) *line {
	port := freePort(t)
	l := &line{t: t, options: "framing: rtu\naddress: 127.0.0.1:" + port}
	if p.rtuTCP {
		l.serve = func(generation int) *program {
			return start(t, nil, p.args("rtutcp", port, strconv.Itoa(generation))...)
		}
		return l
	}
	ours, theirs := pair(t) // a serial server is made of socat
	l.serve = func(generation int) *program {
		return start(t, nil, p.args("rtu", theirs, strconv.Itoa(generation))...)
	}
	start(t, nil, "sh", "-c", `echo ready; exec socat -t0 "tcp-listen:$1,bind=127.0.0.1,reuseaddr,fork,max-children=1" "file:$2,raw,echo=0"`, "sh", port, ours)
	return l
}

// TestModbusPeers reads every peer over every line.
func TestModbusPeers(t *testing.T) {
	for _, who := range []struct {
		name string
		peer func(*testing.T) peer
	}{{"libmodbus", libmodbus}, {"pymodbus", pymodbus}} {
		for _, on := range []struct {
			name string
			line func(*testing.T, peer) *line
		}{{"tcp", tcpLine}, {"rtu over a pseudo-terminal", serialLine}, {"rtu over tcp", rtuTCPLine}} {
			t.Run(who.name+"/"+on.name, func(t *testing.T) {
				p := who.peer(t)
				l := on.line(t, p)
				l.restart(1)
				t.Run("every type in every order", func(t *testing.T) { readsEverything(t, l, parseRows(t, p.rows(t))) })
				t.Run("exceptions", func(t *testing.T) { toldWhatIsRefused(t, l) })
				t.Run("slow answers", func(t *testing.T) {
					if who.name == "pymodbus" && on.name == "tcp" {
						t.Skip("pymodbus 3.16.1 gives a late answer the transaction id of the newest request (server/requesthandler.py, handle_request): nobody can tell it from that one's")
					}
					neverTakesALateAnswer(t, l)
				})
				t.Run("restarted midway", func(t *testing.T) { survivesARestart(t, l) })
			})
		}
	}
}

func (l *line) source(t *testing.T, more string, wants []want) drivers.Source {
	t.Helper()
	return prepare(t, modbus.Driver{}, device(l.options+"\nunit: 1\n"+more, io.Discard, wants))
}

// readsEverything compares each value with what the peer encoded.
func readsEverything(t *testing.T, l *line, wants []want) {
	wants = append(append(wants, flags()...), register(generationAt, 1))
	c := open(t, l.source(t, "timeout: 10s", wants))
	defer c.Close()
	for range 3 { // and again, on the same connection
		all, err := poll(t, c, wants)
		if err != nil {
			t.Fatal(err)
		}
		for n, w := range wants {
			if g, ok := all[uint32(n)]; !ok || !w.holds(g) {
				t.Errorf("%s reads %+v, want bits %#x, number %v, text %q", w.source, g, w.bits, w.number, w.text)
			}
		}
	}
	t.Logf("%d values are what the peer encoded", len(wants))
}

// toldWhatIsRefused reads what a peer answers with an exception, beside a register that is in order.
func toldWhatIsRefused(t *testing.T, l *line) {
	for code, quality := range map[int]point.Quality{
		1: point.BadConfigurationError, 2: point.BadNodeIDUnknown, 3: point.BadConfigurationError, 4: point.BadDeviceFailure,
		6: point.BadResourceUnavailable, 8: point.BadDeviceFailure, 10: point.BadNotConnected, 11: point.BadNotConnected,
	} {
		wants := []want{register(exceptionsAt+4*code, 0), register(generationAt, 1)}
		c := open(t, l.source(t, "timeout: 10s", wants))
		all, err := poll(t, c, wants)
		c.Close()
		if err != nil {
			t.Fatalf("exception %d: %v", code, err)
		}
		if q := all[0].Quality; q != quality {
			t.Errorf("exception %d: the point is %v, want %v", code, q, quality)
		}
		if !wants[1].holds(all[1]) {
			t.Errorf("exception %d: the register beside it is %+v", code, all[1])
		}
	}
	// What the peer itself refuses: the end of its memory, in the middle of a request.
	wants := []want{register(1299, 0), register(1300, 0), register(1301, 0)}
	c := open(t, l.source(t, "timeout: 10s", wants))
	defer c.Close()
	all, err := poll(t, c, wants)
	if err != nil {
		t.Fatal(err)
	}
	if !wants[0].holds(all[0]) || all[1].Quality != point.BadNodeIDUnknown || all[2].Quality != point.BadNodeIDUnknown {
		t.Errorf("around the end of the peer's memory: %+v", all)
	}
}

// neverTakesALateAnswer reads a register whose answer comes after the timeout, between others. Whatever is good must be right.
func neverTakesALateAnswer(t *testing.T, l *line) {
	wants := []want{register(0, 0xFEDC), register(slowAt, slowHolds), register(generationAt, 1), register(otherAt, otherHolds)}
	src := l.source(t, "timeout: 150ms\nmax_gap: 0", wants)
	good, timeouts := 0, 0
	for deadline := time.Now().Add(patience); good < 10 || timeouts < 3; {
		if time.Now().After(deadline) {
			t.Fatalf("%d good readings and %d timeouts after %v", good, timeouts, patience)
		}
		c := open(t, src)
		for err := error(nil); err == nil && (good < 10 || timeouts < 3); {
			var all map[uint32]got
			all, err = poll(t, c, wants)
			for n, g := range all {
				switch {
				case g.Quality == point.BadTimeout:
					timeouts++
				case g.Quality.IsGood() && !wants[n].holds(g):
					t.Fatalf("%s reads %d, which is another's value", wants[n].source, g.Bits)
				case g.Quality.IsGood():
					good++
				}
			}
		}
		c.Close()
	}
	patient := open(t, l.source(t, "timeout: 10s\nmax_gap: 0", wants))
	defer patient.Close()
	all, err := poll(t, patient, wants)
	if err != nil {
		t.Fatal(err)
	}
	for n, w := range wants {
		if !w.holds(all[uint32(n)]) {
			t.Errorf("with patience, %s reads %+v", w.source, all[uint32(n)])
		}
	}
}

// survivesARestart kills the peer while it is polled and wants its new values once it is back.
func survivesARestart(t *testing.T, l *line) {
	old, renewed := register(generationAt, 1), register(generationAt, 2)
	wants := []want{old}
	src := l.source(t, "timeout: 250ms", wants)
	c := open(t, src)
	if all, err := poll(t, c, wants); err != nil || !old.holds(all[0]) {
		t.Fatalf("before the restart: %+v, %v", all, err)
	}
	l.server.stop()
	for {
		all, err := poll(t, c, wants)
		if err != nil || all[0].Quality.IsBad() {
			t.Logf("the restart shows as %v, %v", all[0].Quality, err)
			break
		}
		if !old.holds(all[0]) {
			t.Fatalf("a dead peer reads %+v", all[0])
		}
	}
	c.Close()
	l.restart(2)
	for deadline := time.Now().Add(patience); ; {
		if time.Now().After(deadline) {
			t.Fatalf("the peer is back; its value is not after %v", patience)
		}
		c := open(t, src)
		all, err := poll(t, c, wants)
		c.Close()
		if err == nil && renewed.holds(all[0]) {
			return
		}
	}
}
