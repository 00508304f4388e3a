package enrol

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
	"github.com/courtside-edge/courtside/sync/policy"
)

const (
	// defaultLook is how often token and SVID are looked at.
	defaultLook = 5 * time.Second
	// undated is how long a gateway without a clock waits for one, before it renews an SVID whose age it cannot know.
	undated = 2 * time.Minute
	// longest is the longest wait between attempts; a wish of the aggregator's for more is not followed.
	longest = 30 * time.Minute
)

// Options describe an enrolment.
type Options struct {
	Dir       string           // of what is kept; made when it is absent
	TokenFile string           // need not exist
	ID        identity.ID      // of this gateway
	Source    *identity.Source // of what Files names
	Clock     identity.Clock
	Look      time.Duration  // how often token and SVID are looked at; 0 for 5 s
	Quick     policy.Backoff // zero for 2 s to 5 min
	Slow      policy.Backoff // zero for 1 min to 30 min
	Log       *slog.Logger   // nil for none
}

// Enrolment enrols one gateway and renews its SVID. Status is safe for concurrent use with Run.
type Enrolment struct {
	o     Options
	files files
	log   *slog.Logger

	// Of Run alone.
	joining, renewing task
	token             string    // id of the one that joining is for
	since             time.Time // when the SVID at hand was first seen
	seen              time.Time // its end
	fresh             bool      // it was issued since the start

	mu     sync.Mutex
	status Status
}

// task is something that is tried until it succeeds.
type task struct {
	failures int
	next     time.Time // not before; on the monotonic clock
	err      error     // of the last try
}

// New returns an enrolment. Its error is one of the machine: the folder cannot be made.
func New(o Options) (*Enrolment, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Look <= 0 {
		o.Look = defaultLook
	}
	if o.Quick.Max <= 0 { // for what passes by itself
		o.Quick = policy.Backoff{Base: 2 * time.Second, Max: 5 * time.Minute, Full: true}
	}
	if o.Slow.Max <= 0 { // for a refusal
		o.Slow = policy.Backoff{Base: time.Minute, Max: longest, Full: true}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return &Enrolment{o: o, files: files{o.Dir, identity.WriteFile}, log: o.Log, since: time.Now()}, nil
}

// Run enrols and renews until ctx ends.
func (e *Enrolment) Run(ctx context.Context) {
	tick := time.NewTicker(e.o.Look)
	defer tick.Stop()
	for {
		e.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round looks once, and does what is due.
func (e *Enrolment) round(ctx context.Context) {
	h, broken := e.files.held()
	token, tokenErr := e.readToken()
	if tokenErr == nil && (h == nil || h.Token != token.ID()) {
		if e.token != token.ID() {
			e.token, e.joining = token.ID(), task{}
		}
		if e.try(ctx, &e.joining, "enrolment", func() error { return e.enrol(ctx, token) }) {
			h, broken = e.files.held()
			e.rest(h)
			e.log.Info("enrolled", "token", token.ID(), "aggregator", token.Address)
		}
	} else {
		e.joining = task{}
	}
	if h != nil && e.renewalDue(h) {
		e.renewal(ctx, h)
	}
	e.report(h, errors.Join(broken, e.joining.err, e.renewing.err), tokenErr, token)
}

// renewal tries to renew what is held.
func (e *Enrolment) renewal(ctx context.Context, h *held) {
	if e.try(ctx, &e.renewing, "renewal", func() error { return e.renew(ctx, h) }) {
		e.rest(h)
		e.log.Info("SVID renewed", "aggregator", h.Address)
	}
}

// rest puts the next renewal off after an SVID came, whatever the clocks say of it.
func (e *Enrolment) rest(h *held) {
	e.fresh, e.renewing = true, task{}
	if h != nil {
		e.renewing.next = time.Now().Add(h.end.Sub(h.begin) / 4)
	}
}

// try does a task if it is time, and reports whether it succeeded.
func (e *Enrolment) try(ctx context.Context, t *task, what string, do func() error) bool {
	if time.Now().Before(t.next) {
		return false
	}
	err := do()
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		*t = task{}
		return true
	}
	if t.err == nil || t.err.Error() != err.Error() {
		e.log.Warn(what+" failed; it is tried again", "err", err)
	}
	t.failures++
	t.err = err
	wait := e.o.Quick.Wait(t.failures)
	if no, ok := errors.AsType[*refused](err); ok {
		if !no.Reason.Passing() {
			wait = e.o.Slow.Wait(t.failures)
		}
		wait = max(wait, no.after)
	}
	t.next = time.Now().Add(wait)
	return false
}

// renewalDue reports whether the SVID is past half its life, or may be.
func (e *Enrolment) renewalDue(h *held) bool {
	if !e.seen.Equal(h.end) {
		if !e.seen.IsZero() {
			e.since = time.Now()
		}
		e.seen = h.end
	}
	life := max(h.end.Sub(h.begin), 0)
	if e.o.Clock.Trusted() {
		now := e.o.Clock.Time()
		return now.Before(h.begin.Add(-identity.Backdate)) || !now.Before(h.begin.Add(life/2)) // the former was dated by a wrong clock
	}
	if e.fresh {
		return time.Since(e.since) >= life/2
	}
	return time.Since(e.since) >= min(life/2, undated)
}

// errNoToken is a token file that is absent or empty.
var errNoToken = errors.New("there is no join token")

// readToken returns the token of the file, if it is this gateway's.
func (e *Enrolment) readToken() (join.Token, error) {
	text, err := readSmall(e.o.TokenFile, join.MaxTokenBytes)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return join.Token{}, fmt.Errorf("%w at %s", errNoToken, e.o.TokenFile)
	}
	if err != nil {
		return join.Token{}, fmt.Errorf("reading the join token: %w", err)
	}
	t, err := join.Parse(string(text))
	if err != nil {
		return join.Token{}, fmt.Errorf("file %s: %w", e.o.TokenFile, err)
	}
	if t.Venue != e.o.ID.Venue || t.Gateway != e.o.ID.Name || t.TrustDomain != e.o.ID.TrustDomain {
		return join.Token{}, fmt.Errorf("file %s: the token is for gateway %s/%s of trust domain %s, this is %s/%s of %s: %w", e.o.TokenFile, t.Venue, t.Gateway, t.TrustDomain,
			e.o.ID.Venue, e.o.ID.Name, e.o.ID.TrustDomain, errNotOurs)
	}
	return t, nil
}

var errNotOurs = errors.New("it is another's")
