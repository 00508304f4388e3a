package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

var digest = sha256.Sum256([]byte("an ack"))

func signer(t *testing.T, s *identity.Source) *identity.Signer {
	t.Helper()
	g, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSignaturesOfEveryKey(t *testing.T) {
	ca := identitytest.New(t, "courtside.test")
	v := identitytest.Open(t, ca, ca.Gateway("dal-001", "gw-north")).Verifier(8, identity.Aggregator)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA P-256": nil, "ECDSA P-384": p384, "Ed25519": ed} {
		r := identitytest.RequestFor(ca.Aggregator(), time.Now(), time.Hour)
		r.Key = key
		g := signer(t, identitytest.OpenRequest(t, ca, r))
		sig, err := g.Sign(digest)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := v.Verify(g.Key(), digest, sig); !errors.Is(err, identity.ErrKey) {
			t.Errorf("%s, before its chain is known: %v", name, err)
		}
		if err := v.Learn(g.Chain); err != nil {
			t.Fatal(name, err)
		}
		proof, err := v.Verify(g.Key(), digest, sig)
		if err != nil || proof.ID != ca.Aggregator() || !proof.NotAfter.Equal(g.NotAfter) || proof.NotBefore.IsZero() {
			t.Errorf("%s: %+v %v", name, proof, err)
		}
		other := sha256.Sum256([]byte("another"))
		if _, err := v.Verify(g.Key(), other, sig); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("%s over something else: %v", name, err)
		}
		if _, err := v.Verify(g.Key(), digest, nil); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("%s, empty: %v", name, err)
		}
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	r := identitytest.RequestFor(ca.Aggregator(), time.Now(), time.Hour)
	r.Key = old
	if _, err := identitytest.OpenRequest(t, ca, r).Signer(); !errors.Is(err, identity.ErrKey) {
		t.Errorf("RSA: %v", err)
	}
}

func TestWhoseSignatureCounts(t *testing.T) {
	ca, other := identitytest.New(t, "courtside.test"), identitytest.New(t, "courtside.test")
	gateway := identitytest.Open(t, ca, ca.Gateway("dal-001", "gw-north"))
	v := gateway.Verifier(8, identity.Aggregator)
	for name, g := range map[string]*identity.Signer{
		"a gateway":                       signer(t, identitytest.Open(t, ca, ca.Gateway("dal-001", "gw-south"))),
		"a broker":                        signer(t, identitytest.Open(t, ca, ca.Broker())),
		"an aggregator of another domain": signer(t, identitytest.Open(t, other, other.Aggregator())),
	} {
		if err := v.Learn(g.Chain); !errors.Is(err, identity.ErrPeer) {
			t.Errorf("%s was accepted: %v", name, err)
		}
	}
	for name, chain := range map[string][][]byte{"nothing": nil, "garbage": {[]byte("x")}} {
		if err := v.Learn(chain); !errors.Is(err, identity.ErrPeer) {
			t.Errorf("%s was accepted: %v", name, err)
		}
	}
	if err := gateway.Verifier(8).Learn(signer(t, identitytest.Open(t, ca, ca.Aggregator())).Chain); !errors.Is(err, identity.ErrPeer) {
		t.Errorf("without peers somebody was accepted: %v", err)
	}
}

// TestRotationOfASigner: the old and the new key count side by side, until the old one's end.
func TestRotationOfASigner(t *testing.T) {
	ca := identitytest.New(t, "courtside.test")
	svid, err := ca.Issue(identitytest.RequestFor(ca.Gateway("dal-001", "gw-north"), time.Now(), 12*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := identitytest.WriteFiles(dir, ca, svid); err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	o := identitytest.FileOptions(dir, ca)
	o.Clock.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, err := identity.OpenFiles(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.WaitReady(context.Background()); err != nil {
		t.Fatal(err)
	}
	v := s.Verifier(2, identity.Aggregator)
	var made []*identity.Signer
	for _, life := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour} {
		made = append(made, signer(t, identitytest.OpenRequest(t, ca, identitytest.RequestFor(ca.Aggregator(), time.Now(), life))))
	}
	verify := func(g *identity.Signer) error {
		sig, err := g.Sign(digest)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(g.Key(), digest, sig)
		return err
	}
	for _, g := range made[:2] {
		if err := v.Learn(g.Chain); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(verify(made[0]), verify(made[1])); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(90 * time.Minute))
	if err := verify(made[0]); !errors.Is(err, identity.ErrExpired) {
		t.Errorf("the old key after its end: %v", err)
	}
	if err := verify(made[1]); err != nil {
		t.Error(err)
	}
	if err := v.Learn(made[2].Chain); err != nil { // there is room for two: the one used longest ago goes
		t.Fatal(err)
	}
	if err := errors.Join(verify(made[1]), verify(made[2])); err != nil {
		t.Error(err)
	}
	if err := verify(made[0]); !errors.Is(err, identity.ErrKey) {
		t.Errorf("%v", err)
	}
	if err := v.Learn(made[0].Chain); !errors.Is(err, identity.ErrExpired) {
		t.Errorf("an expired chain was learnt: %v", err)
	}
}

func TestFloorKeepsTheTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "time.json")
	at := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	f, err := identity.OpenFloor(path)
	if err != nil || !f.Time().Equal(identity.BuildTime()) {
		t.Fatalf("%v %v", f.Time(), err)
	}
	steps := []struct{ observe, kept time.Duration }{{0, 0}, {time.Minute, 0}, {-time.Hour, 0}, {10 * time.Minute, 10 * time.Minute}, {19 * time.Minute, 10 * time.Minute}}
	for _, s := range steps {
		if err := f.Observe(at.Add(s.observe)); err != nil {
			t.Fatal(err)
		}
		again, err := identity.OpenFloor(path)
		if err != nil || !again.Time().Equal(at.Add(s.kept)) {
			t.Errorf("after %v the file has %v, want %v (%v)", s.observe, again.Time(), at.Add(s.kept), err)
		}
	}
	if !f.Time().Equal(at.Add(19 * time.Minute)) {
		t.Errorf("%v", f.Time())
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if again, err := identity.OpenFloor(path); err != nil || !again.Time().Equal(at.Add(19*time.Minute)) {
		t.Errorf("%v %v", again.Time(), err)
	}
	if left, _ := filepath.Glob(path + ".new*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFloorOfAGarbledFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "time.json")
	for _, content := range []string{"", "{", `{"v":2,"cloud_time":"2036-01-01T00:00:00Z"}`, `{"v":1,"cloud_time":5}`, strings.Repeat(" ", 5000)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := identity.OpenFloor(path)
		if err == nil || !f.Time().Equal(identity.BuildTime()) {
			t.Errorf("%.20q: %v %v", content, f.Time(), err)
		}
		if err := f.Observe(time.Now()); err != nil {
			t.Error(err)
		}
		if _, err := identity.OpenFloor(path); err != nil {
			t.Errorf("it was not replaced: %v", err)
		}
	}
	gone, err := identity.OpenFloor(filepath.Join(t.TempDir(), "no", "such", "folder"))
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Observe(time.Now()); err == nil {
		t.Error("a folder that is absent was written to")
	}
	if err := gone.Observe(time.Now().Add(time.Minute)); err != nil {
		t.Errorf("it is tried again too soon: %v", err)
	}
}
