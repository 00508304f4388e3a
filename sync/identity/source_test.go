package identity_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

// patience bounds waits for what must happen; nothing is asserted about how long it takes.
const patience = 20 * time.Second

// eventually waits for changes of the source until holds does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func changed(t *testing.T, updated <-chan struct{}) {
	t.Helper()
	select {
	case <-updated:
	case <-time.After(patience):
		t.Fatal("no update came")
	}
}

func issue(t *testing.T, a *identitytest.Authority, id identity.ID) identitytest.SVID {
	t.Helper()
	svid, err := a.Issue(identitytest.RequestFor(id, time.Now(), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return svid
}

// strange returns an SVID of the trust domain that is no identity of Courtside.
func strange(t *testing.T, a *identitytest.Authority) identitytest.SVID {
	t.Helper()
	return issue(t, a, identity.ID{TrustDomain: a.TrustDomain(), Role: identity.Gateway, Venue: "No_Venue", Name: "x"})
}

func openFiles(t *testing.T, dir string, a *identitytest.Authority) *identity.Source {
	t.Helper()
	o := identitytest.FileOptions(dir, a)
	o.Poll = 5 * time.Millisecond
	s, err := identity.OpenFiles(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestFilesRotateAndBreak(t *testing.T) {
	a := identitytest.New(t, domain)
	gateway, dir := a.Gateway("dal-001", "gw-north"), t.TempDir()
	s := openFiles(t, dir, a)
	eventually(t, "an error for absent files", func() bool { return s.Err() != nil })

	first := issue(t, a, gateway)
	if err := identitytest.WriteFiles(dir, a, first); err != nil {
		t.Fatal(err)
	}
	ready(t, s)
	if id, err := s.ID(); err != nil || id != gateway {
		t.Fatalf("%v, %v", id, err)
	}
	eventually(t, "the end of the error", func() bool { return s.Err() == nil })

	second, err := a.Issue(identitytest.RequestFor(gateway, time.Now(), 2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	third := issue(t, a, gateway)
	other := identitytest.New(t, "elsewhere.test")
	for _, fault := range []struct {
		name    string
		file    string
		content []byte
		says    string
	}{
		{"a certificate without its key", identitytest.CertFile, second.CertPEM(), "do not make an SVID"},
		{"a certificate cut in half", identitytest.CertFile, first.CertPEM()[:200], "still being written"},
		{"an empty key", identitytest.KeyFile, nil, "still being written"},
		{"a bundle cut in its second certificate", identitytest.BundleFile, append(a.Bundle(), other.Bundle()[:300]...), "still being written"},
		{"a bundle that is none", identitytest.BundleFile, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "not a bundle"},
		{"a huge file", identitytest.BundleFile, make([]byte, 2<<20), "at most"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			file := filepath.Join(dir, fault.file)
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, fault.content, 0o600); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the error", func() bool { return s.Err() != nil && strings.Contains(s.Err().Error(), fault.says) })
			if !s.NotAfter().Equal(first.NotAfter.Truncate(time.Second)) {
				t.Errorf("the identity in use changed: it ends %v, want %v", s.NotAfter(), first.NotAfter)
			}
			if err := os.WriteFile(file, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the end of the error", func() bool { return s.Err() == nil })
		})
	}

	updated := s.Updated()
	if err := identitytest.WriteFiles(dir, a, second); err != nil {
		t.Fatal(err)
	}
	changed(t, updated)
	if !s.NotAfter().Equal(second.NotAfter.Truncate(time.Second)) {
		t.Errorf("the identity in use ends %v, want %v", s.NotAfter(), second.NotAfter)
	}
	_ = s.Close()
	if err := identitytest.WriteFiles(dir, a, third); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error("closing twice:", err)
	}
	if _, err := s.ID(); err != nil {
		t.Error("the identity held went with Close:", err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	a, other := identitytest.New(t, domain), identitytest.New(t, "elsewhere.test")
	dir := t.TempDir()
	if err := identitytest.WriteFiles(dir, a, issue(t, other, other.Aggregator())); err != nil {
		t.Fatal(err)
	}
	s := openFiles(t, dir, a)
	eventually(t, "the refusal", func() bool { return errors.Is(s.Err(), identity.ErrID) })
	if err := identitytest.WriteFiles(dir, a, strange(t, a)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal", func() bool { return s.Err() != nil && strings.Contains(s.Err().Error(), "No_Venue") })
}

func TestConfigurationErrors(t *testing.T) {
	ctx := context.Background()
	if _, err := identity.OpenFiles(identity.Options{TrustDomain: domain, CertFile: "a", KeyFile: "b"}); err == nil {
		t.Error("a bundle file is missing")
	}
	if _, err := identity.OpenFiles(identity.Options{TrustDomain: "Not A Domain", CertFile: "a", KeyFile: "b", BundleFile: "c"}); err == nil {
		t.Error("the trust domain is none")
	}
	for _, addr := range []string{"", "/run/agent.sock", "http://x", "unix:relative"} {
		if _, err := identity.OpenWorkload(ctx, identity.Options{TrustDomain: domain, WorkloadAPI: addr}); err == nil {
			t.Errorf("%q was taken for the address of an agent", addr)
		}
	}
}

func openWorkload(t *testing.T, socket string) *identity.Source {
	t.Helper()
	s, err := identity.OpenWorkload(context.Background(), identity.Options{TrustDomain: domain, WorkloadAPI: "unix://" + socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func serve(t *testing.T, socket string) *identitytest.Agent {
	t.Helper()
	agent, err := identitytest.Serve(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Close() })
	return agent
}

func TestWorkloadThroughItsFaults(t *testing.T) {
	a := identitytest.New(t, domain)
	gateway := a.Gateway("dal-001", "gw-north")
	socket := filepath.Join(t.TempDir(), "a.sock")
	s := openWorkload(t, socket)

	eventually(t, "an error for the absent agent", func() bool { return s.Err() != nil })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.WaitReady(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "a.sock") {
		t.Errorf("WaitReady: %v", err)
	}

	agent := serve(t, socket)
	eventually(t, "the denial", func() bool { return s.Err() != nil && strings.Contains(s.Err().Error(), "no identity issued") })
	agent.Set(a, issue(t, a, gateway))
	ready(t, s)
	if id, err := s.ID(); err != nil || id != gateway {
		t.Fatalf("%v, %v", id, err)
	}

	updated := s.Updated()
	second := issue(t, a, gateway)
	agent.Set(a, second)
	changed(t, updated)

	for _, code := range []codes.Code{codes.PermissionDenied, codes.InvalidArgument, codes.Unavailable, codes.Canceled} {
		agent.Deny(code)
		eventually(t, "the error "+code.String(), func() bool { return s.Err() != nil && strings.Contains(s.Err().Error(), code.String()) })
		if _, err := s.ID(); err != nil {
			t.Errorf("%v took the identity away: %v", code, err)
		}
		updated = s.Updated()
		agent.Set(a, issue(t, a, gateway))
		changed(t, updated)
	}

	_ = agent.Close()
	eventually(t, "the error of the dead agent", func() bool { return s.Err() != nil })
	updated = s.Updated()
	agent = serve(t, socket)
	last := issue(t, a, gateway)
	agent.Set(a, last)
	changed(t, updated)

	updated = s.Updated()
	agent.Set(a, last) // nothing new
	agent.Set(a)       // nothing at all
	eventually(t, "the error of the empty answer", func() bool { return s.Err() != nil })
	select {
	case <-updated:
		t.Error("the same SVID counted as an update")
	default:
	}
}

func TestWorkloadChoosesItsIdentity(t *testing.T) {
	a, other := identitytest.New(t, domain), identitytest.New(t, "elsewhere.test")
	socket := filepath.Join(t.TempDir(), "a.sock")
	agent := serve(t, socket)
	foreign := strange(t, a)
	agent.Set(a, foreign)
	s := openWorkload(t, socket)
	eventually(t, "the refusal", func() bool { return errors.Is(s.Err(), identity.ErrID) })
	agent.Set(a, foreign, issue(t, a, a.Broker()), issue(t, a, a.Aggregator()))
	ready(t, s)
	if id, err := s.ID(); err != nil || id != a.Broker() {
		t.Fatalf("%v, %v", id, err)
	}
	agent.Set(other, issue(t, other, other.Broker()))
	eventually(t, "the refusal of a foreign answer", func() bool { return s.Err() != nil })
	if id, err := s.ID(); err != nil || id != a.Broker() {
		t.Fatalf("%v, %v", id, err)
	}
}

func TestContextEndsTheWatch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := identity.OpenWorkload(ctx, identity.Options{TrustDomain: domain, WorkloadAPI: "unix://" + filepath.Join(t.TempDir(), "a.sock")})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Close(); err != nil { // waits for a watch that only ctx has ended; goleak tells if it lied
		t.Fatal(err)
	}
}
