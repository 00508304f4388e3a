package enrol

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "courtside.test"

var north, south = Name{"dal-001", "gw-north"}, Name{"dal-001", "gw-south"}

// rig is a desk with a clock that the test moves.
type rig struct {
	*testing.T
	o    Options
	d    *Desk
	log  bytes.Buffer
	mu   sync.Mutex
	at   time.Time
	gone map[Name]bool // taken from the configuration
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, at: time.Now(), gone: map[Name]bool{}}
	a, err := identity.NewAuthority(domain, r.at.Add(-time.Hour), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.o = Options{Dir: filepath.Join(t.TempDir(), "enrol"), Authority: a, Address: "cloud.example:8885", Life: time.Hour, Grace: 24 * time.Hour, Now: r.now,
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Granted: func(n Name) error {
			if n.Venue != "dal-001" || r.gone[n] {
				return fmt.Errorf("the configuration has no gateway %s", n)
			}
			return nil
		}}
	r.restart()
	return r
}

func (r *rig) now() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.at }

func (r *rig) pass(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.at = r.at.Add(d) }

// restart opens the desk again on what is on disk.
func (r *rig) restart() {
	r.Helper()
	d, err := Open(r.o)
	if err != nil {
		r.Fatal(err)
	}
	r.d = d
}

func (r *rig) token(n Name) join.Token {
	r.Helper()
	line, _, err := r.d.Create(n, DefaultValidity)
	if err != nil {
		r.Fatal(err)
	}
	t, err := join.Parse(line)
	if err != nil {
		r.Fatal(err)
	}
	return t
}

func (r *rig) key() *ecdsa.PrivateKey {
	r.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.Fatal(err)
	}
	return key
}

func (r *rig) csr(key crypto.Signer, template x509.CertificateRequest) []byte {
	r.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		r.Fatal(err)
	}
	return der
}

func (r *rig) ask(t join.Token, key crypto.Signer) (join.Answer, error) {
	r.Helper()
	return r.d.enrol(join.Enrol{Gateway: Name{t.Venue, t.Gateway}.String(), Secret: t.Secret[:], CSR: r.csr(key, x509.CertificateRequest{})}, "192.0.2.1:1")
}

// enrol wants an SVID for the token.
func (r *rig) enrol(t join.Token, key crypto.Signer) []*x509.Certificate {
	r.Helper()
	a, err := r.ask(t, key)
	if err != nil {
		r.Fatal(err)
	}
	return r.chain(a, Name{t.Venue, t.Gateway}, key)
}

// chain wants the answer to be the gateway's SVID.
func (r *rig) chain(a join.Answer, n Name, key crypto.Signer) []*x509.Certificate {
	r.Helper()
	id := identity.ID{TrustDomain: domain, Role: identity.Gateway, Venue: n.Venue, Name: n.Gateway}
	if err := (identity.Issued{Chain: a.SVID, Bundle: a.Bundle}).Check(id, key.Public()); err != nil {
		r.Fatal(err)
	}
	c, err := x509.ParseCertificate(a.SVID[0])
	if err != nil {
		r.Fatal(err)
	}
	if a.Address != r.o.Address || c.NotAfter.Sub(r.now()) > r.o.Life+time.Minute {
		r.Errorf("answer %s, valid until %s", a.Address, c.NotAfter)
	}
	return []*x509.Certificate{c}
}

func (r *rig) renew(chain []*x509.Certificate, key crypto.Signer) (join.Answer, error) {
	r.Helper()
	return r.d.renew(chain, join.Renew{CSR: r.csr(key, x509.CertificateRequest{})}, "192.0.2.1:1")
}

// refused wants err to be a refusal for this reason.
func (r *rig) refused(what string, err error, reason join.Reason) {
	r.Helper()
	var no *refusal
	if !errors.As(err, &no) || no.reason != reason {
		r.Errorf("%s: %v, want %s", what, err, reason)
	}
}

