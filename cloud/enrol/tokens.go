package enrol

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	// DefaultValidity is how long a token is valid unless asked otherwise: from an office to a venue takes days.
	DefaultValidity = 72 * time.Hour
	// MinValidity and MaxValidity bound it.
	MinValidity = time.Minute
	MaxValidity = 90 * 24 * time.Hour

	// remembered is how long a token is listed after its end; afterwards its secret is unknown.
	remembered = 30 * 24 * time.Hour
	// maxTokens bounds the tokens that are kept, and with them the file, to some 4 MB; beyond it none is made.
	maxTokens = 10_000
	// clockSlack is how far ahead of the clock a time may lie that it told before: some enrolments within one second.
	clockSlack = time.Minute
	// stateFile is the name of the file that keeps them.
	stateFile = "tokens.json"
	// maxStateBytes is the largest file that is read.
	maxStateBytes = 16 << 20
)

// refusal is an answer that is no SVID.
type refusal struct {
	reason join.Reason
	detail string
}

func (r *refusal) Error() string { return string(r.reason) + ": " + r.detail }

func refuse(reason join.Reason, format string, args ...any) error {
	return &refusal{reason, fmt.Sprintf(format, args...)}
}

// Name is one gateway of one venue.
type Name struct{ Venue, Gateway point.ID }

// String returns venue/gateway.
func (n Name) String() string { return string(n.Venue) + "/" + string(n.Gateway) }

// ParseName reads venue/gateway.
func ParseName(s string) (n Name, err error) {
	venue, gateway, ok := strings.Cut(s, "/")
	if !ok {
		return n, fmt.Errorf("%.80q is not VENUE/GATEWAY", s)
	}
	if n.Venue, err = point.ParseID(venue); err != nil {
		return n, fmt.Errorf("%.80q is not VENUE/GATEWAY: %w", s, err)
	}
	if n.Gateway, err = point.ParseID(gateway); err != nil {
		return n, fmt.Errorf("%.80q is not VENUE/GATEWAY: %w", s, err)
	}
	return n, nil
}

// Token is what is kept of a token: its secret is not.
type Token struct {
	Hash    string    `json:"hash"`    // SHA-256 of the secret
	Gateway string    `json:"gateway"` // venue/gateway
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Used    time.Time `json:"used,omitzero"`
	Key     string    `json:"key,omitempty"` // SHA-256 of the public key that used it
	Revoked time.Time `json:"revoked,omitzero"`
}

// ID names the token.
func (t Token) ID() string {
	var hash [32]byte
	_, _ = hex.Decode(hash[:], []byte(t.Hash)) // open has judged it
	return join.IDOf(hash)
}

// State says how a token stands: open, used, revoked or lapsed.
func (t Token) State(now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Used.IsZero():
		return "used"
	case !now.Before(t.Expires):
		return "lapsed"
	}
	return "open"
}

// ended returns when the token stopped being of use.
func (t Token) ended() time.Time {
	if !t.Revoked.IsZero() {
		return t.Revoked
	}
	return t.Expires
}

// state is the file's content.
type state struct {
	Version int     `json:"v"`
	Tokens  []Token `json:"tokens"`
	// Enrolled says since when SVIDs of a gateway count: those issued before do not renew.
	Enrolled map[string]time.Time `json:"enrolled"`
}

// ledger keeps tokens and enrolments. What it says is on disk before. It is safe for concurrent use.
type ledger struct {
	path  string
	write func(path string, content []byte) error

	mu     sync.Mutex
	state  state
	issued map[string]time.Time // of each gateway's newest SVID of this process
}

