package enrol

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
	"github.com/courtside-edge/courtside/sync/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "courtside.test"

var own = identity.ID{TrustDomain: domain, Role: identity.Gateway, Venue: "dal-001", Name: "gw-north"}

// patience bounds waits for what must happen.
const patience = 60 * time.Second

// desk is an aggregator that answers as the test tells it.
type desk struct {
	*testing.T
	authority *identity.Authority
	address   string
	life      time.Duration

	mu      sync.Mutex
	enrols  []join.Enrol
	keys    []crypto.PublicKey // of requests
	renewed []*x509.Certificate
	answer  func(w http.ResponseWriter, a join.Answer) // nil for the answer itself
}

func authority(t *testing.T) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority(domain, time.Now().Add(-1000*time.Hour), 10_000*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, authority: authority(t), life: time.Hour}
	source, err := identity.OpenAuthority(identity.Options{TrustDomain: domain}, d.authority, identity.ID{TrustDomain: domain, Role: identity.Aggregator}, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := source.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(d)
	s.Listener = tls.NewListener(s.Listener, source.EnrolTLS(d.authority))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() { s.Close(); _ = source.Close() })
	d.address = s.Listener.Addr().String()
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var in struct {
		join.Enrol
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		d.Error(err)
	}
	key, err := identity.RequestKey(in.CSR)
	if err != nil {
		d.Error(err)
		return
	}
	d.keys = append(d.keys, key)
	switch r.URL.Path {
	case join.EnrolPath:
		d.enrols = append(d.enrols, in.Enrol)
	case join.RenewPath:
		if len(r.TLS.PeerCertificates) == 0 {
			d.Error("a renewal without a certificate")
			return
		}
		d.renewed = append(d.renewed, r.TLS.PeerCertificates[0])
	}
	der, err := d.authority.Issue(own, key, time.Now(), d.life)
	if err != nil {
		d.Error(err)
	}
	a := join.Answer{SVID: [][]byte{der}, Bundle: d.authority.Bundle(), Address: d.address}
	if d.answer != nil {
		d.answer(w, a)
		return
	}
	_ = json.NewEncoder(w).Encode(a)
}

// asked returns how often the desk was asked.
func (d *desk) asked() (enrols, renewals int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.enrols), len(d.renewed)
}

func (d *desk) says(answer func(http.ResponseWriter, join.Answer)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

func (d *desk) refuses(reason join.Reason) {
	d.says(func(w http.ResponseWriter, _ join.Answer) {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(join.Refusal{Reason: reason, Detail: "because"})
	})
}

// token returns a new token of the desk's.
func (d *desk) token(change func(*join.Token)) string {
	d.Helper()
	k := join.Token{Address: d.address, TrustDomain: domain, Venue: own.Venue, Gateway: own.Name, Authority: d.authority.Hash()}
	if _, err := rand.Read(k.Secret[:]); err != nil {
		d.Fatal(err)
	}
	if change != nil {
		change(&k)
	}
	line, err := k.Encode()
	if err != nil {
		d.Fatal(err)
	}
	return line
}

// device is a gateway's enrolment; power is cut by making another on the same folder.
type device struct {
	*testing.T
	dir, tokenFile string
	clock          identity.Clock
	e              *Enrolment
	source         *identity.Source
}

func newDevice(t *testing.T) *device {
	t.Helper()
	dir := t.TempDir()
	d := &device{T: t, dir: filepath.Join(dir, "identity"), tokenFile: filepath.Join(dir, "join-token")}
	d.boot()
	return d
}

func (d *device) boot() {
	d.Helper()
	svid, bundle := Files(d.dir)
	source, err := identity.OpenFiles(identity.Options{TrustDomain: domain, CertFile: svid, KeyFile: svid, BundleFile: bundle, Poll: 10 * time.Millisecond, Clock: d.clock})
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = source.Close() })
	d.source = source
	none := policy.Backoff{Base: 1, Max: 1}
	if d.e, err = New(Options{Dir: d.dir, TokenFile: d.tokenFile, ID: own, Source: source, Clock: d.clock, Look: time.Millisecond, Quick: none, Slow: none}); err != nil {
		d.Fatal(err)
	}
}

func (d *device) put(token string) {
	d.Helper()
	if err := os.WriteFile(d.tokenFile, []byte(token), 0o600); err != nil {
		d.Fatal(err)
	}
}

// round looks once.
func (d *device) round() Status {
	d.Helper()
	d.e.joining.next, d.e.renewing.next = time.Time{}, time.Time{}
	d.e.round(d.Context())
	return d.e.Status()
}

// inUse waits until the source gives the SVID that is on disk.
func (d *device) inUse() {
	d.Helper()
	h, err := d.e.files.held()
	if err != nil || h == nil {
		d.Fatalf("nothing is held: %v", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, until := d.source.Life(); until.Equal(h.end) && d.source.Err() == nil {
			return
		}
		if time.Now().After(end) {
			d.Fatalf("the SVID is not in use: %v", d.source.Err())
		}
	}
}