func TestATokenServesOneKey(t *testing.T) {
	r := newRig(t)
	token, mine, other := r.token(north), r.key(), r.key()
	_, err := r.ask(join.Token{Venue: north.Venue, Gateway: north.Gateway}, mine)
	r.refused("a secret that nobody made", err, join.UnknownToken)
	first := r.enrol(token, mine)
	for range 2 { // power was lost before the gateway kept the answer; then the aggregator was started again too
		if again := r.enrol(token, mine); again[0].Equal(first[0]) {
			t.Error("the same certificate again")
		}
		_, err = r.ask(token, other)
		r.refused("another key", err, join.UsedToken)
		r.restart()
	}
	if all := r.d.Tokens(); len(all) != 1 || all[0].State(r.now()) != "used" || all[0].Used.IsZero() || all[0].ID() != token.ID() {
		t.Errorf("tokens %+v", all)
	}
	r.pass(DefaultValidity)
	_, err = r.ask(token, mine)
	r.refused("after its end", err, join.LapsedToken)
	raw, err := os.ReadFile(filepath.Join(r.o.Dir, stateFile))
	if err != nil || bytes.Contains(raw, token.Secret[:]) || bytes.Contains(raw, fmt.Appendf(nil, "%x", token.Secret)) {
		t.Errorf("the secret is on disk: %v", err)
	}
	r.pass(remembered + time.Hour)
	r.token(south) // whatever is written next
	_, err = r.ask(token, mine)
	r.refused("long after its end", err, join.UnknownToken)
}

func TestTokensRefused(t *testing.T) {
	r := newRig(t)
	mine := r.key()
	changed := r.token(north)
	changed.Gateway = south.Gateway
	_, err := r.ask(changed, mine)
	r.refused("a token that was changed by hand", err, join.WrongGateway)

	late := r.token(north)
	r.pass(DefaultValidity)
	_, err = r.ask(late, mine)
	r.refused("after its end, unused", err, join.LapsedToken)

	revoked, used := r.token(north), r.token(south)
	r.enrol(used, mine)
	for _, what := range []string{revoked.ID(), south.String()} {
		if n, err := r.d.Revoke(what, false); n != 1 || err != nil {
			t.Errorf("revoking %s: %d, %v", what, n, err)
		}
	}
	_, err = r.ask(revoked, mine)
	r.refused("revoked", err, join.RevokedToken)
	_, err = r.ask(used, mine)
	r.refused("revoked after its use", err, join.RevokedToken)
	if _, err := r.d.Revoke("abc", false); err == nil {
		t.Error("what does not exist was revoked")
	}

	ungranted := r.token(north)
	r.gone[north] = true
	_, err = r.ask(ungranted, mine)
	r.refused("taken from the configuration", err, join.NotGranted)
	if _, _, err := r.d.Create(north, time.Hour); err == nil || !strings.Contains(err.Error(), "no gateway") {
		t.Errorf("a token for it: %v", err)
	}
	r.gone[north] = false
	r.enrol(ungranted, r.key()) // with any key: nobody has used it
	for _, valid := range []time.Duration{0, time.Second, MaxValidity + 1} {
		if _, _, err := r.d.Create(north, valid); err == nil {
			t.Errorf("a token for %s was made", valid)
		}
	}
}

func TestOnlyTheKeyOfARequestCounts(t *testing.T) {
	r := newRig(t)
	token, key := r.token(north), r.key()
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(csr []byte) error {
		_, err := r.d.enrol(join.Enrol{Gateway: north.String(), Secret: token.Secret[:], CSR: csr}, "")
		return err
	}
	r.refused("RSA", ask(r.csr(weak, x509.CertificateRequest{})), join.BadKey)
	r.refused("rubbish", ask([]byte("rubbish")), join.BadRequest)
	r.refused("nothing", ask(nil), join.BadRequest)
	loud := x509.CertificateRequest{DNSNames: []string{"aggregator"}, URIs: []*url.URL{{Scheme: "spiffe", Host: domain, Path: "/aggregator"}}}
	a, err := r.d.enrol(join.Enrol{Gateway: north.String(), Secret: token.Secret[:], CSR: r.csr(key, loud)}, "")
	if err != nil {
		t.Fatal(err)
	}
	c := r.chain(a, north, key)[0]
	if len(c.URIs) != 1 || len(c.DNSNames) != 1 || c.DNSNames[0] != "gw-north.dal-001" || c.IsCA {
		t.Errorf("issued for %v, %v", c.URIs, c.DNSNames)
	}
	_, err = r.d.enrol(join.Enrol{Gateway: "nobody", Secret: token.Secret[:], CSR: r.csr(key, loud)}, "")
	r.refused("no gateway", err, join.BadRequest)
}