// openLedger reads what dir keeps.
func openLedger(dir string) (*ledger, error) {
	l := &ledger{path: filepath.Join(dir, stateFile), write: identity.WriteFile, issued: map[string]time.Time{},
		state: state{Version: 1, Enrolled: map[string]time.Time{}}}
	info, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil && info.Size() > maxStateBytes {
		err = fmt.Errorf("it has %d bytes", info.Size())
	}
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile(l.path)
	}
	var read state
	if err == nil {
		err = json.Unmarshal(raw, &read)
	}
	if err == nil && read.Version != 1 {
		err = fmt.Errorf("version %d, 1 is known here", read.Version)
	}
	for _, t := range read.Tokens {
		if b, wrong := hex.DecodeString(t.Hash); err == nil && (wrong != nil || len(b) != 32) {
			err = fmt.Errorf("token %q", t.Hash)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the join tokens from %s: %w; restore it, or delete it, which voids every token", l.path, err)
	}
	if read.Enrolled == nil {
		read.Enrolled = map[string]time.Time{}
	}
	l.state = read
	return l, nil
}

// save writes what next holds, and only then makes it the state. The caller holds mu.
func (l *ledger) save(next state, now time.Time) error {
	next.Tokens = slices.DeleteFunc(slices.Clone(next.Tokens), func(t Token) bool { return now.Sub(t.ended()) > remembered })
	raw, err := json.MarshalIndent(next, "", " ")
	if err != nil {
		return fmt.Errorf("keeping the join tokens: %w", err)
	}
	if err := l.write(l.path, raw); err != nil {
		return fmt.Errorf("keeping the join tokens: %w", err)
	}
	l.state = next
	return nil
}

// copied returns a state that may be changed. The caller holds mu.
func (l *ledger) copied() state {
	next := state{Version: 1, Tokens: slices.Clone(l.state.Tokens), Enrolled: make(map[string]time.Time, len(l.state.Enrolled)+1)}
	maps.Copy(next.Enrolled, l.state.Enrolled)
	return next
}

// supersede ends what tokens of the gateway are still good for that enrolled it before: repeating. The one whose hash is given stays.
func (s *state) supersede(gateway, but string, now time.Time) {
	for i := range s.Tokens {
		if t := &s.Tokens[i]; t.Gateway == gateway && t.Hash != but && t.Key != "" && t.Revoked.IsZero() {
			t.Revoked = now.UTC()
		}
	}
}

// create makes a token for n.
func (l *ledger) create(n Name, valid time.Duration, now time.Time) (secret [32]byte, t Token, err error) {
	if valid < MinValidity || valid > MaxValidity {
		return secret, t, fmt.Errorf("a token is valid for %s to %s, not %s", MinValidity, MaxValidity, valid)
	}
	if _, err := rand.Read(secret[:]); err != nil {
		return secret, t, err
	}
	hash := join.HashSecret(secret[:])
	t = Token{Hash: hex.EncodeToString(hash[:]), Gateway: n.String(), Created: now.UTC(), Expires: now.Add(valid).UTC()}
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.copied()
	if next.Tokens = append(next.Tokens, t); len(next.Tokens) > maxTokens {
		return secret, t, fmt.Errorf("%d tokens are kept already; they are forgotten %s after their end", maxTokens, remembered)
	}
	return secret, t, l.save(next, now)
}

// list returns the tokens, the newest first.
func (l *ledger) list() []Token {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.state.Tokens)
	slices.Reverse(all)
	return all
}

// revoke ends the token of that id, or all of the gateway of that name; with svids also the renewal of what was issued to the gateway so far. It returns
// how many tokens it ended.
func (l *ledger) revoke(what string, svids bool, now time.Time) (ended int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.copied()
	gateway, known := "", false
	if _, err := ParseName(what); err == nil {
		gateway, known = what, svids
	}
	for i := range next.Tokens {
		t := &next.Tokens[i]
		if t.ID() != what && t.Gateway != what {
			continue
		}
		gateway, known = t.Gateway, true
		if t.Revoked.IsZero() && now.Before(t.Expires) {
			t.Revoked = now.UTC()
			ended++
		}
	}
	if !known {
		return 0, fmt.Errorf("no token has the id or gateway %q; token list shows them", what)
	}
	if svids {
		next.Enrolled[gateway] = l.after(gateway, now)
		next.supersede(gateway, "", now)
	}
	return ended, l.save(next, now)
}

