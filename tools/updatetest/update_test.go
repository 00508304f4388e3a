package updatetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/update"
	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/ctl"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/rauc"
	"github.com/courtside-edge/courtside/firmware/rauc/rauctest"
	"github.com/courtside-edge/courtside/firmware/slot"
	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

const name = "courtside-x-20261124.1.raucb"

// house is an aggregator, a gateway on an image, RAUC on a bus, and a link between them.
type house struct {
	*testing.T
	dir    string
	orders string // where the aggregator takes them
	rauc   *rauctest.Service
	link   *faulttest.Proxy // to where updates are read
	update []byte
	mu     sync.Mutex
	said   bytes.Buffer
}

func (h *house) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said.Write(b)
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) file(path, content string) string {
	h.Helper()
	path = filepath.Join(h.dir, path)
	h.must(os.MkdirAll(filepath.Dir(path), 0o755))
	h.must(os.WriteFile(path, []byte(content), 0o600))
	return path
}

func newHouse(t *testing.T) *house {
	t.Helper()
	bus := rauctest.Bus(t)
	dir, err := os.MkdirTemp("", "u") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &house{T: t, dir: dir, rauc: rauctest.Serve(t, bus, rauctest.Update{Compatible: "courtside-x", Version: "20261124.1"}), update: make([]byte, 6<<20)}
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(h.update)
	h.file("updates/"+name, string(h.update))
	authority := identitytest.New(t, "courtside.test")
	for folder, id := range map[string]identitytest.Request{"cloud-id": identitytest.RequestFor(authority.Aggregator(), time.Now(), time.Hour),
		"gw-id": identitytest.RequestFor(authority.Gateway("dal-001", "gw-north"), time.Now(), time.Hour)} {
		svid, err := authority.Issue(id)
		h.must(err)
		h.must(identitytest.WriteFiles(filepath.Join(dir, folder), authority, svid))
	}
	t.Cleanup(func() {
		if t.Failed() {
			h.mu.Lock()
			defer h.mu.Unlock()
			t.Logf("the programs said:\n%s", h.said.String()[max(0, h.said.Len()-6000):])
		}
	})
	cloud := h.cloud()
	h.link, err = faulttest.NewProxy("127.0.0.1:0", cloud.UpdatesAddr().String(), 1)
	h.must(err)
	t.Cleanup(func() { _ = h.link.Close() })
	h.gateway(bus, cloud.BrokerAddr())
	return h
}

func (h *house) logger(program string) *slog.Logger {
	return slog.New(slog.NewTextHandler(h, nil)).With("program", program)
}

func (h *house) cloud() *aggregator.Aggregator {
	h.Helper()
	c, err := cloudconfig.Load(h.file("aggregator.yaml", `data_dir: cloud
identity: {trust_domain: courtside.test, cert_file: cloud-id/svid.pem, key_file: cloud-id/svid.key, bundle_file: cloud-id/bundle.pem}
api: {listen: "127.0.0.1:0"}
broker: {listen: "127.0.0.1:0"}
updates: {listen: "127.0.0.1:0", dir: updates}
venues: [{id: dal-001, gateways: [{id: gw-north, devices: [plc]}, {id: gw-south, devices: [plc-2]}]}]
`))
	h.must(err)
	h.orders = aggregator.OrdersDir(c)
	a, err := aggregator.Start(context.Background(), c, aggregator.Deps{Version: "test", Log: h.logger("aggregator")})
	h.must(err)
	h.Cleanup(func() { h.must(a.Close()) })
	return a
}

func (h *house) gateway(bus string, broker net.Addr) {
	h.Helper()
	plc, err := modbusserver.Start("127.0.0.1:0", modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: 10}}), modbusserver.Options{})
	h.must(err)
	h.Cleanup(func() { _ = plc.Close() })
	c, err := config.Load(h.file("gateway.yaml", fmt.Sprintf(`venue: dal-001
gateway: gw-north
data_dir: data
identity: {trust_domain: courtside.test, cert_file: gw-id/svid.pem, key_file: gw-id/svid.key, bundle_file: gw-id/bundle.pem}
uplink: {broker: "mqtts://%s"}
diag: {listen: ""}
scan_classes: {fast: 100ms}
devices:
  - {id: plc, driver: modbus, options: {address: "%s", unit: 1}, points: [{name: hall/temperature, type: int, scan: fast, source: {table: holding, address: 0, type: uint16}}]}
`, broker, plc.Addr())), all.All())
	h.must(err)
	machine := slot.Machine{Release: slot.Release{Image: "courtside-x", Version: "20261123.1"}, Boot: slot.Boot{Slot: slot.A, Good: slot.A}}
	g, err := gateway.Start(context.Background(), c, gateway.Deps{Version: "test", Log: h.logger("gateway"), Probe: -1,
		Image: gateway.Image{Machine: func() slot.Machine { return machine }, Installer: &rauc.Client{Address: bus}, Reboot: filepath.Join(h.dir, "reboot")}})
	h.must(err)
	h.Cleanup(func() { h.must(g.Close()) })
}

// gwctl runs a command line, and returns what it says and how it ends.
func (h *house) gwctl(args ...string) (string, diag.Exit) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	c := ctl.Root("test")
	c.SetArgs(append(args, "--socket", filepath.Join(h.dir, "data", diag.SocketName)))
	c.SetOut(&out)
	c.SetErr(io.Discard)
	err := c.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String(), diag.ExitOf(err)
}

