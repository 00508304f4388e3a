//go:build hardware

package inside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

// asUser returns a command that runs as the gateway's user.
func asUser(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = asGateway()
	return cmd
}

// gateway is the product's program, running.
type gateway struct {
	t     *testing.T
	dir   string
	log   bytes.Buffer // to be read once ended is closed
	ended chan struct{}
	err   error // how it ended

	signal func(os.Signal)
}

// startGateway runs the gateway as its user with these devices. There is no broker: what it reads waits in its spool.
func startGateway(t *testing.T, devices string) *gateway {
	t.Helper()
	g := &gateway{t: t, ended: make(chan struct{}), dir: filepath.Join("/data", strings.ToLower(t.Name()))}
	authority := identitytest.New(t, "courtside.test")
	svid, err := authority.Issue(identitytest.RequestFor(authority.Gateway("dal-001", "gw-vm"), time.Now(), time.Hour))
	if err == nil {
		err = identitytest.WriteFiles(g.dir, authority, svid)
	}
	config := filepath.Join(g.dir, "gateway.yaml")
	text := fmt.Sprintf(`venue: dal-001
gateway: gw-vm
data_dir: %s/state
identity: {trust_domain: courtside.test}
uplink: {broker: "mqtts://127.0.0.1:1"}
spool: {limit: 16MiB, critical_limit: 16MiB, min_free: 32MiB, ballast: 0}
diag: {listen: ""}
scan_classes: {fast: 100ms}
devices:
%s`, g.dir, devices)
	err = errors.Join(err, os.WriteFile(config, []byte(text), 0o644), os.Mkdir(filepath.Join(g.dir, "state"), 0o700),
		filepath.Walk(g.dir, func(path string, _ os.FileInfo, _ error) error { return os.Chown(path, gatewayUser, gatewayUser) }))
	if err != nil {
		t.Fatal(err)
	}
	cmd := asUser("/usr/bin/gateway", "run", "--config", config)
	cmd.Stdout, cmd.Stderr = &g.log, &g.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		g.err = cmd.Wait()
		close(g.ended)
	}()
	g.signal = func(s os.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT) // if the test left it stopped
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-g.ended
		if g.err != nil {
			t.Errorf("the gateway ended with %v", g.err)
		}
		if t.Failed() {
			t.Logf("the gateway said:\n%s", g.log.Bytes())
		}
	})
	return g
}

// ask asks the gateway with gwctl, whose answer is put into into.
func (g *gateway) ask(into any, args ...string) error {
	cmd := asUser("/usr/bin/gwctl", append([]string{"--socket", filepath.Join(g.dir, "state", "gateway.sock"), "-o", "json"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return fmt.Errorf("gwctl %v: %w: %s", args, err, exit.Stderr)
		}
		return err
	}
	return json.Unmarshal(out, into)
}

// shows waits until gwctl points shows these reported values, by device/point; a bad point shows its quality.
func (g *gateway) shows(what string, want map[string]string) {
	g.t.Helper()
	var got map[string]string
	var err error
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		select {
		case <-g.ended:
			g.t.Fatalf("waited for %s; the gateway ended", what)
		default:
		}
		var all diag.Points
		if err = g.ask(&all, "points", "--look", "0s"); err != nil {
			continue
		}
		got = make(map[string]string)
		for _, p := range all.Points {
			switch {
			case p.Reported == nil:
			case p.Reported.Quality != "good":
				got[p.Device+"/"+p.Name] = p.Reported.Quality
			default:
				got[p.Device+"/"+p.Name] = p.Reported.Value
			}
		}
		right := true
		for name, value := range want {
			right = right && got[name] == value
		}
		if right {
			return
		}
	}
	g.t.Fatalf("waited for %s: want %v, got %v, %v", what, want, got, err)
}