func TestRenewal(t *testing.T) {
	r := newRig(t)
	chain, key := r.enrol(r.token(north), r.key()), r.key()
	for range 3 {
		r.pass(30 * time.Minute)
		a, err := r.renew(chain, key)
		if err != nil {
			t.Fatal(err)
		}
		before := chain
		chain = r.chain(a, north, key)
		if _, err := r.renew(before, r.key()); err != nil { // the answer was lost
			t.Errorf("with the SVID before: %v", err)
		}
		_, err = r.renew(chain, key)
		r.refused("the same key", err, join.BadKey)
		key = r.key()
		r.restart()
	}
	if s := r.d.Stats(); s.Issued["renew"]+s.Issued["older"] != 0 { // of the process that was just started
		t.Errorf("figures %+v", s)
	}
	for _, want := range []string{"renew", "older"} {
		r.pass(time.Minute)
		if _, err := r.renew(chain, r.key()); err != nil || r.d.Stats().Issued[want] != 1 {
			t.Errorf("%v, %+v, want one %s", err, r.d.Stats(), want)
		}
	}
	r.pass(r.o.Life + r.o.Grace - 4*time.Minute)
	if _, err := r.renew(chain, r.key()); err != nil {
		t.Errorf("within the grace: %v", err)
	}
	r.pass(2 * time.Minute)
	_, err := r.renew(chain, r.key())
	r.refused("after the grace", err, join.LapsedSVID)
}

