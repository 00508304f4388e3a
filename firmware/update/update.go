package update

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

// RebootFile is what, when it appears, makes the machine reboot: a unit that runs as root waits for it.
const RebootFile = "/run/courtside/reboot"

const (
	// lookEvery is how often what answers is looked at, for the evidence.
	lookEvery = 30 * time.Second
	// inspecting is how long RAUC may take to inspect an update: it reads its end and its beginning.
	inspecting = 45 * time.Second
	// asking is how long RAUC may take to say how its slots are.
	asking = 10 * time.Second
)

// Options are what an Updater stands on.
type Options struct {
	Machine   func() slot.Machine // read anew at each use: a confirmation changes it
	Installer slot.Installer
	Calendar  slot.Calendar
	Dir       string // the gateway's data directory
	Now       func() slot.Moment
	TLS       func() *tls.Config // for dialling the aggregator; nil when there is no identity to dial with
	Seen      func() slot.Seen   // what the gateway sees now
	Fetch     Fetch
	Reboot    string // the file that asks for a reboot; RebootFile unless given
	Log       *slog.Logger
}

// Updater installs updates. It is safe for concurrent use. It implements diag.Updater.
type Updater struct {
	o Options

	mu       sync.Mutex
	ctx      context.Context // of installs; nil once Run has ended
	running  sync.WaitGroup  // installs
	busy     bool            // an install is being prepared or made
	calendar slot.Calendar
	called   *slot.Called
	last     diag.Install
	source   *remote // of the install under way, when it comes over the network
	refused  map[string]int
	installs map[string]int
}

// New returns an updater whose installs end with ctx; Run, with the same context, waits for them.
func New(ctx context.Context, o Options) *Updater {
	if o.Reboot == "" {
		o.Reboot = RebootFile
	}
	u := &Updater{o: o, ctx: ctx, calendar: o.Calendar, last: diag.Install{State: "none"}, refused: map[string]int{}, installs: map[string]int{}}
	var err error
	if u.called, err = slot.LoadCalled(o.Dir); err != nil {
		o.Log.Warn("an event that was begun by command cannot be told any more; begin it again if it is on", "err", err)
	}
	return u
}

// Run keeps the evidence of the running slot until ctx ends, and then waits for the install under way to be let go of.
func (u *Updater) Run(ctx context.Context) {
	u.remember(ctx)
	u.mu.Lock()
	u.ctx = nil // no install begins any more
	u.mu.Unlock()
	u.running.Wait()
}

// remember looks at what answers until ctx ends.
func (u *Updater) remember(ctx context.Context) {
	m := u.o.Machine()
	if !m.IsImage() {
		<-ctx.Done()
		return
	}
	k, err := slot.OpenKeeper(u.o.Dir, m.Slot, m.Version, u.o.Now().Mono)
	if err != nil {
		u.o.Log.Warn("what the slots left as evidence cannot be used; it is begun anew", "err", err)
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := k.Look(u.o.Now().Mono, u.o.Seen())
		if err != nil && !failed {
			u.o.Log.Warn("the evidence of this version cannot be kept", "err", err)
		}
		failed = err != nil
	}
}

// SetCalendar puts another calendar in force.
func (u *Updater) SetCalendar(c slot.Calendar) { u.mu.Lock(); defer u.mu.Unlock(); u.calendar = c }

// Brief returns the update in short. It asks nobody.
func (u *Updater) Brief() diag.Updating {
	m := u.o.Machine()
	u.mu.Lock()
	defer u.mu.Unlock()
	return diag.Updating{Version: string(m.Version), Slot: string(m.Slot), Trial: m.Trial(), Install: u.last.State, Event: u.event(),
		Refused: maps.Clone(u.refused), Done: maps.Clone(u.installs)}
}

