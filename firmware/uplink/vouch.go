package uplink

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Judge says who vouches for what came down on one session.
type Judge interface {
	// Learn takes in a cloud/status, which shows the chains of the keys that sign.
	Learn(status []byte) error
	// Verify returns who vouches for a payload that was published to topic, or why nobody does; an error that wraps ErrUnsigned means
	// that it has no signature and needs one.
	Verify(topic string, payload []byte) (Voucher, error)
}

// Voucher is on whose word an ack counts.
type Voucher struct {
	Signed              bool      // by a signature; else the broker is the aggregator's own
	NotBefore, NotAfter time.Time // the life of the certificate behind it, and so of every time it can tell; both zero for no bounds
}

// ErrUnsigned is what comes without a signature over a broker that is not the aggregator's own.
var ErrUnsigned = errors.New("it is not signed, and the broker is not the aggregator's own")

// How acks that are signed, and may so be replayed by whoever saw them, are kept fresh.
const (
	// AckTolerance is how far an ack's cloud time may lie behind that of the newest ack, plus the time since.
	AckTolerance = time.Minute
	// StalePatience is after how long of nothing but stale acks the cloud's clock is taken to have been set back.
	StalePatience = 5 * time.Minute
	keptRetired   = 16
	keptCommands  = 64
)

var (
	errStale   = errors.New("its time lies too far behind that of acks before it")
	errForeign = errors.New("it is of an incarnation of the cloud's log that another one has followed")
	errLife    = errors.New("its time lies outside the life of the key that signed it")
)

// freshness tells new acks from replayed ones: by the incarnation of the cloud's log and by the cloud's time. It is safe for
// concurrent use; the time is passed in and must not step.
type freshness struct {
	mu          sync.Mutex
	incarnation string
	newest      time.Time // the cloud's time
	at          time.Time // when that came
	stale       time.Time // since when nothing else came; zero for not
	retired     []string
}

// judge takes in an ack and returns why it must be ignored, or nil.
func (f *freshness) judge(now time.Time, incarnation string, cloud time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.newest.IsZero() {
		f.accept(now, incarnation, cloud)
		return nil
	}
	if slices.Contains(f.retired, incarnation) {
		return errForeign
	}
	if cloud.Before(f.newest.Add(now.Sub(f.at) - AckTolerance)) {
		if f.stale.IsZero() {
			f.stale = now
		}
		if now.Sub(f.stale) < StalePatience {
			return errStale
		}
		f.newest = time.Time{} // the cloud's clock was set back
	} else if incarnation != f.incarnation && !cloud.After(f.newest) {
		return errForeign
	}
	f.accept(now, incarnation, cloud)
	return nil
}

func (f *freshness) accept(now time.Time, incarnation string, cloud time.Time) {
	f.stale = time.Time{}
	if incarnation != f.incarnation && f.incarnation != "" {
		f.retired = append(f.retired, f.incarnation)
		f.retired = f.retired[max(0, len(f.retired)-keptRetired):]
	}
	f.incarnation = incarnation
	if cloud.After(f.newest) {
		f.newest, f.at = cloud, now
	}
}

// vouched returns who vouches for an inbound message; without a judge everybody does.
func (s *session) vouched(what string, m mqtt.Message) (v Voucher, ok bool) {
	s.mu.Lock()
	judge := s.judge
	s.mu.Unlock()
	if judge == nil {
		return v, s.u.o.Judge == nil
	}
	v, err := judge.Verify(m.Topic, m.Payload)
	if err == nil {
		return v, true
	}
	count := &s.u.count.forged
	if errors.Is(err, ErrUnsigned) {
		count = &s.u.count.unsigned
	}
	if count.Add(1) == 1 {
		s.u.log.Warn("an inbound "+what+" that nobody vouches for is ignored; further ones are only counted", "err", err)
	}
	return v, false
}

// fresh reports whether a vouched ack is one that was just made.
func (s *session) fresh(now time.Time, v Voucher, a *wire.Ack) bool {
	if !v.Signed {
		return true
	}
	err := errLife
	if v.tells(a.CloudTime) {
		err = s.u.freshness.judge(now, a.Incarnation, a.CloudTime)
	}
	if err == nil {
		return true
	}
	if s.u.count.stale.Add(1) == 1 {
		s.u.log.Warn("an ack is ignored; further ones are only counted", "err", err, "incarnation", a.Incarnation, "cloud_time", a.CloudTime)
	}
	return false
}

// tells reports whether the voucher can have told this time.
func (v Voucher) tells(t time.Time) bool {
	return !t.IsZero() && (v.NotBefore.IsZero() || !t.Before(v.NotBefore)) && (v.NotAfter.IsZero() || !t.After(v.NotAfter))
}

// learn takes in the cloud's status.
func (s *session) learn(payload []byte) {
	s.mu.Lock()
	judge := s.judge
	s.mu.Unlock()
	if judge == nil || len(payload) == 0 {
		return
	}
	if err := judge.Learn(payload); err != nil {
		s.malformed("cloud status", err)
	}
}

// repeated reports whether a command was taken in before, and remembers it.
func (u *Uplink) repeated(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slices.Contains(u.obeyed, id) {
		return true
	}
	u.obeyed = append(u.obeyed, id)
	u.obeyed = u.obeyed[max(0, len(u.obeyed)-keptCommands):]
	return false
}

// keptQuestions is how many inventories of a session may wait for their answers.
const keptQuestions = 16

// asked notes when an inventory went out.
func (s *session) asked(number uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.questions) >= keptQuestions {
		clear(s.questions)
	}
	s.questions[number] = at
}

// roundTrip returns how long ago the inventory went out that an ack answers. Nothing else tells how old the cloud's time is: a batch
// may have been sent before.
func (s *session) roundTrip(number uint64, now time.Time) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.questions[number]
	delete(s.questions, number)
	return now.Sub(at), ok
}