// after returns a second at or after now that is later than every SVID of the gateway that this process issued. The caller holds mu.
func (l *ledger) after(gateway string, now time.Time) time.Time {
	at := now.UTC().Truncate(time.Second)
	for _, last := range []time.Time{l.issued[gateway], l.since(gateway, now)} {
		if !at.After(last) && last.Sub(now) < clockSlack {
			at = last.Add(time.Second)
		}
	}
	return at
}

// since returns from when the gateway's SVIDs count. A time that has not come yet was told by a clock that was set back since, and says nothing.
// The caller holds mu.
func (l *ledger) since(gateway string, now time.Time) time.Time {
	if at := l.state.Enrolled[gateway]; at.Sub(now) < clockSlack {
		return at
	}
	return time.Time{}
}

// use binds a token to a key, or finds it bound to it, and returns from when the SVID shall count.
func (l *ledger) use(secret []byte, n Name, key [32]byte, granted func() error, now time.Time) (begin time.Time, again bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	hash, bound := join.HashSecret(secret), hex.EncodeToString(key[:])
	i := slices.IndexFunc(l.state.Tokens, func(t Token) bool { return t.Hash == hex.EncodeToString(hash[:]) })
	if i < 0 {
		return begin, false, refuse(join.UnknownToken, "no such token was made here, or it ended long ago")
	}
	switch t := l.state.Tokens[i]; {
	case t.Gateway != n.String():
		return begin, false, refuse(join.WrongGateway, "token %s is not for gateway %s", t.ID(), n)
	case !t.Revoked.IsZero():
		return begin, false, refuse(join.RevokedToken, "token %s was revoked at %s", t.ID(), t.Revoked.Format(time.RFC3339))
	case !now.Before(t.Expires):
		return begin, false, refuse(join.LapsedToken, "token %s expired at %s", t.ID(), t.Expires.Format(time.RFC3339))
	case t.Key != "" && t.Key != bound:
		return begin, false, refuse(join.UsedToken, "token %s was used at %s, with another key", t.ID(), t.Used.Format(time.RFC3339))
	}
	if err := granted(); err != nil {
		return begin, false, refuse(join.NotGranted, "%v", err)
	}
	if l.state.Tokens[i].Key == bound {
		return l.next(n.String(), now), true, nil
	}
	next := l.copied()
	next.supersede(n.String(), next.Tokens[i].Hash, now)
	next.Tokens[i].Key, next.Tokens[i].Used = bound, now.UTC()
	next.Enrolled[n.String()] = l.after(n.String(), now)
	if err := l.save(next, now); err != nil {
		return begin, false, err
	}
	return l.next(n.String(), now), false, nil
}

// next returns from when the gateway's next SVID counts, and notes it. The caller holds mu.
func (l *ledger) next(gateway string, now time.Time) time.Time {
	at := now.UTC().Truncate(time.Second)
	if since := l.since(gateway, now); at.Before(since) {
		at = since
	}
	if at.After(l.issued[gateway]) {
		l.issued[gateway] = at
	}
	return at
}

// renew returns from when the gateway's next SVID counts, unless the one that was issued then is superseded. older reports that a newer one was issued
// since: its answer was lost, or somebody has a copy of the key.
func (l *ledger) renew(n Name, issued, now time.Time) (begin time.Time, older bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := l.since(n.String(), now); issued.Before(since) {
		return now, false, refuse(join.Superseded, "gateway %s was enrolled anew, or its SVIDs revoked, at %s, after this SVID was issued", n, since.Format(time.RFC3339))
	}
	older = issued.Before(l.issued[n.String()])
	return l.next(n.String(), now), older, nil
}