// TestTheGatewayReadsTheBoard runs the product as it is shipped, as its user, over lines, converters and a serial line.
func TestTheGatewayReadsTheBoard(t *testing.T) {
	hall, annex := newChip(t, "hall", 8, map[int]string{0: "DOOR-1", 3: "GATE-1"}), newChip(t, "annex", 2, nil)
	bus := busOf(t, "analog-sim")
	share(t, "/dev/spidev0.0")
	inputs := make([]int, 14)
	inputs[0], inputs[1], inputs[12] = 1250000, 2000000, 1650000
	microvolts(t, inputs...)
	port := serialDevice(t)
	g := startGateway(t, fmt.Sprintf(`
  - id: board
    driver: gpio
    options: {debounce: 0s}
    points:
      - {name: door/1, type: bool, scan: fast, source: {line: DOOR-1}}
      - {name: door/2, type: bool, scan: fast, source: {line: 1, chip: annex}}
      - {name: gate/2/in, type: int, kind: gate, class: counter, direction: in, bits: 64, max_rate: 100000, scan: fast, source: {line: 0, chip: annex}}
      - {name: gate/1/in, type: int, kind: gate, class: counter, direction: in, bits: 64, max_rate: 100000, scan: fast, source: {line: GATE-1}}
  - id: seats
    driver: adc
    options: {bus: %s}
    points:
      - range: "seat/{n:1..4}"
        type: float
        scan: fast
        source: {chip: ads1115, address: 0x48, channel: 0, rate: 860, calibration: {points: [[0.5, 0], [3.5, 150]]}}
      - {name: gone/1, type: float, scan: fast, source: {chip: ads1115, address: 0x4b, channel: 0}}
  - id: spi
    driver: adc
    options: {bus: spi0}
    points:
      - {name: seat/5, type: int, scan: fast, source: {chip: mcp3208, select: 0, channel: 0}}
  - id: plc
    driver: modbus
    options: {serial: {port: %s, baud: 19200}, unit: 7, timeout: 5s}
    points:
      - {name: temperature, type: int, scan: fast, source: {table: holding, address: 10, type: uint16}}
`, bus, port.path))
	g.shows("the first values", map[string]string{"board/door/1": "false", "board/door/2": "false", "seats/seat/1": "37.5", "seats/seat/2": "75", "seats/seat/3": "-25",
		"spi/seat/5": "2048", "plc/temperature": "215", "seats/gone/1": "bad: communication error"})
	hall.set(0, true)
	annex.set(1, true)
	inputs[0] = 3500000
	microvolts(t, inputs...)
	port.memory.Unit(7).SetHolding(10, 216)
	g.shows("what changed", map[string]string{"board/door/1": "true", "board/door/2": "true", "seats/seat/1": "150", "plc/temperature": "216"})

	t.Run("pulses", func(t *testing.T) {
		oneProcessor(t) // so that the kernel sees each, however busy the host is
		gates := []func(bool){hall.driver(3), annex.driver(0)}
		pulses := func(n int) {
			for range n {
				for _, drive := range gates {
					drive(true)
					drive(false)
				}
			}
		}
		pulses(25)
		g.shows("the pulses", map[string]string{"board/gate/1/in": "25", "board/gate/2/in": "25"})
		g.signal(syscall.SIGSTOP)
		pulses(500)
		g.signal(syscall.SIGCONT)
		g.shows("the pulses that came while the gateway stood still", map[string]string{"board/gate/1/in": "525", "board/gate/2/in": "525"})
	})
	annex.unplug()
	g.shows("the chip that went, alone", map[string]string{"board/door/1": "true", "board/door/2": "bad: node id unknown", "board/gate/1/in": "525", "seats/seat/1": "150"})
	annex.plug()
	annex.set(1, true)
	g.shows("the chip that came back, with a count that begins anew", map[string]string{"board/door/2": "true", "board/gate/2/in": "0", "board/gate/1/in": "525"})
	sim(t, "gone", "1")
	g.shows("the bus that went, alone", map[string]string{"board/door/1": "true", "seats/seat/1": "bad: communication error", "spi/seat/5": "2048", "plc/temperature": "216"})
	sim(t, "gone", "0")
	g.shows("the bus that came back", map[string]string{"seats/seat/1": "150"})
	var status diag.Status
	if err := g.ask(&status, "status"); err != nil {
		t.Fatal(err)
	}
	for _, d := range status.Devices {
		t.Logf("%s: %s, %d values, %d passed, %d failures", d.Device, d.State, d.Values, d.Passed, d.Failures)
	}
}

