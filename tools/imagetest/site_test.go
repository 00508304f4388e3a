//go:build image

package imagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/tools/devca"
)

const (
	trustDomain = "courtside.test"
	host        = "10.0.2.2" // this machine, as QEMU's user network names it
	lanes       = 8          // counters of 16 bits, each wraps early
)

// site is what stands around the gateway: a PLC, the aggregator and its folder of updates.
type site struct {
	t         *testing.T
	dir       string
	registers *modbusserver.Registers
	plc       *modbusserver.Server
	api       string
	broker    string
	updates   string         // https://…
	folder    string         // of updates
	cloud     *os.Process    // the aggregator
	gateway   devca.Endpoint // unless by token
	token     string         // with which the gateway gets its identity from the aggregator; empty for PEM files

	mu    sync.Mutex
	first [lanes]uint64
	now   [lanes]uint64
	still bool
}

// newSite opens a site whose gateway gets its identity by a join token, or by PEM files.
func newSite(t *testing.T, byToken bool) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(*logDir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.folder = filepath.Join(s.dir, "updates")
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s.registers = modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Input: lanes, Holding: 40}})
	for i := range s.now {
		s.first[i] = uint64(65536 - 50 - 10*i)
		s.now[i] = s.first[i]
	}
	s.show()
	var err error
	if s.plc, err = modbusserver.Start("127.0.0.1:0", s.registers, modbusserver.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.plc.Close() })
	if byToken {
		s.byToken()
	} else {
		s.byFiles()
	}
	ctx, stop := context.WithCancel(context.Background())
	var people sync.WaitGroup
	people.Go(func() { s.walk(ctx) })
	t.Cleanup(func() { stop(); people.Wait() })
	return s
}

// byFiles issues both identities as PEM files.
func (s *site) byFiles() {
	authority, err := devca.Open(devca.Config{Dir: filepath.Join(s.dir, "ca"), TrustDomain: trustDomain, Life: 48 * time.Hour})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = authority.Close() })
	cloud, err := authority.Add(identity.ID{TrustDomain: trustDomain, Role: identity.Aggregator})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.gateway, err = authority.Add(identity.ID{TrustDomain: trustDomain, Role: identity.Gateway, Venue: "lab-001", Name: "gw-1"}); err != nil {
		s.t.Fatal(err)
	}
	s.aggregator(fmt.Sprintf("identity: {trust_domain: %s, cert_file: %q, key_file: %q, bundle_file: %q}\n", trustDomain, cloud.CertFile, cloud.KeyFile, cloud.BundleFile))
}

// byToken lets the aggregator issue both identities, and makes a token for the gateway.
func (s *site) byToken() {
	ca, port := filepath.Join(s.dir, "ca"), freePort(s.t)
	tool(s.t, filepath.Join(repo, "bin", "aggregator"), "authority", "create", ca, "--trust-domain", trustDomain)
	path := s.aggregator(fmt.Sprintf("identity: {trust_domain: %s}\nenrol: {listen: \"127.0.0.1:%d\", address: \"%s:%d\", authority_cert: %q, authority_key: %q}\n",
		trustDomain, port, host, port, filepath.Join(ca, "authority.pem"), filepath.Join(ca, "authority.key")))
	for line := range strings.Lines(tool(s.t, filepath.Join(repo, "bin", "aggregator"), "token", "create", "lab-001/gw-1", "--config", path)) {
		if strings.HasPrefix(line, "courtside-join-1.") {
			s.token = line
		}
	}
	if s.token == "" {
		s.t.Fatal("aggregator token create prints no token")
	}
}

