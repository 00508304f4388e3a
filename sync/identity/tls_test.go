package identity_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "courtside.test"

// shake makes a handshake over loopback, and one byte each way, so that TLS 1.3's late refusals are seen by both.
func shake(t *testing.T, client, server *tls.Config) (c, s tls.ConnectionState, clientErr, serverErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	done := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			done <- err
			return
		}
		conn := tls.Server(raw, server)
		defer func() { _ = conn.Close() }()
		_, err = io.CopyN(conn, conn, 1)
		s = conn.ConnectionState()
		done <- err
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, client)
	if _, clientErr = conn.Write([]byte("x")); clientErr == nil {
		_, clientErr = io.ReadFull(conn, make([]byte, 1))
	}
	c = conn.ConnectionState()
	_ = conn.Close()
	return c, s, clientErr, <-done
}

func TestHandshakeNamesBothEnds(t *testing.T) {
	a := identitytest.New(t, domain)
	gateway, aggregator := identitytest.Open(t, a, a.Gateway("dal-001", "gw-north")), identitytest.Open(t, a, a.Aggregator())
	for range 2 {
		c, s, cErr, sErr := shake(t, gateway.ClientTLS(identity.Aggregator, identity.Broker), aggregator.ServerTLS(identity.Gateway))
		if cErr != nil || sErr != nil {
			t.Fatalf("client: %v, server: %v", cErr, sErr)
		}
		if id, err := identity.PeerID(c); err != nil || id != a.Aggregator() {
			t.Errorf("the client sees %v, %v", id, err)
		}
		if id, err := identity.PeerID(s); err != nil || id != a.Gateway("dal-001", "gw-north") {
			t.Errorf("the server sees %v, %v", id, err)
		}
		if c.Version != tls.VersionTLS13 || c.DidResume || s.DidResume {
			t.Errorf("version %x, resumed %v", c.Version, c.DidResume)
		}
		if end := identity.PeerNotAfter(s); !end.Equal(gateway.NotAfter()) {
			t.Errorf("the peer's end is %v, want %v", end, gateway.NotAfter())
		}
	}
}

func TestHandshakeRefuses(t *testing.T) {
	a, foreign := identitytest.New(t, domain), identitytest.New(t, "elsewhere.test")
	impostor := identitytest.New(t, domain) // the same name, another key
	aggregator := identitytest.Open(t, a, a.Aggregator())
	gateway := a.Gateway("dal-001", "gw-north")
	long := time.Now().Add(-2 * time.Hour)
	plain := aggregator.ClientTLS(identity.Aggregator)
	plain.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	old := identitytest.Open(t, a, gateway).ClientTLS(identity.Aggregator)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	expired := identitytest.OpenRequest(t, a, identitytest.RequestFor(gateway, long, time.Hour))
	svid, err := a.Issue(identitytest.RequestFor(gateway, long, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(svid.CertPEM(), svid.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	shown := aggregator.ClientTLS(identity.Aggregator) // shows an expired SVID all the same
	shown.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }

	for name, client := range map[string]*tls.Config{
		"no certificate":            plain,
		"another role":              identitytest.Open(t, a, a.Subscriber("dal-001", "wall")).ClientTLS(identity.Aggregator),
		"another trust domain":      identitytest.Open(t, foreign, foreign.Gateway("dal-001", "gw-north")).ClientTLS(identity.Aggregator),
		"another key":               identitytest.Open(t, impostor, gateway).ClientTLS(identity.Aggregator),
		"expired, used":             expired.ClientTLS(identity.Aggregator),
		"expired, shown":            shown,
		"TLS 1.2":                   old,
		"expects another server":    identitytest.Open(t, a, gateway).ClientTLS(identity.Broker),
		"expects nobody":            identitytest.Open(t, a, gateway).ClientTLS(),
		"expects a gateway of name": identitytest.Open(t, a, gateway).ClientTLS(a.Gateway("dal-001", "gw-south")),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, cErr, sErr := shake(t, client, aggregator.ServerTLS(identity.Gateway))
			if cErr == nil || sErr == nil {
				t.Fatalf("client: %v, server: %v", cErr, sErr)
			}
		})
	}
	if _, _, cErr, _ := shake(t, expired.ClientTLS(identity.Aggregator), aggregator.ServerTLS(identity.Gateway)); !errors.Is(cErr, identity.ErrExpired) {
		t.Errorf("the own expiry is told as %v", cErr)
	}
}

