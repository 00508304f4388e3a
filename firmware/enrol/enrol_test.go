package enrol

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

func TestAGatewayEnrolsAndRenews(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, "no join token") || !strings.Contains(s.Next, "aggregator token create dal-001/gw-north") {
		t.Errorf("without a token: %+v", s)
	}
	g.put(cloud.token(nil) + "\n")
	if s := g.round(); !s.Enrolled || s.Cause != "" || s.Address != cloud.address {
		t.Fatalf("%+v", s)
	}
	g.inUse()
	if id, err := g.source.ID(); err != nil || id != own {
		t.Errorf("%v, %v", id, err)
	}
	for range 3 { // nothing is due
		g.round()
	}
	if err := os.Remove(g.tokenFile); err != nil {
		t.Fatal(err)
	}
	if s := g.round(); s.Cause != "" {
		t.Errorf("the token is needed no more, but: %s", s)
	}
	g.boot() // nor after a start
	g.inUse()
	if s := g.round(); s.Cause != "" || !s.Enrolled {
		t.Errorf("after a start: %s", s)
	}
	if e, r := cloud.asked(); e != 1 || r != 0 {
		t.Fatalf("asked %d and %d times", e, r)
	}
	first, end := g.source.Life()
	g.clock = identity.Clock{Now: func() time.Time { return first.Add(end.Sub(first)/2 + time.Minute) }}
	g.boot()
	g.inUse()
	cloud.mu.Lock()
	cloud.life = 3 * time.Hour // so that the next is not due at that time
	cloud.mu.Unlock()
	if s := g.round(); s.Cause != "" {
		t.Errorf("%s", s)
	}
	g.inUse()
	g.round()
	if e, r := cloud.asked(); e != 1 || r != 1 {
		t.Errorf("asked %d and %d times", e, r)
	}
	if now, _ := g.source.Life(); now.Before(first) || cloud.keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(cloud.keys[1]) {
		t.Error("it was not renewed with a new key")
	}
	for _, name := range []string{g.dir, filepath.Join(g.dir, svidFile), filepath.Join(g.dir, bundleFile)} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Stat(filepath.Join(g.dir, pendingFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key of the enrolment is still there: %v", err)
	}
}

// TestAnotherTokenEnrolsAgain while the SVID before stays in use.
func TestAnotherTokenEnrolsAgain(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	g.round()
	g.inUse()
	before, _ := g.e.files.held()
	cloud.refuses(join.LapsedToken)
	g.put(cloud.token(nil))
	if s := g.round(); !s.Enrolled || s.Token != before.Token || !strings.Contains(s.Cause, "lapsed-token") || !strings.Contains(s.Next, "token create") {
		t.Errorf("%+v", s)
	}
	if _, err := g.source.ID(); err != nil {
		t.Error(err)
	}
	cloud.says(nil)
	if s := g.round(); s.Token == before.Token || s.Cause != "" {
		t.Errorf("%+v", s)
	}
	g.inUse()
}

func TestTokensThatAskNobody(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	for name, c := range map[string]struct{ text, want string }{
		"empty":                {"", "no join token"},
		"garbled":              {"courtside-join-1.xx", "slip"},
		"too long":             {strings.Repeat("x", 1<<20), "more than"},
		"another gateway's":    {cloud.token(func(k *join.Token) { k.Gateway = "gw-south" }), "dal-001/gw-south"},
		"another trust domain": {cloud.token(func(k *join.Token) { k.TrustDomain = "elsewhere.test" }), "elsewhere.test"},
	} {
		g.put(c.text)
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, c.want) || s.Next == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if e, _ := cloud.asked(); e != 0 {
		t.Errorf("the aggregator was asked %d times", e)
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	for reason, want := range map[join.Reason]string{join.UsedToken: "another device", join.Superseded: "another device", join.NotGranted: "configuration",
		join.UnknownToken: "token create", join.RevokedToken: "token create", join.Failed: "aggregator's log"} {
		cloud.refuses(reason)
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, string(reason)) || !strings.Contains(s.Next, want) {
			t.Errorf("%s: %+v", reason, s)
		}
	}
	if !errors.As(g.e.joining.err, new(*refused)) || g.e.joining.failures != 6 {
		t.Errorf("%d failures, %v", g.e.joining.failures, g.e.joining.err)
	}
	cloud.says(nil)
	if s := g.round(); !s.Enrolled {
		t.Errorf("%+v", s)
	}
}

