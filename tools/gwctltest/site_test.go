package gwctltest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/firmware/command"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/ctl"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

type siteKey struct{}

// site is what one script works with.
type site struct {
	dir       string
	authority *identitytest.Authority
	registers *modbusserver.Registers
	plc       *modbusserver.Server
	cloud     *aggregator.Aggregator
	gateway   *gateway.Gateway
}

const domain = "courtside.test"

// setup starts a PLC and writes a gateway's configuration for it. Nothing listens at the broker's address yet.
func setup(e *testscript.Env) error {
	s := &site{dir: e.WorkDir}
	var err error
	if s.authority, err = identitytest.NewAuthority(domain, time.Now().Add(-72*time.Hour), 144*time.Hour); err != nil {
		return err
	}
	s.registers = modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: 200, Input: 200, Coils: 50, Discretes: 50}})
	bank := s.registers.Unit(1)
	bank.SetHolding(0, 10, 200, 3000)
	warm := math.Float32bits(21.5)
	bank.SetHolding(10, uint16(warm>>16), uint16(warm))
	if s.plc, err = modbusserver.Start("127.0.0.1:0", s.registers, modbusserver.Options{}); err != nil {
		return err
	}
	e.Values[siteKey{}] = s
	e.Values[collectorKey{}] = &spans{}
	e.Defer(func() {
		if s.gateway != nil {
			_ = s.gateway.Close()
		}
		if s.cloud != nil {
			_ = s.cloud.Close()
		}
		_ = s.plc.Close()
	})
	broker, err := freeAddress()
	if err != nil {
		return err
	}
	if err := s.issue("gateway", time.Now(), time.Hour); err != nil {
		return err
	}
	e.Setenv("PLC", s.plc.Addr())
	e.Setenv("BROKER", broker)
	e.Setenv("SOCKET", filepath.Join(s.dir, "d", "gateway.sock"))
	return os.WriteFile(filepath.Join(s.dir, "gateway.yaml"), fmt.Appendf(nil, configuration, broker, s.plc.Addr()), 0o644)
}

const configuration = `venue: dal-001
gateway: gw-north
data_dir: d
identity: {trust_domain: courtside.test, cert_file: id/svid.pem, key_file: id/svid.key, bundle_file: id/bundle.pem}
uplink: {broker: "mqtts://%s"}
diag: {listen: ""}
scan_classes: {fast: 100ms}
devices:
  - id: plc-1
    driver: modbus
    options: {address: "%s", unit: 1, timeout: 300ms}
    points:
      - {range: "seat/101/a/{seat:1..3}", place: "101/a/{seat}", type: int, kind: seat, unit: kg, deadband: 5, occupied: {above: 20, below: 15}, scan: fast, max_silence: 10m, source: {table: holding, address: 0, type: uint16}}
      - {name: hall/temperature, type: float, unit: Cel, scan: fast, source: {table: holding, address: 10, type: float32}}
`

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func of(ts *testscript.TestScript) *site { return ts.Value(siteKey{}).(*site) }

// issue writes the gateway's SVID files.
func (s *site) issue(_ string, begin time.Time, life time.Duration) error {
	svid, err := s.authority.Issue(identitytest.RequestFor(s.authority.Gateway("dal-001", "gw-north"), begin, life))
	if err != nil {
		return err
	}
	return identitytest.WriteFiles(filepath.Join(s.dir, "id"), s.authority, svid)
}

// svid issues the gateway another SVID: `svid -25h 1h` begins 25 hours ago and lasts one.
func svid(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(of(ts).issue("gateway", time.Now().Add(duration(ts, args[0])), duration(ts, args[1])))
}

func duration(ts *testscript.TestScript, s string) time.Duration {
	d, err := time.ParseDuration(s)
	ts.Check(err)
	return d
}

// gatewayStart starts the gateway; `gateway-start ntp` with a clock that the kernel vouches for.
func gatewayStart(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	file := ts.MkAbs("gateway.yaml")
	load := func() (*config.Config, error) { return config.Load(file, all.All()) }
	c, err := load()
	ts.Check(err)
	d := gateway.Deps{Version: "v1-test", Load: load, File: file, Log: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: c.Log.Level}))}
	if len(args) > 0 && args[0] == "ntp" {
		host, err := clock.OpenHost()
		ts.Check(err)
		d.Clocks = func() clock.Reading {
			r := host.Read()
			r.Synchronised, r.MaxError = true, time.Millisecond
			return r
		}
	}
	s.gateway, err = gateway.Start(context.Background(), c, d)
	ts.Check(err)
}

func gatewayStop(ts *testscript.TestScript, _ bool, _ []string) {
	s := of(ts)
	ts.Check(s.gateway.Close())
	s.gateway = nil
}

