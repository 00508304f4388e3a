package enrol

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

// Options describe a desk.
type Options struct {
	Dir       string // of what is kept; made when it is absent
	Authority *identity.Authority
	Address   string        // host:port that gateways dial
	Life      time.Duration // of SVIDs
	Grace     time.Duration // how long after its end an SVID still renews
	Granted   func(Name) error
	Now       func() time.Time // nil for time.Now
	Log       *slog.Logger     // nil for none
}

// Desk enrols gateways and renews their SVIDs. It is safe for concurrent use.
type Desk struct {
	o      Options
	ledger *ledger
	limits *limits
	log    *slog.Logger

	mu      sync.Mutex
	issued  map[string]uint64 // by occasion, see Stats
	refused map[join.Reason]uint64
}

// Stats is what a desk has done since it was opened.
type Stats struct {
	Issued  map[string]uint64 // SVIDs by occasion: enrol, again (the same key once more), renew, older (one that was renewed before)
	Refused map[string]uint64 // by reason
	Open    int               // tokens that nobody has used yet
}

// Open opens the desk. Its error is for a person to repair.
func Open(o Options) (*Desk, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	l, err := openLedger(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return &Desk{o: o, ledger: l, limits: newLimits(o.Now), log: o.Log, issued: map[string]uint64{}, refused: map[join.Reason]uint64{}}, nil
}

// Stats returns what the desk has done.
func (d *Desk) Stats() Stats {
	s := Stats{Issued: map[string]uint64{}, Refused: map[string]uint64{}}
	for _, t := range d.ledger.list() {
		if t.State(d.o.Now()) == "open" {
			s.Open++
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.Copy(s.Issued, d.issued)
	for r, n := range d.refused {
		s.Refused[string(r)] = n
	}
	return s
}

// Err returns why the desk cannot issue, or nil.
func (d *Desk) Err() error {
	if end := d.o.Authority.NotAfter(); !d.o.Now().Before(end) {
		return fmt.Errorf("enrol: the authority has expired at %s; make another, and enrol every gateway anew", end)
	}
	return nil
}

// Create makes a token for a gateway of the configuration and returns its line, which is nowhere else.
func (d *Desk) Create(n Name, valid time.Duration) (line string, kept Token, err error) {
	if err := d.o.Granted(n); err != nil {
		return "", Token{}, fmt.Errorf("making a token: %w; add the gateway to it, and start the aggregator again", err)
	}
	secret, kept, err := d.ledger.create(n, valid, d.o.Now())
	if err != nil {
		return "", Token{}, fmt.Errorf("making a token: %w", err)
	}
	t := join.Token{Address: d.o.Address, TrustDomain: d.o.Authority.TrustDomain(), Venue: n.Venue, Gateway: n.Gateway, Secret: secret, Authority: d.o.Authority.Hash()}
	if line, err = t.Encode(); err != nil {
		return "", Token{}, fmt.Errorf("making a token: %w", err)
	}
	d.log.Info("join token made", "token", kept.ID(), "gateway", n.String(), "expires", kept.Expires)
	return line, kept, nil
}

// Tokens returns what is kept of tokens, the newest first.
func (d *Desk) Tokens() []Token { return d.ledger.list() }

// Revoke ends the token of an id, or all of VENUE/GATEWAY; with svids also the renewal of what was issued to the gateway so far.
func (d *Desk) Revoke(what string, svids bool) (ended int, err error) {
	ended, err = d.ledger.revoke(what, svids, d.o.Now())
	if err != nil {
		return 0, fmt.Errorf("revoking: %w", err)
	}
	d.log.Info("join tokens revoked", "of", what, "tokens", ended, "svids", svids)
	return ended, nil
}

// enrol answers a token.
func (d *Desk) enrol(r join.Enrol, from string) (join.Answer, error) {
	n, err := ParseName(r.Gateway)
	if err != nil {
		return join.Answer{}, refuse(join.BadRequest, "%v", err)
	}
	key, hash, err := requestKey(r.CSR)
	if err != nil {
		return join.Answer{}, err
	}
	begin, again, err := d.ledger.use(r.Secret, n, hash, func() error { return d.o.Granted(n) }, d.o.Now())
	if err != nil {
		return join.Answer{}, err
	}
	occasion := "enrol"
	if again {
		occasion = "again"
	}
	return d.issue(n, key, begin, occasion, from)
}

// renew answers whoever showed this chain.
func (d *Desk) renew(chain []*x509.Certificate, r join.Renew, from string) (join.Answer, error) {
	now := d.o.Now()
	was, err := d.o.Authority.Judge(chain, now)
	if err == nil && was.ID.Role != identity.Gateway {
		err = fmt.Errorf("%s is no gateway", was.ID)
	}
	if err != nil {
		return join.Answer{}, refuse(join.NoSVID, "%v", err)
	}
	n := Name{was.ID.Venue, was.ID.Name}
	if wait := d.limits.gateway(n.String()); wait > 0 {
		return join.Answer{}, &busy{wait}
	}
	if err := d.o.Granted(n); err != nil {
		return join.Answer{}, refuse(join.NotGranted, "%v", err)
	}
	if was.Ago > d.o.Grace {
		return join.Answer{}, refuse(join.LapsedSVID, "the SVID expired %s ago, at most %s are allowed; a new join token is needed", was.Ago.Round(time.Second), d.o.Grace)
	}
	key, hash, err := requestKey(r.CSR)
	if err != nil {
		return join.Answer{}, err
	}
	if old, err := identity.KeyHash(chain[0].PublicKey); err != nil || old == hash {
		return join.Answer{}, refuse(join.BadKey, "a renewal is for a new key")
	}
	begin, older, err := d.ledger.renew(n, was.Issued, now)
	if err != nil {
		return join.Answer{}, err
	}
	occasion := "renew"
	if older {
		occasion = "older"
		d.log.Warn("an SVID renews that was renewed before: the answer was lost, or its key was copied", "id", was.ID.String(), "issued", was.Issued, "from", from)
	}
	return d.issue(n, key, begin, occasion, from)
}

func requestKey(csr []byte) (key crypto.PublicKey, hash [32]byte, err error) {
	if key, err = identity.RequestKey(csr); err == nil {
		hash, err = identity.KeyHash(key)
	}
	switch {
	case errors.Is(err, identity.ErrKey):
		return nil, hash, refuse(join.BadKey, "%v", err)
	case err != nil:
		return nil, hash, refuse(join.BadRequest, "%v", err)
	}
	return key, hash, nil
}

// issue makes the SVID.
func (d *Desk) issue(n Name, key crypto.PublicKey, begin time.Time, occasion, from string) (join.Answer, error) {
	id := identity.ID{TrustDomain: d.o.Authority.TrustDomain(), Role: identity.Gateway, Venue: n.Venue, Name: n.Gateway}
	der, err := d.o.Authority.Issue(id, key, begin, d.o.Life)
	if err != nil {
		return join.Answer{}, err
	}
	d.mu.Lock()
	d.issued[occasion]++
	d.mu.Unlock()
	d.log.Info("SVID issued", "id", id.String(), "occasion", occasion, "not_after", begin.Add(d.o.Life), "from", from)
	return join.Answer{SVID: [][]byte{der}, Bundle: d.o.Authority.Bundle(), Address: d.o.Address}, nil
}