func TestRenewalsRefused(t *testing.T) {
	r := newRig(t)
	chain := r.enrol(r.token(north), r.key())
	_, err := r.renew(nil, r.key())
	r.refused("no certificate", err, join.NoSVID)

	other, err := identity.NewAuthority(domain, r.now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	of := func(a *identity.Authority, id identity.ID, begin time.Time) []*x509.Certificate {
		der, err := a.Issue(id, r.key().Public(), begin, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return []*x509.Certificate{c}
	}
	gw := identity.ID{TrustDomain: domain, Role: identity.Gateway, Venue: north.Venue, Name: north.Gateway}
	_, err = r.renew(of(other, gw, r.now()), r.key())
	r.refused("of another authority", err, join.NoSVID)
	_, err = r.renew(of(r.o.Authority, identity.ID{TrustDomain: domain, Role: identity.Aggregator}, r.now()), r.key())
	r.refused("of another role", err, join.NoSVID)
	_, err = r.renew(of(r.o.Authority, gw, r.now().Add(time.Hour)), r.key())
	r.refused("not valid yet", err, join.NoSVID)
	_, err = r.d.renew(chain, join.Renew{}, "")
	r.refused("no request", err, join.BadRequest)

	r.gone[north] = true
	_, err = r.renew(chain, r.key())
	r.refused("taken from the configuration", err, join.NotGranted)
	r.gone[north] = false
	if _, err := r.renew(chain, r.key()); err != nil {
		t.Error(err)
	}
}

// TestANewerEnrolmentEndsTheOlder is a stolen gateway: its name was given to another device, within the same second at worst.
func TestANewerEnrolmentEndsTheOlder(t *testing.T) {
	r := newRig(t)
	stolenToken, stolenKey := r.token(north), r.key()
	stolen := r.enrol(stolenToken, stolenKey)
	a, err := r.renew(stolen, r.key())
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := x509.ParseCertificate(a.SVID[0])
	if err != nil {
		t.Fatal(err)
	}
	key := r.key()
	fresh := r.enrol(r.token(north), key)
	for range 2 {
		for name, chain := range map[string][]*x509.Certificate{"its first SVID": stolen, "its last": {renewed}} {
			_, err = r.renew(chain, r.key())
			r.refused(name, err, join.Superseded)
		}
		_, err = r.ask(stolenToken, stolenKey)
		r.refused("its token, with its key", err, join.RevokedToken)
		if _, err := r.renew(fresh, r.key()); err != nil {
			t.Errorf("the new device: %v", err)
		}
		r.restart()
	}
	if _, err := r.d.Revoke(north.String(), true); err != nil {
		t.Error(err)
	}
	_, err = r.renew(fresh, r.key())
	r.refused("after its SVIDs were revoked", err, join.Superseded)
}

// TestAClockThatWasSetBack enrols while the clock is a year ahead.
func TestAClockThatWasSetBack(t *testing.T) {
	r := newRig(t)
	r.pass(100 * 24 * time.Hour)
	r.enrol(r.token(north), r.key())
	r.pass(-100 * 24 * time.Hour)
	r.restart()
	chain := r.enrol(r.token(north), r.key())
	if chain[0].NotBefore.After(r.now()) {
		t.Errorf("an SVID from %s on", chain[0].NotBefore)
	}
	if _, err := r.renew(chain, r.key()); err != nil {
		t.Error(err)
	}
}

// TestWhatIsAnsweredIsKept cuts the power at the one write of an enrolment.
func TestWhatIsAnsweredIsKept(t *testing.T) {
	r := newRig(t)
	token, mine := r.token(north), r.key()
	full := errors.New("no space left on device")
	r.d.ledger.write = func(string, []byte) error { return full }
	if _, err := r.ask(token, mine); !errors.Is(err, full) {
		t.Fatalf("%v", err)
	}
	if _, _, err := r.d.Create(south, time.Hour); !errors.Is(err, full) {
		t.Errorf("a token that is not kept: %v", err)
	}
	if all := r.d.Tokens(); len(all) != 1 || all[0].Key != "" {
		t.Errorf("what is not on disk is said: %+v", all)
	}
	r.d.ledger.write = func(path string, content []byte) error { // power goes after the write, before the answer
		if err := identity.WriteFile(path, content); err != nil {
			t.Fatal(err)
		}
		return full
	}
	if _, err := r.ask(token, mine); !errors.Is(err, full) {
		t.Fatalf("%v", err)
	}
	r.restart()
	_, err := r.ask(token, r.key())
	r.refused("another key", err, join.UsedToken)
	r.enrol(token, mine)
}

func TestAGarbledFileOfTokens(t *testing.T) {
	r := newRig(t)
	r.token(north)
	path := filepath.Join(r.o.Dir, stateFile)
	for _, text := range []string{"", "{", `{"v":2}`, `{"v":1,"tokens":[{"hash":"zz"}]}`, strings.Repeat(" ", maxStateBytes+1)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(r.o); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.restart()
}

func TestAnExpiredAuthority(t *testing.T) {
	r := newRig(t)
	if err := r.d.Err(); err != nil {
		t.Error(err)
	}
	token := r.token(north)
	r.o.Authority, _ = identity.NewAuthority(domain, r.now().Add(-2*time.Hour), time.Hour)
	r.restart()
	if err := r.d.Err(); err == nil {
		t.Error("it is not said")
	}
	if _, err := r.ask(token, r.key()); err == nil {
		t.Error("it issued")
	}
}

// served is a desk on real sockets.
func (r *rig) serve() (addr string, source *identity.Source) {
	r.Helper()
	source, err := identity.OpenAuthority(identity.Options{TrustDomain: domain}, r.o.Authority, identity.ID{TrustDomain: domain, Role: identity.Aggregator}, time.Hour)
	if err != nil {
		r.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.d.Serve(ctx, l, source) }()
	r.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, source.Close()); err != nil {
			r.Error(err)
		}
	})
	wait, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	if err := source.WaitReady(wait); err != nil {
		r.Fatal(err)
	}
	return l.Addr().String(), source
}