// Update implements diag.Updater.
func (u *Updater) Update(ctx context.Context) diag.Update {
	m := u.o.Machine()
	out := diag.Update{Image: m.Image, Version: string(m.Version), Slot: string(m.Slot), Good: string(m.Good), Trial: m.Trial()}
	if !m.IsImage() {
		out.Problem = slot.Ready(slot.Machine{}).Error()
	} else if slots, err := u.slots(ctx); err != nil {
		out.Problem = err.Error()
	} else {
		out.Slots = slots
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	out.Install, out.Event, out.Refused, out.Installs = u.last, u.event(), maps.Clone(u.refused), maps.Clone(u.installs)
	if u.source != nil {
		out.Install.Fetched, out.Install.Retries = u.source.fetched.Load(), u.source.retries.Load()
	}
	if now := u.o.Now(); now.Known {
		if w, ok := u.calendar.Next(now.Wall); ok {
			out.Next = &diag.Event{Name: w.Name, From: w.Start, Until: w.End, By: "calendar"}
		}
	}
	return out
}

// slots asks RAUC.
func (u *Updater) slots(ctx context.Context) ([]diag.UpdateSlot, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	states, err := u.o.Installer.Slots(ctx)
	if err != nil {
		return nil, err
	}
	next, err := u.o.Installer.Primary(ctx)
	if err != nil { // RAUC's way to say that no slot has boots left
		u.o.Log.Warn("which slot is booted next cannot be told", "err", err)
		next = ""
	}
	slices.SortFunc(states, func(a, b slot.State) int { return strings.Compare(a.Slot, b.Slot) }) // RAUC gives them in any order
	out := make([]diag.UpdateSlot, 0, len(states))
	for _, s := range states {
		out = append(out, diag.UpdateSlot{Slot: s.Slot, Name: string(s.Name), Version: s.Version, Booted: s.Booted, Good: s.Good, Next: s.Slot == next})
	}
	return out, nil
}

// event returns the window that is open now, nil for none. The caller holds mu.
func (u *Updater) event() *diag.Event {
	now := u.o.Now()
	if left, on := u.called.At(now); on {
		e := &diag.Event{Name: "an event begun by " + u.called.By, Left: left, By: "command"}
		if now.Known {
			e.Until = now.Wall.Add(left)
		}
		return e
	}
	switch w, open := u.calendar.At(now.Wall); {
	case len(u.calendar) == 0:
	case !now.Known:
		return &diag.Event{Name: "time unknown", By: "clock"}
	case open:
		return &diag.Event{Name: w.Name, From: w.Start, Until: w.End, Left: w.End.Sub(now.Wall), By: "calendar"}
	}
	return nil
}

// refuse counts and logs a refusal, and gives it its kind.
func (u *Updater) refuse(what string, err error) error {
	reason := reasonOf(err)
	u.mu.Lock()
	u.refused[reason]++
	u.mu.Unlock()
	u.o.Log.Warn("an update is refused", "what", what, "reason", reason, "err", err)
	return fmt.Errorf("%w: %w", diag.ErrRefused, err)
}

// reasonOf returns a refusal's kind, as metrics name it.
func reasonOf(err error) string {
	for _, k := range []struct {
		kind error
		name string
	}{{slot.ErrEvent, "event"}, {slot.ErrDowngrade, "downgrade"}, {slot.ErrCompatible, "compatible"}, {slot.ErrTrial, "trial"}, {slot.ErrBusy, "busy"},
		{slot.ErrNoImage, "no-image"}, {slot.ErrNoRAUC, "no-rauc"}} {
		if errors.Is(err, k.kind) {
			return k.name
		}
	}
	return "other"
}

// closed returns why nothing may be done now because of an event, nil when it may. The caller holds mu.
func (u *Updater) closed() error {
	e := u.event()
	if e == nil {
		return nil
	}
	fix := "wait, or use --force"
	if e.By == "command" {
		fix = "gwctl event end ends it, or use --force"
	}
	return fmt.Errorf("%w: %s; %s", slot.ErrEvent, e, fix)
}

// Reboot implements diag.Updater.
func (u *Updater) Reboot(_ context.Context, force bool) error {
	u.mu.Lock()
	err := u.closed()
	if force {
		err = nil
	}
	if u.busy {
		err = fmt.Errorf("%w; a reboot now would break it off", slot.ErrBusy)
	}
	u.mu.Unlock()
	if err != nil {
		return u.refuse("reboot", err)
	}
	return u.reboot()
}

// reboot asks for a reboot.
func (u *Updater) reboot() error {
	u.o.Log.Warn("the machine is asked to reboot", "file", u.o.Reboot)
	if err := os.WriteFile(u.o.Reboot, []byte("asked by the gateway\n"), 0o644); err != nil {
		return fmt.Errorf("asking for a reboot: %w; only images of Courtside reboot this way", err)
	}
	return nil
}

// BeginEvent implements diag.Updater.
func (u *Updater) BeginEvent(_ context.Context, lasts time.Duration) (diag.Event, error) {
	if lasts < slot.LeastEvent || lasts > slot.MostEvent {
		return diag.Event{}, fmt.Errorf("%w: an event of %s; %s to %s is allowed", diag.ErrRefused, lasts, slot.LeastEvent, slot.MostEvent)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	called := slot.Call(u.o.Now(), lasts, "command")
	if err := slot.SaveCalled(u.o.Dir, &called); err != nil {
		return diag.Event{}, err
	}
	u.called = &called
	e := u.event()
	u.o.Log.Info("an event has begun; no update is installed meanwhile", "for", lasts)
	return *e, nil
}

// EndEvent implements diag.Updater.
func (u *Updater) EndEvent(context.Context) (*diag.Event, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := slot.SaveCalled(u.o.Dir, nil); err != nil {
		return nil, err
	}
	if u.called != nil {
		u.o.Log.Info("the event that was begun by command is ended")
	}
	u.called = nil
	return u.event(), nil
}
