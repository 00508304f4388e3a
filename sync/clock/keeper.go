package clock

import (
	"sync"
	"time"
)

// How a Keeper judges clocks.
const (
	// Slack is the largest correction of a dated boot that is made at once forwards, and slowly backwards; more is a contradiction.
	Slack = time.Second
	// StepPatience is how long a contradiction of a dated boot has to last until it is believed without a second witness.
	StepPatience = 5 * time.Minute
	// MaxDrift is by how much a clock that nothing disciplines may go wrong, in parts per million.
	MaxDrift = 100
	// MaxRoundTrip is the longest exchange that the cloud's time is taken from.
	MaxRoundTrip = 30 * time.Second

	// earliest is the beginning of 2026 in Unix ns: a clock that shows less was never set, whatever is known besides.
	earliest = 1_767_225_600 * int64(time.Second)

	systemUncertainty = time.Second
	leastUncertainty  = time.Millisecond
	slewShare         = 100 // backwards by one part in this many of the time that passes
)

// Jump is a step of a clock that the monotonic clock says did not happen.
type Jump struct {
	Mono     int64         // when it was seen
	By       time.Duration // how far the clock moved
	Source   Source        // which clock moved
	Followed bool          // a new map was made of it
}

// Status is how a Keeper stands.
type Status struct {
	Map   Map
	Jumps uint64 // seen since the Keeper was made
	Last  Jump   // the newest
	// Disagree is by how much the cloud's time lies ahead of NTP's, beyond what both allow; 0 when they agree or one is silent.
	Disagree time.Duration
}

// KeeperOptions describe a Keeper. Read is required.
type KeeperOptions struct {
	Read  func() Reading
	Mono  func() int64     // the same monotonic time as Read's, cheaper; nil for Read
	Floor func() time.Time // what the time cannot be before; nil for none
	Jump  func(Jump)       // told of each jump, under the Keeper's lock; nil for none
}

// Keeper keeps the time map in force. It is a state machine: clocks are read through its options, and it starts nothing. It is safe
// for concurrent use and implements Clock. Call Map once a second at least, so that jumps are noticed.
type Keeper struct {
	o KeeperOptions

	mu     sync.Mutex
	held   Map
	begun  bool
	at     int64 // mono of the last reading
	fresh  int64 // mono at which a clock confirmed held last
	system int64 // wall − mono of the last reading
	cloud  span
	doubt  doubt
	status Status
}

// span is what the cloud's time allows for wall − mono.
type span struct {
	known  bool
	lo, hi int64
	at     int64 // mono at which it was so
}

// doubt is a contradiction that has not been believed yet.
type doubt struct {
	open   bool
	offset int64
	since  int64
}

// candidate is what one clock says of wall − mono.
type candidate struct {
	source      Source
	offset      int64
	uncertainty int64
}

// NewKeeper returns a Keeper that has read the clocks once.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Floor == nil {
		o.Floor = func() time.Time { return time.Time{} }
	}
	if o.Jump == nil {
		o.Jump = func(Jump) {}
	}
	if o.Mono == nil {
		o.Mono = func() int64 { return o.Read().Mono }
	}
	k := &Keeper{o: o}
	k.Map()
	return k
}

// Mono implements Clock.
func (k *Keeper) Mono() int64 { return k.o.Mono() }

// Map implements Clock: it reads the clocks and returns the map in force.
func (k *Keeper) Map() Map {
	r := k.o.Read()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look(r)
	m := k.held
	if m.Source.Dated() {
		m.Uncertainty += time.Duration(drift(k.at - k.fresh))
	}
	return m
}

// Wall returns the time by the map in force, and whether a trustworthy clock stands behind it.
func (k *Keeper) Wall() (now time.Time, dated bool) {
	r := k.o.Read()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look(r)
	return time.Unix(0, k.held.Wall(max(r.Mono, k.at))), k.held.Source.Dated()
}

// Status returns how the Keeper stands.
func (k *Keeper) Status() Status {
	m := k.Map()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Map = m
	return k.status
}

// CloudTime takes in the cloud's time from a verified ack that answers what was sent roundTrip before now. It reports whether the map in
// force agrees with it; only then is the time fit to be persisted.
func (k *Keeper) CloudTime(cloud time.Time, roundTrip time.Duration) (agrees bool) {
	if roundTrip < 0 || roundTrip > MaxRoundTrip {
		return false
	}
	r := k.o.Read()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := span{known: true, lo: cloud.UnixNano() - r.Mono, hi: cloud.UnixNano() - r.Mono + int64(roundTrip), at: r.Mono}
	if old := k.cloud.wide(r.Mono); old.known && old.lo <= s.hi && s.lo <= old.hi {
		s.lo, s.hi = max(s.lo, old.lo), min(s.hi, old.hi)
	} else if old.known {
		defer func(before Map) {
			k.report(Jump{Mono: r.Mono, By: time.Duration(s.lo - old.lo), Source: Cloud, Followed: k.held.From != before.From})
		}(k.held)
	}
	k.cloud = s
	k.look(r)
	return k.held.Source.Dated() && s.candidate().agrees(k.heldNow(r.Mono))
}

// wide returns the span as it is at mono, wider by what an undisciplined clock may drift.
func (s span) wide(mono int64) span {
	d := drift(mono - s.at)
	return span{known: s.known, lo: s.lo - d, hi: s.hi + d, at: mono}
}

func drift(passed int64) int64 { return max(passed, 0) / (1e6 / MaxDrift) }

func (s span) candidate() candidate {
	return candidate{Cloud, s.lo + (s.hi-s.lo)/2, (s.hi-s.lo)/2 + int64(leastUncertainty)}
}

// agrees reports whether two clocks may both be right, but for a small correction.
func (c candidate) agrees(d candidate) bool {
	return abs(c.offset-d.offset) <= c.uncertainty+d.uncertainty+int64(Slack)
}

func abs(d int64) int64 {
	if d < 0 {
		return -d
	}
	return d
}

// heldNow returns the map in force as a candidate, with the uncertainty that it has by now.
func (k *Keeper) heldNow(mono int64) candidate {
	return candidate{k.held.Source, int64(k.held.Offset), int64(k.held.Uncertainty) + drift(mono-k.fresh)}
}
