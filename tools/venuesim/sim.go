package venuesim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

// Stage is how far the event is as a test sees it.
type Stage string

// The stages, in order.
const (
	Waiting Stage = "waiting"
	Running Stage = "running"
	Frozen  Stage = "frozen"
	Final   Stage = "final"
)

const (
	// DoorPolls is how many complete polls of every counter open the doors: the answer to the first may have been lost.
	DoorPolls = 2
	// FinalPolls is how many complete polls of every Modbus device make the truth final: the first
	// may have read some registers before the freeze.
	FinalPolls = 2
	// SettleTime is how long the truth stays open at least after the freeze, for subscriptions to report.
	SettleTime = 2 * time.Second

	// tick is how often the crowd moves, in real time.
	tick = 10 * time.Millisecond
	// maxStep bounds what one tick makes up for when the process was starved. Beyond it simulated time
	// slows down, so that a counter never jumps further between two polls than its highest rate allows.
	maxStep = 50 * time.Millisecond
)

// Sim is a running simulated venue. Its methods are safe for concurrent use.
type Sim struct {
	options  Options
	arena    *arena.Arena
	plan     *field.Plan
	field    *field.Field
	listener net.Listener
	log      *slog.Logger
	lanes    []lane // of all gates, in order

	cancel  context.CancelFunc
	final   chan struct{} // closed when the truth is final
	stopped chan struct{} // closed when everything has ended
	err     error         // why it ended, once stopped is closed

	mu     sync.Mutex
	crowd  *crowd.Crowd
	stage  Stage
	open   bool          // the doors were asked to open
	freeze bool          // the event was asked to end
	still  time.Duration // real, since the freeze
	coming []Fault       // not due yet
	ill    map[string]*illness
}

// lane is a turnstile: the position of its gate and its number there.
type lane struct{ gate, number int }

// Start starts the venue's devices and its HTTP server. Everything ends when ctx does or with Close.
func Start(ctx context.Context, o Options) (*Sim, error) {
	s, err := newSim(o)
	if err != nil {
		return nil, err
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go s.run(ctx)
	return s, nil
}

// newSim returns a venue whose devices serve and whose clock stands still.
func newSim(o Options) (*Sim, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	a := arena.Dallas()
	timetable, err := crowd.Timetable(a, crowd.Options{Seed: o.Seed, Length: o.EventLength, Attendance: o.Attendance})
	if err != nil {
		return nil, err
	}
	plan, err := field.PlanOf(a, o.plan())
	if err != nil {
		return nil, err
	}
	s := &Sim{
		options: o, arena: a, plan: plan, log: o.Log, crowd: crowd.New(a, timetable),
		stage: Waiting, open: o.OpenAtOnce, coming: slices.Clone(o.Faults), ill: map[string]*illness{}, final: make(chan struct{}), stopped: make(chan struct{}),
	}
	for gate, g := range a.Gates {
		for n := range g.Lanes {
			s.lanes = append(s.lanes, lane{gate: gate, number: n + 1})
		}
	}
	if s.field, err = field.Start(s.plan, s.crowd, s.fieldOptions()); err != nil {
		return nil, fmt.Errorf("start the devices of %s: %w", a.Venue, err)
	}
	s.listener, err = net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.HTTPPort)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve the truth: %w", err), s.field.Close())
	}
	return s, nil
}

func (s *Sim) fieldOptions() field.Options {
	o := s.options
	return field.Options{Host: o.Host, ModbusPort: o.ModbusPort, OPCUAPort: o.OPCUAPort, TrackingPort: o.TrackingPort,
		Seed: o.Seed, Dated: o.Speed == 1, EventLength: o.EventLength}
}

// run moves the crowd and serves the truth until ctx ends, then closes everything.
func (s *Sim) run(ctx context.Context) {
	defer close(s.stopped)
	defer s.cancel()
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()

	moved := s.move(ctx)
	closed := shutdown(server)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		closed = errors.Join(closed, fmt.Errorf("serve the truth: %w", err))
	}
	s.err = errors.Join(moved, closed, s.field.Close())
}

// shutdown lets answers under way be finished, within a second, and waits for them.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(ctx) == nil {
		return nil
	}
	return server.Close()
}

// move is the simulation's clock.
func (s *Sim) move(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := time.Now()
		if err := s.step(now.Sub(last)); err != nil {
			s.log.Error("the simulation ends: its devices would not show the truth", "venue", s.arena.Venue, "err", err)
			return err
		}
		last = now
	}
}

// step lets elapsed of real time pass.
func (s *Sim) step(elapsed time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sicken(elapsed)
	switch s.stage {
	case Waiting:
		if s.open || s.field.Polls(true) >= DoorPolls {
			s.enter(Running)
		}
	case Running:
		if err := s.advance(elapsed); err != nil {
			return err
		}
	case Frozen:
		s.still += elapsed
		if s.still >= SettleTime && s.field.Polls(false) >= FinalPolls {
			s.enter(Final)
			close(s.final)
		}
	}
	return s.field.Refresh(elapsed)
}

func (s *Sim) advance(elapsed time.Duration) error {
	step := time.Duration(float64(min(elapsed, maxStep)) * s.options.Speed)
	if !s.freeze {
		to := min(s.crowd.Now()+step, s.options.EventLength)
		if err := s.field.Apply(s.crowd.Advance(to)); err != nil {
			return err
		}
	}
	if s.freeze || s.crowd.Now() >= s.options.EventLength {
		s.field.RestartPolls()
		s.enter(Frozen)
	}
	return nil
}

func (s *Sim) enter(stage Stage) {
	s.stage = stage
	s.log.Info("venue", "venue", s.arena.Venue, "stage", stage, "simulated", s.crowd.Now(),
		"inside", s.crowd.Inside(), "seated", s.crowd.Seated())
}

// OpenDoors opens the doors without waiting for polls. It does nothing once they are open.
func (s *Sim) OpenDoors() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
}

// Freeze ends the event before its time: nobody moves any more. Doors that are still shut are opened and shut again,
// so that the truth becomes final all the same.
func (s *Sim) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open, s.freeze = true, true
}

// Wait returns nil once the truth is final, or the reason why it never will be.
func (s *Sim) Wait(ctx context.Context) error {
	select {
	case <-s.final:
		return nil
	case <-s.stopped:
		return errors.Join(errors.New("the venue was closed before its truth was final"), s.err)
	case <-ctx.Done():
		return fmt.Errorf("wait for the final truth: %w", context.Cause(ctx))
	}
}

// Done is closed when everything has ended, after Close, the end of Start's context or a failure.
func (s *Sim) Done() <-chan struct{} { return s.stopped }

// URL returns the base URL of the truth, "http://127.0.0.1:8099".
func (s *Sim) URL() string { return "http://" + s.listener.Addr().String() }

// Arena returns the venue's geometry. It must not be changed.
func (s *Sim) Arena() *arena.Arena { return s.arena }

// Plan returns the venue's devices. It must not be changed.
func (s *Sim) Plan() *field.Plan { return s.plan }

// Address returns where a device listens, host:port, "" for an unknown one.
func (s *Sim) Address(device string) string { return s.field.Address(device) }

// Close ends the simulation and every connection, and waits. It returns why the simulation had failed, if it had; it may be called twice.
func (s *Sim) Close() error {
	s.cancel()
	<-s.stopped
	return s.err
}
