package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
)

const enrolDomain = "courtside.test"

func authority(t *testing.T, domain string) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority(domain, time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func enrolID(t *testing.T, path string) identity.ID {
	t.Helper()
	id, err := identity.ParseID("spiffe://" + enrolDomain + path)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issued returns an SVID of the authority and its key.
func issued(t *testing.T, a *identity.Authority, id identity.ID, begin time.Time, life time.Duration) ([]*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	der, err := a.Issue(id, key.Public(), begin, life)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{c}, key
}

func TestAuthorityComesBackFromPEM(t *testing.T) {
	a, next := authority(t, enrolDomain), authority(t, enrolDomain)
	key, err := a.MarshalKey()
	if err != nil {
		t.Fatal(err)
	}
	certs := identity.MarshalCerts([][]byte{a.Bundle()[0], next.Bundle()[0]})
	b, err := identity.ParseAuthority(certs, key)
	if err != nil || b.Hash() != a.Hash() || b.TrustDomain() != enrolDomain || len(b.Bundle()) != 2 || !b.NotAfter().Equal(a.NotAfter()) {
		t.Fatalf("%v, %+v", err, b)
	}
	nextKey, err := next.MarshalKey()
	if err != nil {
		t.Fatal(err)
	}
	leaf, leafKey := issued(t, a, enrolID(t, "/aggregator"), time.Now(), time.Hour)
	leafText, err := identity.MarshalKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cert, key []byte }{
		"nothing":           {nil, nil},
		"no key":            {certs, nil},
		"another key":       {certs, nextKey},
		"a key that is not": {certs, certs},
		"no certificate":    {key, key},
		"no CA":             {identity.MarshalCerts([][]byte{leaf[0].Raw}), leafText},
	} {
		if _, err := identity.ParseAuthority(c.cert, c.key); !errors.Is(err, identity.ErrAuthority) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity.NewAuthority("Not A Domain", time.Now(), time.Hour); err == nil {
		t.Error("a trust domain that is none was taken")
	}
}

func TestAuthorityIssuesWithinItsBounds(t *testing.T) {
	a := authority(t, enrolDomain)
	gw := enrolID(t, "/venue/dal-001/gateway/gw-north")
	chain, key := issued(t, a, gw, time.Now(), 1000*time.Hour)
	if c := chain[0]; c.IsCA || !c.NotAfter.Equal(a.NotAfter()) || c.Subject.CommonName != "gw-north.dal-001" || len(c.URIs) != 1 || !key.PublicKey.Equal(c.PublicKey) {
		t.Errorf("issued %+v", c)
	}
	if _, err := a.Issue(gw, key.Public(), a.NotAfter().Add(time.Second), time.Hour); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after its end: %v", err)
	}
	foreign := gw
	foreign.TrustDomain = "elsewhere.test"
	if _, err := a.Issue(foreign, key.Public(), time.Now(), time.Hour); err == nil {
		t.Error("an SVID of another trust domain was issued")
	}
}

func TestRequestsCountForTheirKeyAlone(t *testing.T) {
	csr := func(template *x509.CertificateRequest, key crypto.Signer) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := ecKey(t, elliptic.P256())
	plain := csr(&x509.CertificateRequest{}, key)
	loud := csr(&x509.CertificateRequest{Subject: pkix.Name{CommonName: "aggregator"}, URIs: []*url.URL{{Scheme: "spiffe", Host: enrolDomain, Path: "/aggregator"}}}, key)
	for _, good := range [][]byte{plain, loud} {
		if got, err := identity.RequestKey(good); err != nil || !key.PublicKey.Equal(got) {
			t.Errorf("%v, %v", got, err)
		}
	}
	forged := append([]byte(nil), plain...)
	forged[len(forged)-1] ^= 1
	for name, bad := range map[string][]byte{"RSA": csr(&x509.CertificateRequest{}, weak), "P-224": csr(&x509.CertificateRequest{}, ecKey(t, elliptic.P224())),
		"P-521": csr(&x509.CertificateRequest{}, ecKey(t, elliptic.P521())), "not signed by its key": forged} {
		if _, err := identity.RequestKey(bad); !errors.Is(err, identity.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity.RequestKey([]byte("rubbish")); err == nil || errors.Is(err, identity.ErrKey) {
		t.Errorf("rubbish: %v", err)
	}
}

func TestJudge(t *testing.T) {
	a, other := authority(t, enrolDomain), authority(t, enrolDomain)
	now := time.Now()
	gw := enrolID(t, "/venue/dal-001/gateway/gw-north")
	good, _ := issued(t, a, gw, now, time.Hour)
	if l, err := a.Judge(good, now); err != nil || l.ID != gw || l.Ago > 0 || now.Sub(l.Issued).Abs() > time.Second {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := a.Judge(good, now.Add(3*time.Hour)); err != nil || (l.Ago-2*time.Hour).Abs() > time.Second {
		t.Errorf("two hours after its end: %+v, %v", l, err)
	}
	foreign, _ := issued(t, other, gw, now, time.Hour)
	early, _ := issued(t, a, gw, now.Add(2*time.Hour), time.Hour)
	for name, chain := range map[string][]*x509.Certificate{"none": nil, "of another authority": foreign, "not valid yet": early} {
		if _, err := a.Judge(chain, now); !errors.Is(err, identity.ErrPeer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIssuedIsChecked(t *testing.T) {
	a, other := authority(t, enrolDomain), authority(t, enrolDomain)
	gw := enrolID(t, "/venue/dal-001/gateway/gw-north")
	long := time.Now().Add(-12 * time.Hour) // the authority was none yet
	chain, key := issued(t, a, gw, long, time.Hour)
	of := func(c []*x509.Certificate, bundle [][]byte) identity.Issued {
		return identity.Issued{Chain: [][]byte{c[0].Raw}, Bundle: bundle}
	}
	strange, strangeKey := issued(t, a, enrolID(t, "/aggregator"), time.Now(), time.Hour)
	mine, mineKey := issued(t, a, gw, time.Now(), time.Hour)
	if err := of(mine, a.Bundle()).Check(gw, mineKey.Public()); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another key":        of(mine, a.Bundle()).Check(gw, key.Public()),
		"another ID":         of(strange, a.Bundle()).Check(gw, strangeKey.Public()),
		"another authority":  of(mine, other.Bundle()).Check(gw, mineKey.Public()),
		"no chain":           identity.Issued{Bundle: a.Bundle()}.Check(gw, mineKey.Public()),
		"no bundle":          of(mine, nil).Check(gw, mineKey.Public()),
		"rubbish":            identity.Issued{Chain: [][]byte{{1, 2}}, Bundle: a.Bundle()}.Check(gw, mineKey.Public()),
		"before its issuer":  of(chain, a.Bundle()).Check(gw, key.Public()),
		"of no trust domain": of(mine, a.Bundle()).Check(identity.ID{}, mineKey.Public()),
	} {
		if err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// firstHandshake makes one handshake and returns what the client says of it.
func firstHandshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return // the client tells
		}
		defer c.Close()
		_ = tls.Server(c, server).HandshakeContext(t.Context())
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	err = tls.Client(c, client).HandshakeContext(t.Context())
	_ = c.Close()
	<-done
	return err
}

func readySource(t *testing.T, s *identity.Source, err error) *identity.Source {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFirstContactTrustsTheHashAlone is the handshake of a gateway that knows nothing but a token.
func TestFirstContactTrustsTheHashAlone(t *testing.T) {
	a, other := authority(t, enrolDomain), authority(t, enrolDomain)
	o := identity.Options{TrustDomain: enrolDomain}
	source := func(a *identity.Authority, path string) *identity.Source {
		s, err := identity.OpenAuthority(o, a, enrolID(t, path), time.Hour)
		return readySource(t, s, err)
	}
	server := source(a, "/aggregator")
	for name, c := range map[string]struct {
		server *tls.Config
		clock  identity.Clock
		good   bool
	}{
		"the aggregator":                            {server.EnrolTLS(a), identity.Clock{}, true},
		"a clock that is unset":                     {server.EnrolTLS(a), identity.Clock{Now: func() time.Time { return time.Unix(0, 0) }, Synchronised: func() bool { return false }}, true},
		"a clock that is ahead":                     {server.EnrolTLS(a), identity.Clock{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }}, false},
		"a clock behind, and sure":                  {server.EnrolTLS(a), identity.Clock{Now: func() time.Time { return time.Now().Add(-48 * time.Hour) }}, false},
		"the floor is after its end":                {server.EnrolTLS(a), identity.Clock{Floor: func() time.Time { return time.Now().Add(2 * time.Hour) }, Synchronised: func() bool { return false }}, false},
		"another authority":                         {source(other, "/aggregator").EnrolTLS(other), identity.Clock{}, false},
		"a gateway of the authority":                {source(a, "/venue/dal-001/gateway/thief").EnrolTLS(a), identity.Clock{}, false},
		"the hash's certificate in another's chain": {source(other, "/aggregator").EnrolTLS(a), identity.Clock{}, false},
		"the authority is not shown":                {server.ServerTLS(identity.Gateway), identity.Clock{}, false},
	} {
		client, err := identity.PinnedTLS(enrolDomain, a.Hash(), c.clock)
		if err != nil {
			t.Fatal(err)
		}
		if err := firstHandshake(t, c.server, client); (err == nil) != c.good || err != nil && !errors.Is(err, identity.ErrPeer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnExpiredSVIDIsShownForItsRenewal and for nothing else.
func TestAnExpiredSVIDIsShownForItsRenewal(t *testing.T) {
	a := authority(t, enrolDomain)
	server, err := identity.OpenAuthority(identity.Options{TrustDomain: enrolDomain}, a, enrolID(t, "/aggregator"), time.Hour)
	readySource(t, server, err)
	gw := enrolID(t, "/venue/dal-001/gateway/gw-north")
	chain, key := issued(t, a, gw, time.Now(), time.Hour)
	text, err := identity.MarshalKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	svid, bundle := filepath.Join(dir, "svid.pem"), filepath.Join(dir, "bundle.pem")
	// a key, a chain and something else may share a file
	for path, content := range map[string][]byte{bundle: identity.MarshalCerts(a.Bundle()),
		svid: append(append(identity.MarshalCerts([][]byte{chain[0].Raw}), text...), "-----BEGIN OTHER-----\nAAAA\n-----END OTHER-----\n"...)} {
		if err := identity.WriteFile(path, content); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	unsure := identity.Clock{Now: func() time.Time { return time.Now().Add(90 * time.Minute) }, Synchronised: func() bool { return true }}
	own, err := identity.OpenFiles(identity.Options{TrustDomain: enrolDomain, CertFile: svid, KeyFile: svid, BundleFile: bundle, Clock: unsure})
	readySource(t, own, err)
	if begin, end := own.Life(); !begin.Equal(chain[0].NotBefore) || !end.Equal(chain[0].NotAfter) {
		t.Errorf("life %s to %s", begin, end)
	}
	if _, err := own.ClientTLS().GetClientCertificate(nil); !errors.Is(err, identity.ErrExpired) {
		t.Errorf("for any other peer: %v", err)
	}
	c, err := own.RenewTLS().GetClientCertificate(nil)
	if err != nil || !c.Leaf.Equal(chain[0]) {
		t.Errorf("for its renewal: %v", err)
	}
	if err := a.Vouches(server); err != nil {
		t.Error(err)
	}
	if err := authority(t, enrolDomain).Vouches(server); !errors.Is(err, identity.ErrPeer) {
		t.Errorf("another authority: %v", err)
	}
}

func TestAnAuthoritysSourceRotates(t *testing.T) {
	a := authority(t, enrolDomain)
	s, err := identity.OpenAuthority(identity.Options{TrustDomain: enrolDomain}, a, enrolID(t, "/aggregator"), 4*time.Second)
	readySource(t, s, err)
	for range 2 {
		select {
		case <-s.Updated():
		case <-time.After(60 * time.Second):
			t.Fatal("the SVID was not renewed")
		}
	}
	if _, err := identity.OpenAuthority(identity.Options{TrustDomain: "elsewhere.test"}, a, enrolID(t, "/aggregator"), time.Hour); err == nil {
		t.Error("an authority of another trust domain was taken")
	}
}

func TestWriteFileLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := identity.WriteFile(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := identity.WriteFile(path, []byte("two")); err == nil {
		t.Error("it was written through a folder")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one" {
		t.Errorf("%q, %v", got, err)
	}
}
