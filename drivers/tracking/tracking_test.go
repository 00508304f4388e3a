package tracking_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/trackingserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/tracking"
	"github.com/courtside-edge/courtside/sync/point"
)

// court is a device with players 1 and 2 as floats at points 0 to 3.
func court(options string, sources ...string) drivers.Device {
	d := drivers.Device{ID: "court", Options: driverstest.Section("options", options), Clock: driverstest.Clock{Start: time.Now()}, Log: slog.New(slog.DiscardHandler)}
	for n, s := range sources {
		g := drivers.Group{Options: driverstest.Section(fmt.Sprintf("source-%d", n), s)}
		for k := range 4 {
			g.Targets = append(g.Targets, drivers.Target{Index: uint32(4*n + k), Point: &point.Point{Name: "player/1/x", Type: point.Float, Class: point.State}})
		}
		d.Groups = append(d.Groups, g)
	}
	return d
}

func serve(t *testing.T, o ...grpc.ServerOption) *trackingserver.Server {
	t.Helper()
	s := trackingserver.New(trackingserver.Options{Period: 5 * time.Millisecond, Server: o})
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.SetAll(1, []trackingserver.Position{{X: 1, Y: -1}, {X: 2, Y: -2}})
	return s
}

// listen subscribes until until says that a block was what was waited for, and returns how the subscription ended.
func listen(t *testing.T, d drivers.Device, until func(*drivers.Block) bool) error {
	t.Helper()
	source, err := tracking.Driver{}.Prepare(d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	err = conn.(drivers.Subscriber).Subscribe(ctx, func(b *drivers.Block) {
		if until(b) {
			cancel()
		}
	})
	if ctx.Err() == context.DeadlineExceeded {
		t.Fatal("what was waited for did not come in 30 s")
	}
	return err
}

func never(*drivers.Block) bool { return false }

func TestPositionsAndTheirTimes(t *testing.T) {
	s := serve(t)
	from := time.Now()
	err := listen(t, court("address: "+s.Addr(), "player: 1"), func(b *drivers.Block) bool {
		for i, r := range b.Readings {
			want := []float64{1, -1, 2, -2}[r.Index]
			if r.Bits != point.FloatBits(want) || !r.Quality.IsGood() || b.DeviceTimes[i] < from.UnixNano() {
				t.Errorf("reading %+v with device time %d", r, b.DeviceTimes[i])
			}
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

func TestARefusalIsPermanent(t *testing.T) {
	s := serve(t)
	s.Behave(trackingserver.Refuse)
	if err := listen(t, court("address: "+s.Addr(), "player: 1"), never); !drivers.IsPermanent(err) {
		t.Errorf("a refused client says: %v", err)
	}
}

func TestSilenceEndsTheStream(t *testing.T) {
	s := serve(t)
	s.Behave(trackingserver.Silent)
	bad := 0
	err := listen(t, court("address: "+s.Addr()+"\nstale_after: 20ms\nsilence: 60ms", "player: 1"), func(b *drivers.Block) bool {
		for _, r := range b.Readings {
			if r.Quality != point.BadWaitingForInitialData {
				t.Errorf("reading %+v", r)
			}
			bad++
		}
		return false
	})
	if err == nil || drivers.IsPermanent(err) || !strings.Contains(err.Error(), "nobody was reported") || bad != 4 {
		t.Errorf("%d bad readings, then: %v", bad, err)
	}
}

func TestAPlayerWhoGoesIsMissed(t *testing.T) {
	s := serve(t)
	gone := false
	err := listen(t, court("address: "+s.Addr()+"\nstale_after: 300ms", "player: 1"), func(b *drivers.Block) bool {
		if !gone {
			gone = true
			s.Remove(2)
		}
		for _, r := range b.Readings {
			if r.Quality.IsBad() {
				if r.Index < 2 {
					t.Skip("the machine was too busy to report player 1")
				}
				return r.Quality == point.BadTimeout
			}
		}
		return false
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPollingIsRefused(t *testing.T) {
	s := serve(t)
	source, err := tracking.Driver{}.Prepare(court("address: "+s.Addr(), "player: 1"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Poll(t.Context(), 0, func(*drivers.Block) {}); err == nil {
		t.Error("a poll went through")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := conn.Poll(ctx, 0, func(*drivers.Block) {}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// authority is a certificate that signs itself and serves as tracking.test.
func authority(t *testing.T) (pair tls.Certificate, bundle []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tracking"}, DNSNames: []string{"tracking.test"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pair, bundle := authority(t)
	_, foreign := authority(t)
	ca, wrong, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "other.pem"), filepath.Join(dir, "empty.pem")
	for path, content := range map[string][]byte{ca: bundle, wrong: foreign, empty: nil} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})))
	for options, want := range map[string]string{
		"tls: {ca_file: " + ca + ", server_name: tracking.test}":                        "",
		"tls: {ca_file: " + ca + ", server_name: other.test}":                           "permanent",
		"tls: {ca_file: " + wrong + ", server_name: tracking.test}":                     "permanent",
		"tls: {ca_file: " + ca + "}":                                                    "permanent",
		"tls: {ca_file: " + empty + "}":                                                 "permanent",
		"tls: {ca_file: " + filepath.Join(dir, "absent") + "}":                          "permanent",
		"tls: {ca_file: " + ca + ", cert_file: " + empty + ", key_file: " + empty + "}": "permanent",
		"timeout: 2s": "transient", // a TLS server heard without TLS
	} {
		err := listen(t, court("address: "+s.Addr()+"\n"+options, "player: 1"), func(*drivers.Block) bool { return true })
		switch {
		case want == "" && err != nil, want == "permanent" && !drivers.IsPermanent(err), want == "transient" && (err == nil || drivers.IsPermanent(err)):
			t.Errorf("%q: want %q, got %v", options, want, err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	for says, d := range map[string]drivers.Device{
		"address is missing":         court("timeout: 1s", "player: 1"),
		"is not host:port":           court("address: host", "player: 1"),
		"is not a port":              court("address: host:0", "player: 1"),
		"timeout 1h0m0s is out":      court("address: h:1\ntimeout: 1h", "player: 1"),
		"stale_after 1ms is out":     court("address: h:1\nstale_after: 1ms", "player: 1"),
		"silence 1s is below":        court("address: h:1\nsilence: 1s", "player: 1"),
		"cert_file and key_file go":  court("address: h:1\ntls: {cert_file: a}", "player: 1"),
		"player is missing":          court("address: h:1", "axis: x"),
		"\"z\" is not an axis":       court("address: h:1", "player: 1\naxis: z"),
		"step 0 is out of range":     court("address: h:1", "player: 1\nstep: 0"),
		"players 2147483647 to":      court("address: h:1", "player: 2147483647"),
		"axis x of player 1 already": court("address: h:1", "player: 1", "player: 1"),
		"axis y of player 1 already": court("address: h:1", "player: 1", "player: 0\naxis: y"),
		"a position is a state, not a ": func() drivers.Device {
			d := court("address: h:1", "player: 1")
			d.Groups[0].Targets[0].Point.Class = point.Event
			return d
		}(),
		"cannot fill a point of type": func() drivers.Device {
			d := court("address: h:1", "player: 1")
			d.Groups[0].Targets[0].Point.Type = point.Bool
			return d
		}(),
		"3 points are no pairs": func() drivers.Device {
			d := court("address: h:1", "player: 1")
			d.Groups[0].Targets = d.Groups[0].Targets[:3]
			return d
		}(),
	} {
		_, err := tracking.Driver{}.Prepare(d)
		if err == nil || !strings.Contains(err.Error(), says) || len(driverstest.Faults(err)) == 0 {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}
