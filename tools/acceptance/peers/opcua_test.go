//go:build acceptance

package peers

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/sync/point"
)

// identity is a certificate and its key, in files.
type identity struct{ cert, key string }

// newIdentity makes a certificate as OPC UA applications have it: RSA, signed by itself, with an application's URI.
func newIdentity(t *testing.T, name string) identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: "urn", Opaque: "courtside:peers:" + name}}, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	id := identity{cert: filepath.Join(dir, name+".pem"), key: filepath.Join(dir, name+".key")}
	write(t, id.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, id.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return id
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secured is a server of asyncua that takes signed and encrypted messages only, and how to log in to it.
type secured struct {
	port                          string
	server, gateway, user         identity
	byUser, byCertificate, nobody string // options
	run                           func(generation int) *program
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	py := python(t, "asyncua")
	s := &secured{port: freePort(t), server: newIdentity(t, "server"), gateway: newIdentity(t, "gateway"), user: newIdentity(t, "user")}
	s.run = func(generation int) *program {
		return start(t, nil, py, "testdata/asyncua_server.py", s.port, strconv.Itoa(generation), s.server.cert, s.server.key, s.user.cert)
	}
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, []byte("s3cret\n"))
	s.nobody = fmt.Sprintf("endpoint: opc.tcp://127.0.0.1:%s/\ntimeout: 20s\n"+
		"security: {policy: Basic256Sha256, mode: SignAndEncrypt, server_cert_file: %q, cert_file: %q, key_file: %q}\n",
		s.port, s.server.cert, s.gateway.cert, s.gateway.key)
	s.byUser = s.nobody + fmt.Sprintf("login: {user: gw, password_file: %q}\n", password)
	s.byCertificate = s.nobody + fmt.Sprintf("login: {cert_file: %q, key_file: %q}\n", s.user.cert, s.user.key)
	return s
}

func node(name string, typ point.Type) want {
	return want{source: fmt.Sprintf("node: \"nsu=urn:peer;s=%s\"", name), typ: typ}
}

func whole(name string, v int64) want {
	w := node(name, point.Int)
	w.bits = point.IntBits(v)
	return w
}

// nodes are what the server holds in each type.
func nodes() []want {
	boolean, single, double := node("boolean", point.Bool), node("Float", point.Float), node("Double", point.Float)
	boolean.bits, single.number, double.number = 1, -12.75, -3.141592653589793
	text, local := node("String", point.Text), node("LocalizedText", point.Text)
	text.text, local.text = "Tor 3 geöffnet", "open"
	return []want{boolean, whole("SByte", -100), whole("Byte", 200), whole("Int16", -32767), whole("UInt16", 65244), whole("Int32", -305419896),
		whole("UInt32", 4275878552), whole("Int64", -81985529216486896), whole("UInt64", 81985529216486895), single, double, text, local}
}

// TestAsyncuaPolled reads every type, by both logins.
func TestAsyncuaPolled(t *testing.T) {
	s := newSecured(t)
	s.run(1)
	wants := append(nodes(), node("array", point.Int), node("nowhere", point.Int))
	for name, options := range map[string]string{"user and password": s.byUser, "a user's certificate": s.byCertificate} {
		t.Run(name, func(t *testing.T) {
			c := open(t, prepare(t, opcua.Driver{}, device(options+"mode: poll", io.Discard, wants)))
			all, err := poll(t, c, wants)
			if err != nil {
				t.Fatal(err)
			}
			for n, w := range nodes() {
				if !w.holds(all[uint32(n)]) {
					t.Errorf("%s is %+v", w.source, all[uint32(n)])
				}
			}
			if array, nowhere := all[uint32(len(wants)-2)], all[uint32(len(wants)-1)]; array.Quality != point.BadDataEncodingInvalid || nowhere.Quality != point.BadNodeIDUnknown {
				t.Errorf("an array is %v, a node that is not there %v", array.Quality, nowhere.Quality)
			}
		})
	}
}

// TestAsyncuaRefuses wants a permanent failure from who may not come in.
func TestAsyncuaRefuses(t *testing.T) {
	s := newSecured(t)
	s.run(1)
	wrong := filepath.Join(t.TempDir(), "wrong")
	write(t, wrong, []byte("wrong"))
	stranger, other := newIdentity(t, "stranger"), newIdentity(t, "other")
	for name, options := range map[string]string{
		"anonymous":               s.nobody,
		"a wrong password":        s.nobody + fmt.Sprintf("login: {user: gw, password_file: %q}\n", wrong),
		"a stranger":              s.nobody + fmt.Sprintf("login: {cert_file: %q, key_file: %q}\n", stranger.cert, stranger.key),
		"another server's pin":    strings.ReplaceAll(s.byUser, s.server.cert, other.cert),
		"no security":             fmt.Sprintf("endpoint: opc.tcp://127.0.0.1:%s/\ntimeout: 20s\n", s.port),
		"a policy it has not got": strings.ReplaceAll(s.byUser, "policy: Basic256Sha256", "policy: Aes256_Sha256_RsaPss"),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := prepare(t, opcua.Driver{}, device(options, io.Discard, nodes())).Open(t.Context())
			if err == nil {
				c.Close()
			}
			if !drivers.IsPermanent(err) {
				t.Errorf("%v is not a permanent failure", err)
			}
			t.Log(err)
		})
	}
}