func (r *rig) post(secure *tls.Config, addr, path string, body io.Reader) (int, join.Refusal, http.Header) {
	r.Helper()
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true}}
	resp, err := client.Post("https://"+addr+path, "application/json", body)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	var no join.Refusal
	if resp.StatusCode != http.StatusOK {
		_ = json.NewDecoder(resp.Body).Decode(&no)
	}
	return resp.StatusCode, no, resp.Header
}

func TestOverTheWire(t *testing.T) {
	r := newRig(t)
	addr, _ := r.serve()
	token, key := r.token(north), r.key()
	pinned, err := identity.PinnedTLS(domain, token.Authority, identity.Clock{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(join.Enrol{Gateway: north.String(), Secret: token.Secret[:], CSR: r.csr(key, x509.CertificateRequest{})})
	if err != nil {
		t.Fatal(err)
	}
	wrong := bytes.Replace(raw, []byte(north.Gateway), []byte(south.Gateway), 1)
	huge := `{"gateway": "` + strings.Repeat("x", 2*join.MaxRequestBytes) + `"}`
	for _, c := range []struct {
		what, path, body string
		status           int
		reason           join.Reason
	}{
		{"garbled", join.EnrolPath, "{", 400, join.BadRequest},
		{"huge", join.EnrolPath, huge, 400, join.BadRequest},
		{"another gateway's", join.EnrolPath, string(wrong), 403, join.WrongGateway},
		{"a renewal by nobody", join.RenewPath, "{}", 401, join.NoSVID},
		{"elsewhere", "/v1/tokens", "{}", 404, ""},
		{"good", join.EnrolPath, string(raw), 200, ""},
	} {
		if status, no, _ := r.post(pinned, addr, c.path, strings.NewReader(c.body)); status != c.status || no.Reason != c.reason {
			t.Errorf("%s: %d %+v", c.what, status, no)
		}
	}
	s := r.d.Stats()
	if s.Issued["enrol"] != 1 || s.Refused[string(join.BadRequest)] != 2 || s.Refused[string(join.WrongGateway)] != 1 || s.Open != 0 {
		t.Errorf("figures %+v", s)
	}
	for range 3 * recordBurst { // whatever strangers do, the log stays small
		r.d.limits.logs()
	}
	if r.d.limits.logs() {
		t.Error("log records have no bound")
	}
	for range addressBurst {
		r.d.limits.address("127.0.0.1:1")
	}
	if status, no, header := r.post(pinned, addr, join.EnrolPath, bytes.NewReader(raw)); status != 429 || no.Reason != join.Busy || header.Get("Retry-After") == "" {
		t.Errorf("a flood: %d %+v", status, no)
	}
}

func TestLimits(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	l := newLimits(func() time.Time { return at })
	count := func(take func() time.Duration) (n int) {
		for range 10_000 {
			if take() == 0 {
				n++
			}
		}
		return n
	}
	if n := count(func() time.Duration { return l.address("192.0.2.1:5") }); n != addressBurst {
		t.Errorf("%d at once", n)
	}
	if l.address("192.0.2.2:5") != 0 {
		t.Error("another address had to wait")
	}
	at = at.Add(10 * addressEvery)
	if n := count(func() time.Duration { return l.address("192.0.2.1:6") }); n != 10 {
		t.Errorf("%d after a rest", n)
	}
	if place("[2001:db8::1]:1") != place("[2001:db8::2]:9") || place("[2001:db8::1]:1") == place("[2001:db8:0:1::1]:1") || place("nowhere") != "nowhere" {
		t.Error("IPv6 networks are not told apart as they should be")
	}
	for i := range 3 * maxTracked {
		l.gateway(fmt.Sprint(i))
	}
	if len(l.by) > maxTracked {
		t.Errorf("%d are tracked", len(l.by))
	}
	at = at.Add(time.Hour)
	l.gateway("new")
	if len(l.by) > 1 {
		t.Errorf("%d are tracked after a rest", len(l.by))
	}
}

func TestACrowd(t *testing.T) {
	c := &crowd{by: map[string]int{}}
	for range maxConnsAddress {
		if !c.enter("a") {
			t.Fatal("too early")
		}
	}
	if c.enter("a") || !c.enter("b") {
		t.Error("one address may take all, or another none")
	}
	c.left("a")
	if !c.enter("a") {
		t.Error("nobody may come after one has left")
	}
	for i := c.all; i < maxConns; i++ {
		c.enter(fmt.Sprint(i))
	}
	if c.enter("z") {
		t.Error("there is no bound")
	}
}

// FuzzRequests gives the desk whatever comes over the wire, with a token that could be used.
func FuzzRequests(f *testing.F) {
	a, err := identity.NewAuthority(domain, time.Now(), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		f.Fatal(err)
	}
	d, err := Open(Options{Dir: f.TempDir(), Authority: a, Address: "a:1", Life: time.Minute, Granted: func(Name) error { return nil }})
	if err != nil {
		f.Fatal(err)
	}
	line, _, err := d.Create(north, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	token, err := join.Parse(line)
	if err != nil {
		f.Fatal(err)
	}
	good, err := json.Marshal(join.Enrol{Gateway: north.String(), Secret: token.Secret[:], CSR: csr})
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range [][]byte{good, []byte("{"), []byte(`{"gateway":"a/b","csr":"MA=="}`), []byte(`{"secret":[1,2]}`), good[:len(good)-9]} {
		f.Add(join.EnrolPath, body)
		f.Add(join.RenewPath, body)
	}
	h := d.handler()
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		d.limits = newLimits(time.Now)
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \r\n%?#") {
			path = join.EnrolPath
		}
		r, err := http.NewRequest(http.MethodPost, "https://a"+path, bytes.NewReader(body))
		if err != nil {
			t.Skip()
		}
		r.RemoteAddr = "192.0.2.1:1"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var in join.Enrol
		if w.Code == http.StatusOK && (json.NewDecoder(bytes.NewReader(body)).Decode(&in) != nil || !bytes.Equal(in.Secret, token.Secret[:])) {
			t.Fatalf("an SVID without the secret: %s", w.Body)
		}
	})
}

