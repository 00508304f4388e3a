package identitytest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
)

// Names of the files that WriteFiles makes in its folder.
const (
	CertFile   = "svid.pem"
	KeyFile    = "svid.key"
	BundleFile = "bundle.pem"
)

// WriteFiles writes an SVID, its key and the bundle as PEM files into dir, each replaced in one step.
func WriteFiles(dir string, a *Authority, s SVID) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing an SVID: %w", err)
	}
	for _, f := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{{KeyFile, s.KeyPEM(), 0o600}, {CertFile, s.CertPEM(), 0o644}, {BundleFile, a.Bundle(), 0o644}} {
		name := filepath.Join(dir, f.name)
		if err := os.WriteFile(name+".new", f.content, f.mode); err != nil {
			return fmt.Errorf("writing an SVID: %w", err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			return fmt.Errorf("writing an SVID: %w", err)
		}
	}
	return nil
}

// FileOptions returns the options that read what WriteFiles wrote into dir.
func FileOptions(dir string, a *Authority) identity.Options {
	return identity.Options{TrustDomain: a.TrustDomain(), CertFile: filepath.Join(dir, CertFile),
		KeyFile: filepath.Join(dir, KeyFile), BundleFile: filepath.Join(dir, BundleFile)}
}

// New returns an authority for a test: valid for a day from now.
func New(t testing.TB, trustDomain string) *Authority {
	t.Helper()
	a, err := NewAuthority(trustDomain, time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Open returns a ready source of id, valid for an hour; the test's end closes it.
func Open(t testing.TB, a *Authority, id identity.ID) *identity.Source {
	t.Helper()
	return OpenRequest(t, a, RequestFor(id, time.Now(), time.Hour))
}

// OpenRequest returns a ready source of whatever SVID the request describes; the test's end closes it.
func OpenRequest(t testing.TB, a *Authority, r Request) *identity.Source {
	t.Helper()
	svid, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := WriteFiles(dir, a, svid); err != nil {
		t.Fatal(err)
	}
	s, err := identity.OpenFiles(FileOptions(dir, a))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// Gateway returns the identity of a gateway in the authority's trust domain.
func (a *Authority) Gateway(venue, name string) identity.ID {
	return a.id(fmt.Sprintf("/venue/%s/gateway/%s", venue, name))
}

// Subscriber returns the identity of a subscriber in the authority's trust domain.
func (a *Authority) Subscriber(venue, name string) identity.ID {
	return a.id(fmt.Sprintf("/venue/%s/subscriber/%s", venue, name))
}

// Aggregator returns the identity of the aggregator in the authority's trust domain.
func (a *Authority) Aggregator() identity.ID { return a.id("/aggregator") }

// Broker returns the identity of a broker in the authority's trust domain.
func (a *Authority) Broker() identity.ID { return a.id("/broker") }

// id returns the identity of a path that the caller knows to be valid.
func (a *Authority) id(path string) identity.ID {
	id, err := identity.ParseID("spiffe://" + a.TrustDomain() + path)
	if err != nil {
		panic(err) // a fault of the test that calls
	}
	return id
}