// follower subscribes in the background and keeps the latest of each point.
type follower struct {
	t    *testing.T
	stop context.CancelFunc
	done chan struct{}
	err  error // valid once done is closed

	mu      sync.Mutex
	latest  map[uint32]got
	changed chan struct{}
}

func follow(t *testing.T, c drivers.Conn, wants []want) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{t: t, stop: cancel, done: make(chan struct{}), latest: map[uint32]got{}, changed: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = c.(drivers.Subscriber).Subscribe(ctx, func(b *drivers.Block) {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, g := range take(b, wants) {
				f.latest[g.Index] = g
			}
			close(f.changed)
			f.changed = make(chan struct{})
		})
	}()
	t.Cleanup(f.end)
	return f
}

func (f *follower) end() {
	f.stop()
	<-f.done
}

// until waits for a state of a point.
func (f *follower) until(what string, index uint32, is func(got) bool) {
	f.t.Helper()
	timeout := time.After(patience)
	for {
		f.mu.Lock()
		g, ok := f.latest[index]
		changed := f.changed
		f.mu.Unlock()
		if ok && is(g) {
			return
		}
		select {
		case <-changed:
		case <-f.done:
			f.t.Fatalf("waiting for %s: the subscription ended: %v", what, f.err)
		case <-timeout:
			f.t.Fatalf("waiting for %s: point %d is still %+v", what, index, g)
		}
	}
}

func (f *follower) untilHolds(index uint32, w want) {
	f.t.Helper()
	f.until(fmt.Sprintf("%s to be %d", w.source, int64(w.bits)), index, w.holds)
}

// logs collects what a driver logs.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), s)
}

// TestAsyncuaSubscribed follows values while messages are lost, nodes vanish and the server restarts.
func TestAsyncuaSubscribed(t *testing.T) {
	s := newSecured(t)
	server := s.run(1)
	a, b, generation := uint32(0), uint32(1), uint32(2)
	wants := []want{whole("a", 1), whole("b", 1), whole("generation", 1)}
	options := s.byCertificate + "publish_interval: 100ms\n"
	log := &logs{}
	rare := prepare(t, opcua.Driver{}, device(options+"resync: 1h", log, wants))
	t.Run("changes", func(t *testing.T) {
		f := follow(t, open(t, rare), wants)
		for v := int64(2); v < 6; v++ {
			server.tell(t, "set a %d", v)
			f.untilHolds(a, whole("a", v))
		}
		f.untilHolds(generation, wants[generation])
	})
	t.Run("a lost message is published again", func(t *testing.T) {
		f := follow(t, open(t, rare), wants)
		f.untilHolds(a, whole("a", 5))
		server.tell(t, "set b 2")
		f.untilHolds(b, whole("b", 2))
		server.tell(t, "lose 10")
		server.tell(t, "set b 3")
		f.untilHolds(b, whole("b", 3))
		f.untilHolds(a, whole("a", 10))
		if !log.has("messages of a subscription are missing") {
			t.Error("nobody noticed that a message was lost")
		}
	})
	t.Run("a message that is gone for ever", func(t *testing.T) {
		f := follow(t, open(t, rare), wants)
		f.untilHolds(a, whole("a", 10))
		server.tell(t, "set b 4")
		f.untilHolds(b, whole("b", 4))
		server.tell(t, "forget 11")
		server.tell(t, "set b 5")
		f.untilHolds(b, whole("b", 5))
		f.untilHolds(a, whole("a", 11))
	})
	t.Run("a node vanishes and comes back", func(t *testing.T) {
		f := follow(t, open(t, prepare(t, opcua.Driver{}, device(options+"resync: 300ms", log, wants))), wants)
		f.untilHolds(a, whole("a", 11))
		server.tell(t, "delete a")
		f.until("the node to be unknown", a, func(g got) bool { return g.Quality == point.BadNodeIDUnknown })
		server.tell(t, "set b 6")
		f.untilHolds(b, whole("b", 6))
		server.tell(t, "add a 12")
		f.untilHolds(a, whole("a", 12))
		server.tell(t, "set a 13")
		f.untilHolds(a, whole("a", 13))
	})
	t.Run("restarted midway", func(t *testing.T) {
		f := follow(t, open(t, rare), wants)
		server.tell(t, "set b 7")
		f.untilHolds(b, whole("b", 7))
		server.tell(t, "set b 8") // its subscription stands
		f.untilHolds(b, whole("b", 8))
		server.stop()
		select {
		case <-f.done:
			if f.err == nil || drivers.IsPermanent(f.err) {
				t.Fatalf("the server went away; the subscription ended with %v", f.err)
			}
			t.Logf("the restart shows as %v", f.err)
		case <-time.After(patience):
			t.Fatalf("the server went away; the subscription did not in %v", patience)
		}
		server = s.run(2)
		f = follow(t, open(t, rare), wants)
		f.untilHolds(generation, whole("generation", 2))
		server.tell(t, "set a 20")
		f.untilHolds(a, whole("a", 20))
	})
}
