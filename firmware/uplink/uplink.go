package uplink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Defaults and bounds of Options.
const (
	DefaultWindow = 2 << 20 // the most bytes in flight
	// InventoryEvery is how often an inventory goes out, and the status when it changed.
	InventoryEvery = 10 * time.Second
	// DrainPatience is how long a session waits for acks before it gives way to one with a fresh SVID.
	DrainPatience = 2 * time.Second
	// StopPatience is how long the last batches and their acks may take when the gateway stops.
	StopPatience = 2 * time.Second
	// DownPatience is how long a link is probed on one session before a new one is tried.
	DownPatience = 2 * time.Minute
	// farewell bounds the death and the DISCONNECT.
	farewell = time.Second
	// birthPatience bounds the subscription.
	birthPatience = 10 * time.Second
)

// Session is one connection to a broker; sync/mqtt's Session is the product's.
type Session interface {
	Publish(m mqtt.Message, done func(error)) error
	Subscribe(ctx context.Context, filters ...string) error
	Lost() <-chan struct{}
	Err() error
	Close() error
}

// Dialer opens a session. Will, OnMessage and Log are set in o; the dialer sets the rest: where, as whom, how patiently.
type Dialer func(ctx context.Context, o mqtt.Options) (Session, error)

// Identity says when the credentials change; sync/identity's Source is the product's.
type Identity interface {
	Updated() <-chan struct{} // closed at the next change; ask again afterwards
	NotAfter() time.Time      // zero before there is any
}

// Spool is where batches come from; firmware/store's Keeper is the product's.
type Spool interface {
	Ready() <-chan struct{}
	Take(spool.Grant) (spool.Taken, bool)
	Commit(point.BatchID)
	Fail(point.BatchID)
	FailAll()
	InFlight() int
	LiveWaiting(point.Lane) uint64
	Ack(wire.Ack) spool.Released
	Inventory() wire.Inventory
	Table(point.TableHash) (spool.Table, bool)
	Tables() []spool.Table
}

// Options configure an Uplink. Venue, Gateway, Dial, Spool and Status are required; zero values elsewhere stand for the defaults.
type Options struct {
	Venue, Gateway point.ID
	Dial           Dialer
	Spool          Spool
	// Status returns what the gateway has to say of itself; the uplink sets venue, gateway, session, state and reason.
	Status   func() wire.Status
	Identity Identity // nil for none that changes
	Window   int64    // the most bytes in flight; DefaultWindow
	// RateLimit is how many bytes of batches go a second at most, live ones first; 0 for no limit.
	RateLimit int64
	// CloudTime is told the cloud's time of each ack that answers an inventory, and how long ago that was sent. It reports whether the
	// inventory says more now, which then goes out at once. nil for none.
	CloudTime func(cloud time.Time, roundTrip time.Duration) (told bool)
	// Update takes an order to update the image, and returns at once why not; nil for a gateway that cannot. It is given orders that somebody vouches
	// for, and that have not expired by a time that is known.
	Update func(wire.UpdateOrder) error
	// Judge returns who judges acks and commands of a session; nil believes the broker.
	Judge func(Session) Judge
	// Sign returns a batch with a signature; nil sends it as it is.
	Sign   func(topic string, frame []byte) ([]byte, error)
	Now    func() (now time.Time, known bool) // wall clock, for the expiry of commands; the system's when nil
	Jitter func(time.Duration) time.Duration  // draws from [0, d); math/rand
	Log    *slog.Logger
}

// State is how the uplink stands.
type State int32

// The states of the uplink.
const (
	Connecting State = iota // no session
	Up                      // a session, acks come or none is due
	Down                    // a session, and no ack for three timeouts
	Stopped
)

// String returns the state as statuses and metrics write it.
func (s State) String() string { return [...]string{"connecting", "up", "down", "stopped"}[s] }

// Stats are totals since the start.
type Stats struct {
	Connects, Failed, Lost, Rotations uint64 // sessions: begun, not begun, lost, given up for a fresh SVID
	Live, Replay, Critical, Bytes     uint64 // batches published, and their bytes
	Acks, Late, Probes                uint64 // acks decoded, batches whose ack was late, batches sent to probe
	Malformed, Expired, Overflow      uint64 // see the package comment
	Commands                          uint64 // done
	Unsigned, Forged, Stale           uint64 // acks and commands that nobody vouches for, and acks that were replayed
}

type counters struct {
	connects, failed, lost, rotations atomic.Uint64
	live, replay, critical, bytes     atomic.Uint64
	acks, late, probes                atomic.Uint64
	malformed, expired, overflow      atomic.Uint64
	commands                          atomic.Uint64
	unsigned, forged, stale           atomic.Uint64
}