// aggregatorStart starts a real aggregator, with its broker at $BROKER.
func aggregatorStart(ts *testscript.TestScript, _ bool, _ []string) {
	s := of(ts)
	svid, err := s.authority.Issue(identitytest.RequestFor(s.authority.Aggregator(), time.Now(), time.Hour))
	ts.Check(err)
	ts.Check(identitytest.WriteFiles(filepath.Join(s.dir, "cloud-id"), s.authority, svid))
	file := ts.MkAbs("aggregator.yaml")
	house := ""
	if _, err := os.Stat(ts.MkAbs("arena.geojson")); err == nil {
		house = "map: arena.geojson"
	}
	ts.Check(os.WriteFile(file, fmt.Appendf(nil, `data_dir: cloud
identity: {trust_domain: courtside.test, cert_file: cloud-id/svid.pem, key_file: cloud-id/svid.key, bundle_file: cloud-id/bundle.pem}
api: {listen: "127.0.0.1:0"}
trace: {endpoint: %q}
broker: {listen: %q}
venues:
  - id: dal-001
    %s
    gateways:
      - {id: gw-north, devices: [plc-1, plc-2]}
`, ts.Getenv("OTLP"), ts.Getenv("BROKER"), house), 0o644))
	c, err := cloudconfig.Load(file)
	ts.Check(err)
	s.cloud, err = aggregator.Start(context.Background(), c, aggregator.Deps{Version: "v1-test"})
	ts.Check(err)
}

// oldBroker listens at $BROKER with a broker's certificate that begins at an offset from now and lasts an hour.
func oldBroker(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	svid, err := s.authority.Issue(identitytest.RequestFor(s.authority.Broker(), time.Now().Add(duration(ts, args[0])), time.Hour))
	ts.Check(err)
	cert, err := tls.X509KeyPair(svid.CertPEM(), svid.KeyPEM())
	ts.Check(err)
	l, err := tls.Listen("tcp", ts.Getenv("BROKER"), &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert})
	ts.Check(err)
	done := make(chan struct{})
	ts.Defer(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // it is to fail
			_ = conn.Close()
		}
	}()
}

// plc changes the PLC: `plc stop`, `plc set ADDRESS VALUE…`.
func plc(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	switch args[0] {
	case "stop":
		ts.Check(s.plc.Close())
	case "set":
		at, err := strconv.Atoi(args[1])
		ts.Check(err)
		var values []uint16
		for _, a := range args[2:] {
			v, err := strconv.ParseUint(a, 0, 16)
			ts.Check(err)
			values = append(values, uint16(v))
		}
		s.registers.Unit(1).SetHolding(at, values...)
	default:
		ts.Fatalf("plc %q", args)
	}
}

// run runs a program's command line within the test, where a process of its own would take longer to begin than to work; probe and check
// are run by gwctl as the processes that they are.
func run(ts *testscript.TestScript, args []string) (out, problems string, code diag.Exit) {
	var stdout, stderr bytes.Buffer
	c := ctl.Root("v1-test")
	if args[0] == "gateway" {
		c = command.Root("v1-test", all.All())
	}
	for i, a := range args {
		if strings.HasSuffix(a, ".yaml") || strings.HasSuffix(a, ".tar.gz") || strings.HasSuffix(a, ".export") || a == "pages" {
			args[i] = ts.MkAbs(a)
		}
	}
	c.SetArgs(args[1:])
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := c.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(&stderr, "%s: %v\n", args[0], err)
	}
	return stdout.String(), stderr.String(), diag.ExitOf(err)
}

// patience is how long await asks, and how long a command may take.
const patience = 20 * time.Second

// await runs a command until its output holds a text: `await TEXT gwctl status`.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		out, problems, _ := run(ts, args[1:])
		if strings.Contains(out+problems, args[0]) {
			ts.Check(say(ts, out, problems))
			return
		}
		if time.Since(began) > patience {
			ts.Fatalf("%q never came from %q, which said at last:\n%s%s", args[0], args[1:], out, problems)
		}
	}
}

// say makes what a command wrote what the script's stdout and stderr look at.
func say(ts *testscript.TestScript, out, problems string) error {
	_, err := io.WriteString(ts.Stdout(), out)
	_, also := io.WriteString(ts.Stderr(), problems)
	return errors.Join(err, also)
}

// ends runs a command and wants it to end with a code: `ends 3 gwctl status`.
func ends(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	out, problems, got := run(ts, args[1:])
	ts.Check(say(ts, out, problems))
	if int(got) != want {
		ts.Fatalf("%q ended with %d, want %d; it said:\n%s%s", args[1:], got, want, out, problems)
	}
}