func TestExactPeer(t *testing.T) {
	a := identitytest.New(t, domain)
	gateway, aggregator := a.Gateway("dal-001", "gw-north"), identitytest.Open(t, a, a.Aggregator())
	source := identitytest.Open(t, a, gateway)
	if _, _, cErr, sErr := shake(t, source.ClientTLS(a.Aggregator()), aggregator.ServerTLS(gateway)); cErr != nil || sErr != nil {
		t.Fatalf("client: %v, server: %v", cErr, sErr)
	}
	if _, _, _, sErr := shake(t, source.ClientTLS(a.Aggregator()), aggregator.ServerTLS(a.Gateway("dal-001", "gw-south"))); !errors.Is(sErr, identity.ErrPeer) {
		t.Fatalf("another gateway's name was served: %v", sErr)
	}
}

// TestClock judges a server's SVID, valid for an hour from noon, with a gateway's clock.
func TestClock(t *testing.T) {
	noon := time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)
	a, err := identitytest.NewAuthority(domain, noon.Add(-time.Hour), 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.Issue(identitytest.RequestFor(a.Aggregator(), noon, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	own, err := a.Issue(identitytest.RequestFor(a.Gateway("dal-001", "gw-north"), noon, 24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(server.CertPEM(), server.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := identitytest.WriteFiles(dir, a, own); err != nil {
		t.Fatal(err)
	}
	unset := time.Date(1970, 1, 1, 0, 0, 9, 0, time.UTC)
	for _, test := range []struct {
		name       string
		now, floor time.Time
		synced, ok bool
	}{
		{"synchronised, valid", noon.Add(time.Minute), time.Time{}, true, true},
		{"synchronised, not yet valid", noon.Add(-identity.Backdate - time.Second), time.Time{}, true, false},
		{"synchronised, expired", noon.Add(2 * time.Hour), time.Time{}, true, false},
		{"unset clock", unset, time.Time{}, false, true},
		{"unset clock, built yesterday", unset, noon.Add(-24 * time.Hour), false, true},
		{"unset clock, known to be within", unset, noon.Add(time.Minute), false, true},
		{"unset clock, known to be past the end", unset, noon.Add(2 * time.Hour), false, false},
		{"clock stepped back behind what is known", noon.Add(time.Minute), noon.Add(2 * time.Hour), true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := identitytest.FileOptions(dir, a)
			o.Clock = identity.Clock{Now: func() time.Time { return test.now }, Floor: func() time.Time { return test.floor },
				Synchronised: func() bool { return test.synced }}
			source, err := identity.OpenFiles(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = source.Close() }()
			ready(t, source)
			_, _, cErr, _ := shake(t, source.ClientTLS(identity.Aggregator), &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
			if (cErr == nil) != test.ok {
				t.Errorf("the handshake ended with %v", cErr)
			}
		})
	}
}

func TestPeerIDWithoutCertificate(t *testing.T) {
	if _, err := identity.PeerID(tls.ConnectionState{}); !errors.Is(err, identity.ErrPeer) {
		t.Errorf("%v", err)
	}
	if end := identity.PeerNotAfter(tls.ConnectionState{}); !end.IsZero() {
		t.Errorf("%v", end)
	}
}

func TestNotReadySaysSo(t *testing.T) {
	source, err := identity.OpenFiles(identity.Options{TrustDomain: domain, CertFile: "absent.pem", KeyFile: "absent.key", BundleFile: "absent"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	a := identitytest.New(t, domain)
	_, _, cErr, _ := shake(t, source.ClientTLS(identity.Aggregator), identitytest.Open(t, a, a.Aggregator()).ServerTLS(identity.Gateway))
	if !errors.Is(cErr, identity.ErrNotReady) {
		t.Errorf("the handshake ended with %v", cErr)
	}
	if _, err := source.ID(); !errors.Is(err, identity.ErrNotReady) {
		t.Errorf("ID: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := source.WaitReady(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "absent.pem") {
		t.Errorf("WaitReady: %v", err)
	}
}

func ready(t *testing.T, s *identity.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}
