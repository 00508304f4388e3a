package devca_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/tools/devca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "courtside.test"

// patience bounds waits for what must happen; nothing is asserted about how long it takes.
const patience = 20 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// folder returns a short one: sockets have short names.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ca")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, c devca.Config) *devca.Authority {
	t.Helper()
	c.TrustDomain = domain
	a, err := devca.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), a.Close()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func parse(t *testing.T, path string) identity.ID {
	t.Helper()
	id, err := identity.ParseID("spiffe://" + domain + path)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func source(t *testing.T, e devca.Endpoint) *identity.Source {
	t.Helper()
	s, err := identity.OpenWorkload(context.Background(), identity.Options{TrustDomain: domain, WorkloadAPI: e.WorkloadAPI})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEachSocketGivesItsIdentity(t *testing.T) {
	a := open(t, devca.Config{Dir: folder(t)})
	for _, path := range []string{"/aggregator", "/broker", "/venue/dal-001/gateway/gw-north", "/venue/dal-001/subscriber/gw-north"} {
		id := parse(t, path)
		e, err := a.Add(id)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := a.Add(id); err != nil || again != e {
			t.Errorf("adding twice: %+v, %v", again, err)
		}
		if got, err := source(t, e).ID(); err != nil || got != id {
			t.Errorf("the socket of %v gives %v, %v", id, got, err)
		}
		files, err := identity.OpenFiles(identity.Options{TrustDomain: domain, CertFile: e.CertFile, KeyFile: e.KeyFile, BundleFile: e.BundleFile})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the identity from files", func() bool { got, err := files.ID(); return err == nil && got == id })
		_ = files.Close()
		for file, want := range map[string]os.FileMode{e.KeyFile: 0o600, filepath.Dir(e.KeyFile): 0o700, strings.TrimPrefix(e.WorkloadAPI, "unix://"): 0o600} {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", file, info.Mode(), err)
			}
		}
	}
}

func TestFaultsToOrder(t *testing.T) {
	a := open(t, devca.Config{Dir: folder(t)})
	id := parse(t, "/venue/dal-001/gateway/gw-north")
	e, err := a.Add(id)
	if err != nil {
		t.Fatal(err)
	}
	s := source(t, e)
	changes := func(what string, do func(identity.ID) error) {
		t.Helper()
		updated := s.Updated()
		if err := do(id); err != nil {
			t.Fatal(what, err)
		}
		select {
		case <-updated:
		case <-time.After(patience):
			t.Fatalf("%s changed nothing", what)
		}
	}
	fails := func(what string, do func(identity.ID) error) {
		t.Helper()
		if err := do(id); err != nil {
			t.Fatal(what, err)
		}
		eventually(t, "the source's error after "+what, func() bool { return s.Err() != nil })
	}
	changes("rotate", a.Rotate)
	fails("deny", a.Deny)
	if err := a.Rotate(id); err != nil { // still denied
		t.Fatal(err)
	}
	changes("allow", a.Allow)
	fails("stop", a.Stop)
	if err := errors.Join(a.Stop(id), a.Rotate(id)); err != nil {
		t.Fatal(err)
	}
	changes("restart", a.Restart)
	fails("deny", a.Deny)
	fails("restart while denied", a.Restart)
	changes("allow", a.Allow)
	for what, do := range map[string]func(identity.ID) error{"rotate": a.Rotate, "deny": a.Deny, "allow": a.Allow, "stop": a.Stop, "restart": a.Restart} {
		if err := do(parse(t, "/broker")); err == nil {
			t.Errorf("%s of an identity that is not served", what)
		}
	}
}

// TestRotation lets an SVID of a fifth of a second be rotated a few times; a life of days must not be.
func TestRotation(t *testing.T) {
	for life, rotates := range map[time.Duration]bool{200 * time.Millisecond: true, 48 * time.Hour: false} {
		a := open(t, devca.Config{Dir: folder(t), Life: life})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); a.Run(ctx) }()
		e, err := a.Add(parse(t, "/aggregator"))
		if err != nil {
			t.Fatal(err)
		}
		s := source(t, e)
		for range 3 {
			updated := s.Updated()
			if !rotates {
				if err := a.Rotate(e.ID); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case <-updated:
			case <-time.After(patience):
				t.Fatalf("with a life of %v nothing was rotated", life)
			}
		}
		if !rotates && s.NotAfter().Before(time.Now().Add(life-time.Hour)) {
			t.Errorf("a life of %v ends %v", life, s.NotAfter())
		}
		cancel()
		<-done
	}
}

func TestAuthorityOutlivesItsProcess(t *testing.T) {
	dir := folder(t)
	first := open(t, devca.Config{Dir: dir})
	bundle := first.Bundle()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Add(parse(t, "/broker")); err == nil {
		t.Error("a closed authority took an identity")
	}
	if second := open(t, devca.Config{Dir: dir}); string(second.Bundle()) != string(bundle) {
		t.Error("the authority changed")
	}
	if _, err := devca.Open(devca.Config{Dir: dir, TrustDomain: "elsewhere.test"}); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("another trust domain: %v", err)
	}
	late := func() time.Time { return time.Now().Add(366 * 24 * time.Hour) }
	if _, err := devca.Open(devca.Config{Dir: dir, TrustDomain: domain, Now: late}); err == nil {
		t.Error("an authority that has ended was taken")
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := devca.Open(devca.Config{Dir: dir, TrustDomain: domain}); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("rubbish: %v", err)
	}
}

func TestWhatCannotBeServed(t *testing.T) {
	a := open(t, devca.Config{Dir: filepath.Join(folder(t), strings.Repeat("d", 90))})
	if _, err := a.Add(parse(t, "/aggregator")); err == nil || !strings.Contains(err.Error(), "shorter folder") {
		t.Errorf("a long path: %v", err)
	}
	foreign, err := identity.ParseID("spiffe://elsewhere.test/aggregator")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add(foreign); err == nil {
		t.Error("a foreign identity was taken")
	}
	if _, err := devca.Open(devca.Config{Dir: folder(t), TrustDomain: "Not A Domain"}); err == nil {
		t.Error("a trust domain that is none was taken")
	}
}
