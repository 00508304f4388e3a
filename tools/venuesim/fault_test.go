package venuesim

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/field"
	"github.com/courtside-edge/courtside/tools/venuesim/siteconfig"
)

func TestFaultsAreReadStrictly(t *testing.T) {
	f, err := ParseFault("plc-gates-1:delay,delay=200ms,after=10s,for=5s")
	want := Fault{Fault: field.Fault{Device: "plc-gates-1", Do: field.Delay, Delay: 200 * time.Millisecond}, After: 10 * time.Second, For: 5 * time.Second}
	if err != nil || f != want {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = ParseFault("plc-gate-03:restart,forget=true")
	if err != nil || !f.Forget || f.Do != field.Restart {
		t.Errorf("%+v, %v", f, err)
	}
	for text, want := range map[string]string{
		"plc-gates-1":                   "no colon",
		"plc-gates-1:explode":           "explode",
		"plc-gates-1:delay,delay=soon":  "soon",
		"plc-gates-1:delay,for=-1s":     "-1s",
		"plc-gates-1:overrun,count=few": "few",
		"plc-gates-1:delay,colour=red":  "colour",
	} {
		if _, err := ParseFault(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %q", text, err, want)
		}
	}
}

// TestFaultsComeAndGo injects faults by every way there is, and lets time pass.
func TestFaultsComeAndGo(t *testing.T) {
	s := standing(t, Options{OpenAtOnce: true, Gates: field.Both, Faults: []Fault{
		{Fault: field.Fault{Device: "building", Do: field.Drop}, After: time.Second, For: 2 * time.Second},
		{Fault: field.Fault{Device: "building", Do: field.Overrun}, After: 10 * time.Second}, // cannot be done: logged
	}})
	ill := func(want ...string) {
		t.Helper()
		var have []string
		for _, f := range s.Faults() {
			have = append(have, f.Device+" "+string(f.Do))
		}
		if strings.Join(have, ", ") != strings.Join(want, ", ") {
			t.Errorf("ill are %v, want %v", have, want)
		}
	}
	inject := func(f Fault) {
		t.Helper()
		if err := s.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	step(t, s, 999*time.Millisecond)
	ill()
	step(t, s, time.Millisecond)
	ill("building drop")
	inject(Fault{Fault: field.Fault{Device: "plc-gate-03", Do: field.Restart}, For: time.Second})
	ill("building drop", "plc-gate-03 restart")
	if c, err := net.Dial("tcp", s.Address("plc-gate-03")); err == nil {
		c.Close()
		t.Error("a device that went away listens")
	}
	step(t, s, time.Second)
	ill("building drop")
	c, err := net.Dial("tcp", s.Address("plc-gate-03"))
	if err != nil {
		t.Fatalf("the device did not come back: %v", err)
	}
	c.Close()
	step(t, s, time.Second)
	ill()
	inject(Fault{Fault: field.Fault{Device: "court", Do: field.Drop}})
	inject(Fault{Fault: field.Fault{Device: "court", Do: field.Garbage}})
	step(t, s, time.Hour)
	ill("court garbage") // until somebody heals it
	if err := s.Heal("court"); err != nil {
		t.Error(err)
	}
	ill()
	inject(Fault{Fault: field.Fault{Device: "plc-gate-03", Do: field.Overrun, Count: 2}}) // happens at once
	ill()
	if ring := s.Truth().Gates[2].Ring; ring == nil || ring.Ghosts != field.DefaultRingSlots+2 || len(s.Rings()) != 24 {
		t.Errorf("the ring: %+v of %d", ring, len(s.Rings()))
	}
}

// TestFaultsOverHTTP orders a fault, reads it back and heals it.
func TestFaultsOverHTTP(t *testing.T) {
	s, err := Start(t.Context(), Options{Speed: 10, EventLength: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	const fault = `{"device":"plc-gates-1","do":"delay","delay":"1h0m0s","for":"1h0m0s"}`
	for _, tc := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "/control/fault", fault, 200, "[" + fault + "]"},
		{"GET", "/faults", "", 200, "[" + fault + "]"},
		{"POST", "/control/fault", `{"device":"plc-gates-1","do":"overrun"}`, 422, "it has no ring"},
		{"POST", "/control/fault", `{"device":"plc-gates-1","do":"delay","for":"long"}`, 422, `"long" is no duration`},
		{"POST", "/control/fault", `{"device":"plc-gates-1","colour":"red"}`, 422, "colour"},
		{"POST", "/control/heal", `{"device":"plc-nowhere"}`, 422, "no such device"},
		{"POST", "/control/heal", `{"device":"plc-gates-1"}`, 200, "[]"},
		{"GET", "/control/heal", "", 405, ""},
	} {
		if code, text := call(t, s, tc.method, tc.path, tc.body); code != tc.code || !strings.Contains(text, tc.want) {
			t.Errorf("%s %s %s answers %d %s, want %d %s", tc.method, tc.path, tc.body, code, text, tc.code, tc.want)
		}
	}
	var truth Truth
	if _, text := call(t, s, "GET", "/truth", ""); json.Unmarshal([]byte(text), &truth) != nil || truth.Gates[0].Ring != nil {
		t.Errorf("a gate without a ring has one in the truth: %+v", truth.Gates[0])
	}
}

// TestPolledRingsEqualTheTruth runs a whole event past rings with counters beside them, polled by the real driver.
func TestPolledRingsEqualTheTruth(t *testing.T) {
	s, err := Start(t.Context(), Options{Seed: 43, Speed: 400, EventLength: 5 * time.Minute, Attendance: 2000, Gates: field.Both, RingSlots: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, links := open(t, gatewaysWith(t, s, siteconfig.Options{}))
	stop := p.follow(t, modbusOnly(links), 50*time.Millisecond)
	defer stop()
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	truth := s.Truth()
	if truth.Passages.In != 2000 || truth.Passages.Out < 500 || p.bad != 0 {
		t.Fatalf("the event was none: %+v passed, %d bad readings", truth.Passages, p.bad)
	}
	witnessed := uint64(0)
	for _, n := range p.witnessed {
		witnessed += n
	}
	if witnessed != truth.Passages.In+truth.Passages.Out {
		t.Errorf("the counters beside the rings counted %d of %d passages", witnessed, truth.Passages.In+truth.Passages.Out)
	}
	for _, g := range truth.Gates {
		if in, out := p.passages[1][g.Gate], p.passages[2][g.Gate]; in != g.In || out != g.Out || g.Ring.Written != g.In+g.Out {
			t.Errorf("%s: %d in and %d out were polled, %d and %d are true, the ring had %+v", g.Gate, in, out, g.In, g.Out, *g.Ring)
		}
	}
}