// Uplink sends what the spool holds. Run does the work.
type Uplink struct {
	o     Options
	log   *slog.Logger
	count counters
	state atomic.Int32
	mu    sync.Mutex
	ended error // why the last session ended

	obeyed    []string // ids of commands
	freshness freshness

	present atomic.Pointer[session] // nil between sessions
	pulse   notify.Pulse            // of Run, and of the control of its session
	pumping notify.Pulse            // of the session's pump
	ahead   atomic.Int64            // see Flight
	judged  atomic.Bool
}

// New returns an uplink.
func New(o Options) (*Uplink, error) {
	if o.Dial == nil || o.Spool == nil || o.Status == nil || o.Venue == "" || o.Gateway == "" {
		return nil, errors.New("uplink: Options.Venue, Gateway, Dial, Spool and Status are required")
	}
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	if o.Now == nil {
		o.Now = func() (time.Time, bool) { return time.Now(), true }
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration { return mathrand.N(max(d, 1)) }
	}
	if o.CloudTime == nil {
		o.CloudTime = func(time.Time, time.Duration) bool { return false }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Uplink{o: o, log: o.Log}, nil
}

// Run connects, sends and receives until ctx ends, and then stops gracefully. It returns nil. End ctx after the batcher has
// stopped and before the store does.
func (u *Uplink) Run(ctx context.Context) error {
	defer u.state.Store(int32(Stopped))
	defer u.pulse.Rest()
	pause := backoff{jitter: u.o.Jitter, base: 500 * time.Millisecond, max: 30 * time.Second}
	down := false // since the last ack
	for ctx.Err() == nil {
		u.pulse.Work()
		u.state.Store(int32(Connecting))
		var updated <-chan struct{}
		if u.o.Identity != nil {
			updated = u.o.Identity.Updated() // asked for before the handshake uses it
		}
		s, err := u.connect(ctx, updated, down)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			u.count.failed.Add(1)
			u.report("the uplink cannot connect", err)
			u.pulse.Rest()
			sleep(ctx, pause.next(), updated)
			continue
		}
		u.count.connects.Add(1)
		u.present.Store(s)
		end := s.run(ctx)
		u.present.Store(nil)
		if s.proved.Load() {
			pause.reset()
		}
		down = s.standing() == Down
		switch end {
		case endLost, endDown:
			u.count.lost.Add(1)
			u.report("the uplink's session ended", s.cause())
			u.pulse.Rest()
			sleep(ctx, pause.next(), nil)
		case endRotation:
			u.count.rotations.Add(1)
		}
	}
	return nil
}

// report logs err, but not the same one over and over.
func (u *Uplink) report(what string, err error) {
	u.mu.Lock()
	again := u.ended != nil && err != nil && u.ended.Error() == err.Error()
	u.ended = err
	u.mu.Unlock()
	if again {
		u.log.Debug(what+" again", "err", err)
		return
	}
	u.log.Warn(what, "err", err)
}

// Stuck returns an error when the loop in charge or the pump has been at one step for longer than patience. Each call that waits for the network is a
// step, and bounded; a broker that is away is none.
func (u *Uplink) Stuck(patience time.Duration) error {
	return errors.Join(u.pulse.Stuck("the uplink's control", patience), u.pumping.Stuck("the uplink's pump", patience))
}

// State returns how the uplink stands, and why the last session or attempt failed.
func (u *Uplink) State() (State, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return State(u.state.Load()), u.ended
}

// Stats returns totals since the start.
func (u *Uplink) Stats() Stats {
	c := &u.count
	return Stats{Connects: c.connects.Load(), Failed: c.failed.Load(), Lost: c.lost.Load(), Rotations: c.rotations.Load(),
		Live: c.live.Load(), Replay: c.replay.Load(), Critical: c.critical.Load(), Bytes: c.bytes.Load(),
		Acks: c.acks.Load(), Late: c.late.Load(), Probes: c.probes.Load(), Malformed: c.malformed.Load(),
		Expired: c.expired.Load(), Overflow: c.overflow.Load(), Commands: c.commands.Load(),
		Unsigned: c.unsigned.Load(), Forged: c.forged.Load(), Stale: c.stale.Load()}
}

// backoff draws pauses with full jitter: uniformly from nothing to a bound that doubles.
type backoff struct {
	jitter    func(time.Duration) time.Duration
	base, max time.Duration
	bound     time.Duration
}

func (b *backoff) next() time.Duration {
	b.bound = min(max(2*b.bound, b.base), b.max)
	return b.jitter(b.bound)
}

func (b *backoff) reset() { b.bound = 0 }

// sleep waits for d, the end of ctx or a change of the identity.
func sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

func newSessionID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}
