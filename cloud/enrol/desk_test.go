package enrol

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

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
