package venuesim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// standing returns a venue whose clock a test moves with step.
func standing(t *testing.T, o Options) *Sim {
	t.Helper()
	s, err := newSim(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.listener.Close()
		if err := s.field.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func step(t *testing.T, s *Sim, elapsed time.Duration) {
	t.Helper()
	if err := s.step(elapsed); err != nil {
		t.Fatal(err)
	}
}

// TestPolledVenueEqualsItsTruth runs a whole event with wrapping counters, polled by the real driver through the real protocol.
func TestPolledVenueEqualsItsTruth(t *testing.T) {
	s, err := Start(t.Context(), Options{Seed: 42, Speed: 400, EventLength: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, links := open(t, gateways(t, s))
	stop := p.follow(t, links, 50*time.Millisecond)
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	stop()

	truth := s.Truth()
	if !truth.Final || truth.Passages.In < 5000 || truth.Passages.Out < 2000 || truth.Seats.Occupied == 0 {
		t.Fatalf("the event was none: final %v, passages %+v, %d seats taken", truth.Final, truth.Passages, truth.Seats.Occupied)
	}
	if p.bad != 0 {
		t.Errorf("%d bad readings", p.bad)
	}
	for _, g := range truth.Gates {
		if in, out := p.passages[1][g.Gate], p.passages[2][g.Gate]; in != g.In || out != g.Out {
			t.Errorf("%s: %d in and %d out were polled, %d and %d are true", g.Gate, in, out, g.In, g.Out)
		}
	}
	if !reflect.DeepEqual(p.taken, truth.Seats.States) {
		t.Errorf("the polled states of %d seats differ from the %d true ones", len(p.taken), len(truth.Seats.States))
	}
	for _, panel := range truth.Panels {
		if word, known := p.words[panel.Panel]; !known || word != panel.Word {
			t.Errorf("%s: word %#04x was read, known %v; %#04x is true", panel.Panel, word, known, panel.Word)
		}
	}
	for n := range 11 {
		name := fmt.Sprintf("player/%d/y", n)
		if n == 0 {
			name = "ball/y"
		}
		if p.positions[name] == 0 {
			t.Errorf("%s was never seen during the game", name)
		}
	}
	if co2 := p.air["building/ne/co2"]; len(p.air) != 20 || co2 < 440 || co2 > 1300 {
		t.Errorf("%d building values were read, CO2 %g; want 20 and a house that breathed", len(p.air), co2)
	}
}

func TestTruthAddsUp(t *testing.T) {
	s := standing(t, Options{Seed: 1, Speed: 1000, EventLength: 30 * time.Minute, OpenAtOnce: true})
	for range 20 {
		for range 3 {
			step(t, s, maxStep)
		}
		truth, state := s.Truth(), s.State()
		var gates, lanes Passages
		for _, g := range truth.Gates {
			gates.add(g.Passages)
			for _, l := range g.Lanes {
				lanes.add(l)
			}
		}
		taken, sections := 0, 0
		for _, on := range truth.Seats.States {
			if on {
				taken++
			}
		}
		for _, section := range truth.Seats.Sections {
			sections += section.Occupied
		}
		var each Passages
		for _, p := range s.Passages() {
			if p.Direction == "in" {
				each.In++
			} else {
				each.Out++
			}
		}
		if each != truth.Passages || gates != truth.Passages || lanes != truth.Passages || state.Passages != truth.Passages ||
			int(gates.In-gates.Out) != truth.Inside || state.Inside != truth.Inside {
			t.Fatalf("gates %+v, lanes %+v, summary %+v, sum %+v, inside %d", gates, lanes, state.Passages, truth.Passages, truth.Inside)
		}
		if taken != truth.Seats.Occupied || sections != taken || state.Seated != taken || taken > truth.Inside {
			t.Fatalf("%d seats taken, sections %d, sum %d, %d inside", taken, sections, truth.Seats.Occupied, truth.Inside)
		}
		if len(truth.Seats.States) != arena.SeatCount || len(truth.Gates) != 24 || len(truth.Panels) != 8 {
			t.Fatalf("%d seats, %d gates, %d panels", len(truth.Seats.States), len(truth.Gates), len(truth.Panels))
		}
	}
}

// TestPassagesMakeTheGates sums each passage by gate and lane.
func TestPassagesMakeTheGates(t *testing.T) {
	s := standing(t, Options{Seed: 1, Speed: 1000, EventLength: 10 * time.Minute, OpenAtOnce: true})
	for s.State().Stage != Frozen {
		step(t, s, maxStep)
	}
	gates := map[string][]Passages{}
	for _, p := range s.Passages() {
		if gates[p.Gate] == nil {
			gates[p.Gate] = make([]Passages, 4)
		}
		if p.Direction == "in" {
			gates[p.Gate][p.Lane-1].In++
		} else {
			gates[p.Gate][p.Lane-1].Out++
		}
	}
	for _, g := range s.Truth().Gates {
		if !reflect.DeepEqual(gates[g.Gate], g.Lanes) {
			t.Errorf("%s: passages make %+v, the truth is %+v", g.Gate, gates[g.Gate], g.Lanes)
		}
	}
}

// TestSeedDecidesTheTruth takes steps of different sizes through one event.
func TestSeedDecidesTheTruth(t *testing.T) {
	end := func(seed uint64, elapsed time.Duration) Truth {
		s := standing(t, Options{Seed: seed, Speed: 1000, EventLength: 10 * time.Minute, OpenAtOnce: true})
		for s.State().Stage != Frozen {
			step(t, s, elapsed)
		}
		return s.Truth()
	}
	coarse, fine := end(3, maxStep), end(3, maxStep/7)
	if !reflect.DeepEqual(coarse, fine) {
		t.Errorf("one seed ended with %+v and %+v", coarse.Passages, fine.Passages)
	}
	if other := end(4, maxStep); reflect.DeepEqual(coarse.Seats, other.Seats) {
		t.Error("two seeds ended with the same seats")
	}
}

// TestStages walks through an event whose polls a test makes.
func TestStages(t *testing.T) {
	s := standing(t, Options{Speed: 1000, EventLength: time.Minute})
	at := func(want Stage) {
		t.Helper()
		if got := s.State().Stage; got != want {
			t.Fatalf("stage %s, want %s", got, want)
		}
	}
	for range 100 {
		step(t, s, time.Second)
	}
	if at(Waiting); s.Truth().SimulatedSeconds != 0 {
		t.Fatal("time passes behind shut doors")
	}
	p, links := open(t, gateways(t, s))
	links = modbusOnly(links)
	p.poll(t, links...)
	step(t, s, 0)
	at(Waiting) // the answer to one poll may have been lost
	p.poll(t, links...)
	step(t, s, 0)
	at(Running)
	p.poll(t, links...)
	for s.State().Stage == Running {
		step(t, s, maxStep)
	}
	at(Frozen)
	if end := s.Truth().SimulatedSeconds; end != 60 {
		t.Errorf("the event of 60 s ended after %g s", end)
	}
	step(t, s, SettleTime-1)
	at(Frozen)
	p.poll(t, links...)
	p.poll(t, links[:len(links)-1]...)
	step(t, s, 1)
	at(Frozen) // one device was polled only once since
	p.poll(t, links[len(links)-1])
	step(t, s, 0)
	at(Final)
	select {
	case <-s.final:
	default:
		t.Error("the truth is final and Wait does not know")
	}
	step(t, s, time.Hour)
	at(Final)
}

// TestPolledIsNotSettled polls everything at once after the freeze.
func TestPolledIsNotSettled(t *testing.T) {
	s := standing(t, Options{Speed: 1000, EventLength: time.Minute, OpenAtOnce: true})
	p, links := open(t, gateways(t, s))
	links = modbusOnly(links)
	for s.State().Stage != Frozen {
		step(t, s, maxStep)
	}
	for range FinalPolls {
		p.poll(t, links...)
	}
	step(t, s, SettleTime-1)
	if stage := s.State().Stage; stage != Frozen {
		t.Errorf("stage %s before subscriptions could report, want %s", stage, Frozen)
	}
	step(t, s, 1)
	if stage := s.State().Stage; stage != Final {
		t.Errorf("stage %s, want %s", stage, Final)
	}
}

func TestTruthIsNotFinalWithoutPolls(t *testing.T) {
	s := standing(t, Options{Speed: 1000, EventLength: time.Minute, OpenAtOnce: true})
	for range 1000 {
		step(t, s, time.Minute)
	}
	if stage := s.State().Stage; stage != Frozen {
		t.Errorf("stage %s without a single poll, want %s", stage, Frozen)
	}
}

// TestStarvedVenueSlowsDown is what keeps counters below their highest rate on a busy machine.
func TestStarvedVenueSlowsDown(t *testing.T) {
	s := standing(t, Options{Speed: 100, OpenAtOnce: true})
	step(t, s, 0)
	step(t, s, 10*time.Second)
	if got, want := s.Truth().SimulatedSeconds, (100 * maxStep).Seconds(); got != want {
		t.Errorf("a step of 10 s let %g s pass, want %g", got, want)
	}
}

func TestFreezeEndsTheEvent(t *testing.T) {
	s := standing(t, Options{Speed: 1000, OpenAtOnce: true})
	for range 50 {
		step(t, s, maxStep)
	}
	s.Freeze()
	before := s.Truth()
	for range 10 {
		step(t, s, maxStep)
	}
	after := s.Truth()
	if after.Stage != Frozen || before.Passages != after.Passages || before.SimulatedSeconds != after.SimulatedSeconds {
		t.Errorf("stage %s; %+v at %g s became %+v at %g s", after.Stage, before.Passages, before.SimulatedSeconds, after.Passages, after.SimulatedSeconds)
	}
}

// call asks the simulator over HTTP.
func call(t *testing.T, s *Sim, method, path, body string) (code int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(raw))
}

func TestHTTP(t *testing.T) {
	s, err := Start(t.Context(), Options{Speed: 10, EventLength: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	ask := func(method, path string, into any) int {
		t.Helper()
		code, text := call(t, s, method, path, "")
		if into != nil && code == http.StatusOK {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatalf("%s %s answers %q: %v", method, path, text, err)
			}
		}
		return code
	}
	var state State
	if code := ask("GET", "/state", &state); code != 200 || state.Stage != Waiting || state.Venue != "dal-001" || state.Phase != crowd.Doors || state.EventSeconds != 3600 {
		t.Errorf("state %d %+v", code, state)
	}
	if code := ask("GET", "/healthz", nil); code != 200 {
		t.Errorf("healthz %d", code)
	}
	if code := ask("POST", "/control/freeze", nil); code != 200 {
		t.Errorf("freeze %d", code)
	}
	if code := ask("POST", "/control/open", nil); code != 200 {
		t.Errorf("open %d", code)
	}
	if code := ask("GET", "/control/freeze", nil); code != http.StatusMethodNotAllowed {
		t.Errorf("an order by GET is answered with %d", code)
	}
	passages := []Passage{{}}
	if code := ask("GET", "/truth/passages", &passages); code != 200 || len(passages) != 0 {
		t.Errorf("passages %d: %d before anybody passed", code, len(passages))
	}
	var truth Truth
	if code := ask("GET", "/truth", &truth); code != 200 || len(truth.Seats.States) != arena.SeatCount || truth.Final {
		t.Errorf("truth %d with %d seats, final %v", code, len(truth.Seats.States), truth.Final)
	}
}

func TestEndOfContextEndsEverything(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	addr := s.Address("plc-gates-1")
	cancel()
	<-s.Done()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("a device still listens")
	}
	if err := s.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("waiting for a closed venue: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx); err == nil {
		t.Error("the truth of an event that never began is final")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{Speed: -1}, {Speed: math.NaN()}, {Speed: math.Inf(1)}, {Speed: MaxSpeed + 1},
		{EventLength: time.Second}, {Attendance: arena.SeatCount + 1},
	} {
		if s, err := Start(t.Context(), o); err == nil {
			s.Close()
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestTakenPortsEndTheStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for what, o := range map[string]Options{"plc-seats-101": {ModbusPort: port}, "building": {OPCUAPort: port}, "truth": {HTTPPort: port}} {
		s, err := Start(t.Context(), o)
		if err == nil {
			s.Close()
			t.Errorf("%s started on a port that is taken", what)
		} else if !strings.Contains(err.Error(), what) {
			t.Errorf("error %q does not name %s", err, what)
		}
	}
}