// aggregator starts the aggregator with an identity's lines of configuration, waits until it is ready, and returns the configuration's path.
func (s *site) aggregator(id string) string {
	s.api, s.broker = fmt.Sprintf("127.0.0.1:%d", freePort(s.t)), fmt.Sprint(freePort(s.t))
	listen := fmt.Sprintf("127.0.0.1:%d", freePort(s.t))
	s.updates = "https://" + host + listen[strings.Index(listen, ":"):]
	config := fmt.Sprintf("data_dir: %q\n%sapi: {listen: %q}\nbroker: {listen: \"127.0.0.1:%s\"}\nupdates: {listen: %q, dir: %q}\n"+
		"venues:\n  - id: lab-001\n    gateways:\n      - {id: gw-1, devices: [plc-1]}\n", filepath.Join(s.dir, "aggregator"), id, s.api, s.broker, listen, s.folder)
	path := filepath.Join(s.dir, "aggregator.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(repo, "bin", "aggregator"), "run", "--config", path)
	log, err := os.Create(filepath.Join(*logDir, strings.ReplaceAll(s.t.Name(), "/", "-")+".aggregator"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("%v; run make build first", err)
	}
	s.cloud = cmd.Process
	s.t.Cleanup(func() {
		_ = s.cloud.Signal(syscall.SIGCONT)
		_ = s.cloud.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		log.Close()
	})
	deadline := time.Now().Add(time.Minute)
	for {
		r, err := http.Get("http://" + s.api + "/readyz")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return path
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the aggregator is not ready after a minute: %v; see %s", err, log.Name())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// walk lets people through the gates until ctx ends, at most one a lane and 200 ms.
func (s *site) walk(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		if !s.still {
			for i := range s.now {
				s.now[i] += uint64(rand.IntN(4) / 3)
			}
			s.show()
		}
		s.mu.Unlock()
	}
}

func (s *site) show() {
	s.registers.Unit(1).Update(func(v *modbusserver.Values) {
		for i, n := range s.now {
			v.Input[i] = uint16(n)
		}
		for i := range v.Holding {
			v.Holding[i] = 500
		}
	})
}

// configuration is the gateway's, as an integrator would put it on the setup partition.
func (s *site) configuration() string {
	_, port, _ := strings.Cut(s.plc.Addr(), ":")
	var b strings.Builder
	fmt.Fprintf(&b, "venue: lab-001\ngateway: gw-1\nidentity: {trust_domain: %s}\n", trustDomain)
	fmt.Fprintf(&b, "uplink: {broker: \"mqtts://%s:%s\"}\nscan_classes: {fast: 200ms}\n", host, s.broker)
	fmt.Fprintf(&b, "devices:\n  - id: plc-1\n    driver: modbus\n    options: {address: \"%s:%s\", unit: 1, timeout: 3s}\n    points:\n", host, port)
	fmt.Fprintf(&b, "      - {range: \"seat/101/a/{seat:1..40}\", place: \"101/a/{seat}\", type: int, kind: seat, scan: fast, scale: 0.1, occupied: {above: 20, below: 15}, source: {table: holding, address: 0, type: uint16}}\n")
	for i := range lanes {
		direction := [...]string{"in", "out"}[i%2]
		fmt.Fprintf(&b, "      - {name: gate/%d/%s, type: int, kind: gate, class: counter, direction: %s, place: gate-%d, bits: 16, max_rate: 50, scan: fast, source: {table: input, address: %d, type: uint16}}\n", i/2, direction, direction, i/2, i)
	}
	return b.String()
}

// install puts configuration and identity on the setup partition of a disk that is off.
func (s *site) install(disk string) {
	put(s.t, disk, "courtside.yaml", s.configuration())
	if s.token != "" {
		put(s.t, disk, "join-token", s.token)
		return
	}
	for name, from := range map[string]string{"svid.pem": s.gateway.CertFile, "svid.key": s.gateway.KeyFile, "bundle.pem": s.gateway.BundleFile} {
		text, err := os.ReadFile(from)
		if err != nil {
			s.t.Fatal(err)
		}
		put(s.t, disk, name, string(text))
	}
}

// gates is what the cloud counted.
func (s *site) gates() (in, out uint64, err error) {
	r, err := http.Get("http://" + s.api + "/v1/venues/lab-001/gates")
	if err != nil {
		return 0, 0, err
	}
	defer r.Body.Close()
	var g struct{ In, Out uint64 }
	if err := json.NewDecoder(r.Body).Decode(&g); err != nil {
		return 0, 0, err
	}
	return g.In, g.Out, nil
}

// moving waits until the cloud counts more than it did: the gateway polls, and its batches arrive.
func (s *site) moving(m *machine) {
	s.t.Helper()
	begin := time.Now()
	before := ^uint64(0)
	for {
		in, out, err := s.gates()
		if err == nil && in+out > before {
			s.t.Logf("%-60s %5.1f s (%.1f s after power)", "passages arrive in the cloud", time.Since(begin).Seconds(), time.Since(m.started).Seconds())
			return
		}
		if err == nil {
			before = min(before, in+out)
		}
		if time.Since(begin) > patience {
			s.t.Fatalf("no passage came to the cloud within %v (%v); the console said last:\n%s", patience, err, tail(m.text(0), 40))
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// equal stops the people and waits until the cloud counts exactly those who passed since the gateway's first reading.
func (s *site) equal(what string, since [2]uint64) {
	s.t.Helper()
	s.mu.Lock()
	s.still = true
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.still = false; s.mu.Unlock() }()
	var in, out, haveIn, haveOut uint64
	var err error
	for begin := time.Now(); time.Since(begin) < 3*time.Minute; time.Sleep(500 * time.Millisecond) {
		in, out = s.truth()
		in, out = in-since[0], out-since[1]
		if haveIn, haveOut, err = s.gates(); err == nil && haveIn == in && haveOut == out {
			s.t.Logf("%s: %d in, %d out, equal", what, in, out)
			return
		}
	}
	s.t.Errorf("%s: %d in and %d out passed, the cloud has %d and %d (%v)", what, in, out, haveIn, haveOut, err)
}

// truth is how many passed since the start.
func (s *site) truth() (in, out uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.now {
		if i%2 == 0 {
			in += s.now[i] - s.first[i]
		} else {
			out += s.now[i] - s.first[i]
		}
	}
	return in, out
}

// hold stops or lets go of the people.
func (s *site) hold(still bool) {
	s.mu.Lock()
	s.still = still
	s.mu.Unlock()
}
