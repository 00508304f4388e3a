package enroltest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/enrol"
	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/sync/identity"
)

const (
	domain = "courtside.test"
	// patience bounds waits for what must happen.
	patience = 90 * time.Second
	// life of SVIDs: renewals come by the second.
	life = 4 * time.Second
)

// house is one aggregator and its gateways.
type house struct {
	*testing.T
	dir, broker, desk, plc string
	cloud                  *aggregator.Aggregator

	mu  sync.Mutex
	log bytes.Buffer
}

// Write implements io.Writer for the logs.
func (h *house) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(p)
}

func (h *house) logger(who string) *slog.Logger {
	return slog.New(slog.NewTextHandler(h, nil)).With("of", who)
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "e") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &house{T: t, dir: dir, broker: free(t), desk: free(t)}
	a, err := identity.NewAuthority(domain, time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.MarshalKey()
	if err != nil {
		t.Fatal(err)
	}
	h.file("authority.pem", string(identity.MarshalCerts(a.Bundle())))
	h.file("authority.key", string(key))
	plc, err := modbusserver.Start("127.0.0.1:0", modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: 10}}), modbusserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plc.Close() })
	h.plc = plc.Addr()
	t.Cleanup(func() {
		if h.cloud != nil {
			_ = h.cloud.Close() // the test judged it
		}
		if t.Failed() {
			h.mu.Lock()
			defer h.mu.Unlock()
			t.Logf("the programs said:\n%s", h.log.String()[max(0, h.log.Len()-8000):])
		}
	})
	return h
}

func (h *house) file(name, content string) string {
	h.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.Fatal(err)
	}
	return path
}

// open starts the aggregator with these gateways in its configuration, or starts it again.
func (h *house) open(gateways ...string) {
	h.Helper()
	if h.cloud != nil {
		if err := h.cloud.Close(); err != nil {
			h.Fatal(err)
		}
	}
	var listed strings.Builder
	for _, g := range gateways {
		fmt.Fprintf(&listed, "      - {id: %s, devices: [plc]}\n", g)
	}
	path := h.file("aggregator.yaml", fmt.Sprintf(`data_dir: cloud
identity: {trust_domain: courtside.test}
api: {listen: "127.0.0.1:0"}
broker: {listen: "%s"}
enrol: {listen: "%s", authority_cert: authority.pem, authority_key: authority.key}
venues:
  - id: dal-001
    gateways:
%s`, h.broker, h.desk, listed.String()))
	c, err := cloudconfig.Load(path)
	if err != nil {
		h.Fatal(err)
	}
	c.Enrol.SVIDTTL = life
	if h.cloud, err = aggregator.Start(context.Background(), c, aggregator.Deps{Version: "test", Log: h.logger("aggregator")}); err != nil {
		h.Fatal(err)
	}
}

// token returns a new token.
func (h *house) token(gateway string) string {
	h.Helper()
	made, err := enrol.NewClient(filepath.Join(h.dir, "cloud", "enrol")).Create(h.Context(), enrol.Order{Gateway: gateway, For: "1h"})
	if err != nil {
		h.Fatal(err)
	}
	return made.Line
}

// gateway starts gateway gw-north of the data directory, with its token in the file token.
func (h *house) gateway(data, token string) *gateway.Gateway {
	h.Helper()
	path := h.file(data+".yaml", fmt.Sprintf(`venue: dal-001
gateway: gw-north
data_dir: %s
identity: {trust_domain: courtside.test, join_token_file: %s}
uplink: {broker: "mqtts://%s"}
diag: {listen: ""}
scan_classes: {fast: 100ms}
devices:
  - {id: plc, driver: modbus, options: {address: "%s", unit: 1}, points: [{name: hall/temperature, type: int, scan: fast, source: {table: holding, address: 0, type: uint16}}]}
`, data, token, h.broker, h.plc))
	c, err := config.Load(path, all.All())
	if err != nil {
		h.Fatal(err)
	}
	g, err := gateway.Start(context.Background(), c, gateway.Deps{Version: "test", Log: h.logger(data), Probe: -1, EnrolLook: 100 * time.Millisecond})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = g.Close() }) // the test judged the first
	return g
}

// wants waits until the gateway's status is as it should be.
func (h *house) wants(what string, g *gateway.Gateway, holds func(diag.Status) bool) {
	h.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		s := g.Status()
		if holds(s) {
			return
		}
		if time.Now().After(end) {
			h.Fatalf("%s did not come: identity %+v, link %+v", what, s.Identity, s.Link)
		}
	}
}

func connected(s diag.Status) bool {
	return s.Link.State == "up" && s.Link.Acks > 0 && s.Identity.ID == "spiffe://courtside.test/venue/dal-001/gateway/gw-north"
}

// figure returns the aggregator's metrics that hold a text.
func (h *house) figure(text string) string {
	h.Helper()
	resp, err := http.Get("http://" + h.cloud.APIAddr().String() + "/metrics")
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(body)) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func TestAGatewayJoinsByToken(t *testing.T) {
	h := newHouse(t)
	h.open("gw-north")
	g := h.gateway("gw", "join-token")
	h.wants("waiting for a token while devices are polled", g, func(s diag.Status) bool {
		return strings.Contains(s.Identity.Enrolment, "no join token") && strings.Contains(s.Identity.Next, "aggregator token create dal-001/gw-north") &&
			len(s.Devices) == 1 && s.Devices[0].State == "up" && s.Lanes[0].Samples > 0
	})
	token := h.token("dal-001/gw-north")
	h.file("join-token", token+"\n")
	h.wants("a session under an SVID by the token", g, connected)
	first := g.Status()

	other := h.gateway("thief", "join-token") // the same card in a second device
	h.wants("the refusal of a second device", other, func(s diag.Status) bool {
		return strings.Contains(s.Identity.Error, "used-token") && strings.Contains(s.Identity.Next, "another device")
	})
	if n := h.figure(`reason="used-token"`); !strings.Contains(n, "courtside_enrol_refused_total") {
		t.Errorf("the aggregator counts %q", n)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}

	h.wants("two renewals, each with a new session", g, func(s diag.Status) bool {
		return connected(s) && s.Identity.NotAfter.Sub(first.Identity.NotAfter) > life && s.Link.Connects >= first.Link.Connects+2
	})

	if err := os.Remove(filepath.Join(h.dir, "join-token")); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	h.open("gw-north")
	g = h.gateway("gw", "join-token")
	h.wants("a session after both were started again, without the token", g, connected)
	h.wants("a renewal after that", g, func(s diag.Status) bool { return connected(s) && s.Identity.Enrolment != "" && s.Link.Connects > 1 })

	h.open("gw-south")
	h.wants("the end of renewals once the configuration names the gateway no more", g, func(s diag.Status) bool {
		return strings.Contains(s.Identity.Enrolment, "not-granted") && strings.Contains(s.Identity.Next, "configuration") && s.Link.State != "up"
	})
	if len(g.Status().Devices) != 1 || g.Status().Devices[0].State != "up" {
		t.Error("devices are not polled any more")
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	ready, err := http.Get("http://" + h.cloud.APIAddr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Body.Close()
	if body, _ := io.ReadAll(ready.Body); ready.StatusCode != http.StatusOK {
		t.Errorf("readiness %d: %s", ready.StatusCode, body)
	}
}