func TestControl(t *testing.T) {
	r := newRig(t)
	dir, err := os.MkdirTemp("", "d") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := NewClient(dir)
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "has to run") {
		t.Errorf("nobody runs: %v", err)
	}
	for range 2 { // the second finds the socket of the first
		l, err := ListenControl(dir)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		if info, err := os.Stat(filepath.Join(dir, socketName)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.d.ServeControl(ctx, l) }()
		made, err := c.Create(t.Context(), Order{Gateway: north.String(), For: "1h"})
		if err != nil {
			t.Fatal(err)
		}
		if k, err := join.Parse(made.Line); err != nil || k.ID() != made.Kept.ID() || k.Address != r.o.Address || k.Authority != r.o.Authority.Hash() {
			t.Errorf("%v, %v", k, err)
		}
		if all, err := c.List(t.Context()); err != nil || len(all) == 0 || all[0].ID() != made.Kept.ID() {
			t.Errorf("%v, %v", all, err)
		}
		if done, err := c.Revoke(t.Context(), Revocation{What: made.Kept.ID()}); err != nil || done.Tokens != 1 {
			t.Errorf("%v, %v", done, err)
		}
		for _, o := range []Order{{Gateway: "x", For: "1h"}, {Gateway: north.String(), For: "soon"}, {Gateway: "lax-001/gw", For: "1h"}} {
			if _, err := c.Create(t.Context(), o); err == nil {
				t.Errorf("%+v was obeyed", o)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
