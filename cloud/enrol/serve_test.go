package enrol

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

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