// TestWhoIsAskedIsKnown: the secret goes to nobody else.
func TestWhoIsAskedIsKnown(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	other := authority(t)
	g.put(cloud.token(func(k *join.Token) { k.Authority = other.Hash() }))
	if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, "authority") || !strings.Contains(s.Next, "not the aggregator that the token names") {
		t.Errorf("%+v", s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	g.put(cloud.token(func(k *join.Token) { k.Address = l.Addr().String() }))
	if s := g.round(); s.Enrolled || !strings.Contains(s.Next, l.Addr().String()) {
		t.Errorf("nobody listens: %+v", s)
	}
	if e, _ := cloud.asked(); e != 0 {
		t.Error("the secret was sent")
	}
}

// TestAWrongClockIsNamed as what is wrong, and not the server.
func TestAWrongClockIsNamed(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.clock = identity.Clock{Now: func() time.Time { return time.Now().Add(72 * time.Hour) }}
	g.boot()
	g.put(cloud.token(nil))
	if s := g.round(); s.Enrolled || !strings.Contains(s.Next, "clock") {
		t.Errorf("%+v", s)
	}
}

func TestAnswersThatAreNotUsed(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	write := func(a join.Answer) func(http.ResponseWriter, join.Answer) {
		return func(w http.ResponseWriter, _ join.Answer) { _ = json.NewEncoder(w).Encode(a) }
	}
	issue := func(a *identity.Authority, id identity.ID) join.Answer {
		key, err := newKey()
		if err != nil {
			t.Fatal(err)
		}
		der, err := a.Issue(id, key.Public(), time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return join.Answer{SVID: [][]byte{der}, Bundle: cloud.authority.Bundle(), Address: cloud.address}
	}
	south := own
	south.Name = "gw-south"
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, join.Answer)
		want   string
	}{
		"another key":       {write(issue(cloud.authority, own)), "another key"},
		"another gateway":   {write(issue(cloud.authority, south)), "gw-south"},
		"another authority": {write(issue(authority(t), own)), "not used"},
		"nothing":           {write(join.Answer{}), "not used"},
		"rubbish":           {func(w http.ResponseWriter, _ join.Answer) { fmt.Fprint(w, "rubbish") }, "reading"},
		"endless":           {func(w http.ResponseWriter, _ join.Answer) { fmt.Fprint(w, strings.Repeat(" ", 1<<20)) }, "more than"},
		"elsewhere": {func(w http.ResponseWriter, _ join.Answer) {
			w.Header().Set("Location", "https://elsewhere.test/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "307"},
		"a page": {func(w http.ResponseWriter, _ join.Answer) { http.Error(w, "<html>", http.StatusBadGateway) }, "502"},
	} {
		cloud.says(c.answer)
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, c.want) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	cloud.says(func(w http.ResponseWriter, a join.Answer) { // a strange address is passed over
		a.Address = "not an address"
		_ = json.NewEncoder(w).Encode(a)
	})
	if s := g.round(); !s.Enrolled || s.Address != cloud.address {
		t.Errorf("%+v", s)
	}
	for i := 1; i < len(cloud.keys); i++ {
		if !cloud.keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(cloud.keys[i]) {
			t.Errorf("request %d has another key: the token would be refused", i)
		}
	}
}

var errCut = errors.New("power was cut")

// cut makes the n-th write fail, before or after it happened, and all later ones.
func (d *device) cut(n int, after bool) {
	writes := 0
	d.e.files.write = func(path string, content []byte) error {
		if writes++; writes < n || writes == n && after {
			if err := identity.WriteFile(path, content); err != nil {
				return err
			}
		}
		if writes >= n {
			return errCut
		}
		return nil
	}
}

// TestPowerIsCutAtEachWrite of an enrolment and of a renewal: the gateway always gets there with the key that the token knows, or renews again.
func TestPowerIsCutAtEachWrite(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, after := range []bool{false, true} {
			cloud, g := newDesk(t), newDevice(t)
			g.put(cloud.token(nil))
			g.cut(n, after)
			if s := g.round(); !strings.Contains(s.Cause, errCut.Error()) {
				t.Fatalf("write %d, %v: %+v", n, after, s)
			}
			if e, _ := cloud.asked(); (e == 0) != (n == 1) {
				t.Errorf("write %d, %v: asked %d times", n, after, e)
			}
			g.boot()
			if s := g.round(); !s.Enrolled || s.Cause != "" {
				t.Fatalf("write %d, %v: %+v", n, after, s)
			}
			g.inUse()
			for _, key := range cloud.keys[1:] {
				if !cloud.keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(key) {
					t.Errorf("write %d, %v: the token was used with two keys", n, after)
				}
			}
		}
	}
	for n := 1; n <= 2; n++ {
		for _, after := range []bool{false, true} {
			cloud, g := newDesk(t), newDevice(t)
			g.put(cloud.token(nil))
			g.round()
			g.inUse()
			_, end := g.source.Life()
			g.clock = identity.Clock{Now: func() time.Time { return end.Add(-time.Minute) }}
			cloud.life = 24 * time.Hour
			g.boot()
			g.inUse()
			g.cut(n, after)
			g.round()
			g.boot()
			g.inUse() // the old one or the new one
			if s := g.round(); s.Cause != "" {
				t.Errorf("renewal, write %d, %v: %+v", n, after, s)
			}
			g.inUse()
			if _, now := g.source.Life(); !now.After(end) {
				t.Errorf("renewal, write %d, %v: it was not renewed", n, after)
			}
		}
	}
}

// TestAGatewayThatWasOffRenews with an SVID that has expired.
func TestAGatewayThatWasOffRenews(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	g.round()
	g.inUse()
	_, end := g.source.Life()
	g.clock = identity.Clock{Now: func() time.Time { return end.Add(2 * time.Hour) }}
	g.boot()
	g.inUse()
	cloud.refuses(join.LapsedSVID)
	if s := g.round(); !s.Enrolled || !strings.Contains(s.Next, "token create") {
		t.Errorf("%+v", s)
	}
	cloud.says(nil)
	cloud.life = 24 * time.Hour
	if s := g.round(); s.Cause != "" {
		t.Errorf("%+v", s)
	}
	if _, r := cloud.asked(); r != 2 || !cloud.renewed[1].NotAfter.Equal(end) {
		t.Errorf("%d renewals", r)
	}
}

// TestClocks says when a renewal is due.
func TestClocks(t *testing.T) {
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &held{begin: begin, end: begin.Add(24 * time.Hour)}
	at := func(now time.Time, trusted bool) identity.Clock {
		return identity.Clock{Now: func() time.Time { return now }, Synchronised: func() bool { return trusted }}
	}
	long := time.Now().Add(-3 * time.Hour)
	for name, c := range map[string]struct {
		clock identity.Clock
		since time.Time // when it was first seen
		fresh bool
		due   bool
	}{
		"young":                                {at(begin.Add(11*time.Hour), true), long, false, false},
		"past its half":                        {at(begin.Add(13*time.Hour), true), long, false, true},
		"expired":                              {at(begin.Add(1000*time.Hour), true), long, false, true},
		"not valid yet, and the clock is sure": {at(begin.Add(-time.Hour), true), long, false, true},
		"unset clock, just started":            {at(time.Unix(0, 0), false), time.Now(), false, false},
		"unset clock, for two minutes":         {at(time.Unix(0, 0), false), time.Now().Add(-undated), false, true},
		"unset clock, issued since":            {at(time.Unix(0, 0), false), long, true, false},
		"unset clock, issued long since":       {at(time.Unix(0, 0), false), time.Now().Add(-12 * time.Hour), true, true},
	} {
		e := &Enrolment{o: Options{Clock: c.clock}, since: c.since, seen: h.end, fresh: c.fresh}
		if got := e.renewalDue(h); got != c.due {
			t.Errorf("%s: due %v", name, got)
		}
	}
}

// TestAWrongClockDoesNotWearTheFlash: an SVID that seems expired as it comes is not renewed at once again.
func TestAWrongClockDoesNotWearTheFlash(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	ahead := 5 * time.Minute // the server's SVID is still good then, the gateway's own is not
	cloud.life = 4 * time.Minute
	g.clock = identity.Clock{Now: func() time.Time { return time.Now().Add(ahead) }}
	g.boot()
	g.put(cloud.token(nil))
	for range 5 {
		g.e.round(t.Context())
	}
	if e, r := cloud.asked(); e != 1 || r != 0 {
		t.Errorf("asked %d and %d times", e, r)
	}
	if wait := time.Until(g.e.renewing.next); wait < 30*time.Second {
		t.Errorf("it is renewed again in %s", wait)
	}
}

// TestAFileThatIsGarbled is told, and a token enrols anew.
func TestAFileThatIsGarbled(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	svid, _ := Files(g.dir)
	for name, text := range map[string][]byte{"rubbish": []byte("rubbish"), "no record": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), "huge": bytes.Repeat([]byte("x"), maxFileBytes+1)} {
		if err := os.WriteFile(svid, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, svidFile) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for _, name := range []string{pendingFile} {
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.put(cloud.token(nil))
	if s := g.round(); !s.Enrolled || s.Cause != "" {
		t.Errorf("%+v", s)
	}
}

// TestRunEnds while a server never answers.
func TestRunEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(func(k *join.Token) { k.Address = l.Addr().String() }))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); g.e.Run(ctx) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Run did not end")
	}
}

// FuzzHeld reads whatever a disk gives back.
func FuzzHeld(f *testing.F) {
	f.Add([]byte("rubbish"))
	f.Add(record{Token: "ab", Address: "a:1"}.pem())
	f.Add(append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}), record{}.pem()...))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, svidFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := (files{dir: dir}).held(); (h == nil) == (err == nil) && len(content) > 0 {
			t.Fatalf("%+v, %v", h, err)
		}
	})
}