// line is a serial port whose other end is a Modbus RTU device.
type line struct {
	path   string
	memory *modbusserver.Registers
}

// serialDevice puts a device on one end of the cable between the machine's serial ports, and returns the other.
func serialDevice(t *testing.T) line {
	t.Helper()
	types, err := filepath.Glob("/sys/class/tty/ttyS*/type")
	var ports []string
	for _, p := range types {
		if content, err := os.ReadFile(p); err == nil && strings.TrimSpace(string(content)) != "0" { // there is one behind the name
			ports = append(ports, filepath.Base(filepath.Dir(p)))
		}
	}
	if err != nil || len(ports) != 2 {
		t.Fatalf("serial ports %v of %v, %v", ports, types, err)
	}
	path := func(n int) string { return "/dev/" + ports[n] }
	share(t, path(0))
	memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{7: {Holding: 32}})
	memory.Unit(7).SetHolding(10, 215)
	server, err := modbusserver.StartRTU("127.0.0.1:0", memory)
	if err != nil {
		t.Fatal(err)
	}
	far, err := os.OpenFile(path(1), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw(t, far)
	near, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	var copies sync.WaitGroup
	copies.Go(func() { _, _ = io.Copy(near, far) })
	copies.Go(func() { _, _ = io.Copy(far, near) })
	t.Cleanup(func() {
		near.Close()
		far.Close()
		copies.Wait()
		server.Close()
	})
	return line{path(0), memory}
}

// raw sets a port to 19200 baud, even parity, and bytes as they are.
func raw(t *testing.T, f *os.File) {
	t.Helper()
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := c.Control(func(fd uintptr) {
		termios := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.PARENB | unix.B19200, Ispeed: 19200, Ospeed: 19200}
		termios.Cc[unix.VMIN] = 1
		err = unix.IoctlSetTermios(int(fd), unix.TCSETS, &termios)
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
}

// TestProbesOfTheBoard asks by hand what an integrator asks before any point is described.
func TestProbesOfTheBoard(t *testing.T) {
	c := newChip(t, "probed", 4, map[int]string{0: "DOOR-9", 3: "hog-3"})
	c.set(1, true)
	bus := busOf(t, "analog-sim")
	microvolts(t, 1000000, 2000000, 0, 4000000)
	stub := busOf(t, "SMBus stub driver")
	for _, x := range []struct {
		args  string
		exit  int
		lines []string
	}{
		{"gpio --chip probed 0 1 3", 0, []string{"0 0 good", "1 1 good", "3 – bad: resource unavailable"}},
		{"gpio DOOR-9 --bias up --active-low", 0, []string{"DOOR-9 0 good"}},
		{"gpio --chip nobody 0", 8, []string{"probed, 4 lines"}},
		{"i2c " + bus, 0, []string{"0x48 answers", "0x4a answers", "3 chips answer on " + bus}},
		{"i2c " + bus + " --chip ads1115 --address 0x48", 0, []string{"0 1.0000 good", "1 2.0000 good", "3 4.0000 good"}},
		{"i2c " + bus + " --chip ads1115 --address 0x4b", 8, []string{"0x4b"}},
		{"i2c " + stub, 0, []string{"3 chips answer on " + stub}},
		{"i2c i2c-77", 8, []string{"the board's I2C buses are [i2c-0 i2c-1]"}},
	} {
		cmd := asUser("/usr/bin/gwctl", append([]string{"probe"}, strings.Fields(x.args)...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		said := strings.Join(strings.Fields(string(out)), " ")
		if exit := cmd.ProcessState.ExitCode(); exit != x.exit {
			t.Errorf("%s: exit %d, not %d: %s", x.args, exit, x.exit, out)
		}
		for _, l := range x.lines {
			if !strings.Contains(said, l) {
				t.Errorf("%s: no %q in\n%s", x.args, l, out)
			}
		}
	}
}