// wants runs a command line that has to end and say as is wanted.
func (h *house) wants(exit diag.Exit, says string, args ...string) {
	h.Helper()
	if out, got := h.gwctl(args...); got != exit || !strings.Contains(out, says) {
		h.Errorf("gwctl %s: %d, %s; want %d, %q", strings.Join(args, " "), got, out, exit, says)
	}
}

func (h *house) address() string { return "https://" + h.link.Addr() + "/" + name }

// The connection is cut while RAUC has read half of it; a day's events keep it out; what RAUC refuses is said as RAUC says it.
func TestAnUpdateFromTheAggregator(t *testing.T) {
	h := newHouse(t)
	release := h.rauc.Hold()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.wants(diag.ExitOK, "installed version 20261124.1", "update", "install", h.address(), "--reboot")
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, _ := h.gwctl("update", "status")
		if strings.Contains(out, "Copying image") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the install has not come to copying within a minute: %s", out)
		}
	}
	if h.link.Cut(faulttest.Reset) == 0 {
		t.Error("nothing was there to be cut")
	}
	release()
	<-ended
	if !bytes.Equal(h.rauc.Read(), h.update) {
		t.Errorf("RAUC read %d bytes of %d", len(h.rauc.Read()), len(h.update))
	}
	if _, err := os.Stat(filepath.Join(h.dir, "reboot")); err != nil {
		t.Errorf("no reboot was asked for: %v", err)
	}
	h.wants(diag.ExitOK, "slot A  rootfs.0  20261101.1  runs, is booted next", "update", "status")

	h.wants(diag.ExitOK, "an event is on", "event", "begin", "--for", "1h")
	h.wants(diag.ExitRefused, "an event is on: an event begun by command", "update", "install", h.address())
	h.wants(diag.ExitOK, "installed version", "update", "install", h.address(), "--force")
	h.wants(diag.ExitOK, "no event is on", "event", "end")

	h.wants(diag.ExitRefused, "404", "update", "install", h.address()+"x.raucb")
	h.rauc.Refuse("signature verification failed: self-signed certificate")
	h.wants(diag.ExitRefused, "self-signed certificate", "update", "install", h.address())
	h.rauc.Refuse("")
	h.rauc.Fail("Failed updating slot rootfs.1: Input/output error")
	h.wants(diag.ExitFailed, "Input/output error", "update", "install", filepath.Join(h.dir, "updates", name))
	h.wants(diag.ExitOK, "could not be installed; the version that runs is untouched", "update", "status")
	h.rauc.Close()
	h.wants(diag.ExitRefused, "RAUC does not answer on the system bus", "update", "install", h.address())
	h.wants(diag.ExitOK, "RAUC does not answer on the system bus", "update", "status")
}

// until waits until ask has nothing to say.
func (h *house) until(ask func() string) {
	h.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		wrong := ask()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			h.Fatalf("after a minute: %s", wrong)
		}
	}
}

// says waits until a program's log holds all of words in one line.
func (h *house) says(words ...string) {
	h.Helper()
	h.until(func() string {
		h.mu.Lock()
		defer h.mu.Unlock()
	lines:
		for line := range strings.Lines(h.said.String()) {
			for _, w := range words {
				if !strings.Contains(line, w) {
					continue lines
				}
			}
			return ""
		}
		return fmt.Sprintf("no line of the logs has %q", words)
	})
}

// The aggregator's owner tells a gateway to update; the gateway judges the order, and what it refuses comes back.
func TestAnOrderFromTheCloud(t *testing.T) {
	h := newHouse(t)
	order := update.Order{Venue: "dal-001", Gateway: "gw-north", URL: h.address(), Version: "20261124.1", Reboot: true}
	h.until(func() string { // until it is connected
		if _, err := update.Send(t.Context(), h.orders, order); err != nil {
			return err.Error()
		}
		return ""
	})
	h.until(func() string { // its first order may have come before it knew the time
		if out, _ := h.gwctl("update", "status"); strings.Contains(out, "installed version 20261124.1") && strings.Contains(out, "reboot: asked for") {
			return ""
		} else if _, err := update.Send(t.Context(), h.orders, order); err != nil {
			return err.Error()
		} else {
			return out
		}
	})
	if !bytes.Equal(h.rauc.Read(), h.update) {
		t.Errorf("RAUC read %d bytes of %d", len(h.rauc.Read()), len(h.update))
	}
	h.wants(diag.ExitOK, "an event is on", "event", "begin", "--for", "1h")
	if _, err := update.Send(t.Context(), h.orders, order); err != nil {
		t.Fatal(err)
	}
	h.says("program=aggregator", "a gateway could not do what it was asked", "an event is on")
	for name, o := range map[string]update.Order{
		"is not connected":          {Venue: "dal-001", Gateway: "gw-south", URL: h.address()},
		"has no gateway":            {Venue: "dal-001", Gateway: "gw-west", URL: h.address()},
		"has no venue":              {Venue: "nowhere", Gateway: "gw-north", URL: h.address()},
		"not the address":           {Venue: "dal-001", Gateway: "gw-north", URL: "/etc/passwd"},
		"not the address of an upd": {Venue: "dal-001", Gateway: "gw-north", URL: "http://127.0.0.1/x.raucb"},
	} {
		if _, err := update.Send(t.Context(), h.orders, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want %q", o, err, name)
		}
	}
	if info, err := os.Stat(h.orders); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may give orders: %v, %v", info, err)
	}
	if _, err := update.Send(t.Context(), t.TempDir(), order); err == nil || !strings.Contains(err.Error(), "has to run on this machine") {
		t.Errorf("no aggregator: %v", err)
	}
}
