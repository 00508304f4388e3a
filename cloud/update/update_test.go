package update_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/update"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

// place is a server with one update.
type place struct {
	t         *testing.T
	dir       string
	authority *identitytest.Authority
	server    *update.Server
	stop      func() error
	mu        sync.Mutex
	log       bytes.Buffer
}

func (p *place) Write(b []byte) (int, error) { p.mu.Lock(); defer p.mu.Unlock(); return p.log.Write(b) }
func (p *place) said(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(p.log.String(), text)
}

var text = bytes.Repeat([]byte("0123456789"), 100_000)

func open(t *testing.T, clients int) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), authority: identitytest.New(t, "courtside.test")}
	p.put("x.raucb", text)
	source := identitytest.Open(t, p.authority, p.authority.Aggregator())
	var err error
	p.server, err = update.New(update.Options{Listen: "127.0.0.1:0", Dir: p.dir, MaxClients: clients, TLS: source.ServerTLS(identity.Gateway), Log: slog.New(slog.NewTextHandler(p, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.server.Run(ctx) }()
	p.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *place) put(name string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// client is somebody with an identity.
func (p *place) client(id identity.ID) *http.Client {
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: identitytest.Open(p.t, p.authority, id).ClientTLS(identity.Aggregator)}}
	p.t.Cleanup(c.CloseIdleConnections)
	return c
}

func (p *place) gateway() *http.Client { return p.client(p.authority.Gateway("dal-001", "gw-north")) }

func (p *place) ask(c *http.Client, method, path, span string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, "https://"+p.server.Addr().String()+"/", nil)
	if err != nil {
		return nil, nil, err
	}
	req.URL.Opaque = path // as it is, not cleaned
	if span != "" {
		req.Header.Set("Range", span)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func TestAGatewayReadsParts(t *testing.T) {
	p := open(t, 10)
	c := p.gateway()
	for span, want := range map[string][]byte{"": text, "bytes=0-0": text[:1], "bytes=5-14": text[5:15], "bytes=-3": text[len(text)-3:], "bytes=999990-": text[999990:]} {
		resp, body, err := p.ask(c, http.MethodGet, "/x.raucb", span)
		if err != nil || !bytes.Equal(body, want) || (resp.StatusCode == http.StatusPartialContent) != (span != "") || resp.Header.Get("ETag") == "" {
			t.Errorf("%q: %v, %d bytes, %v", span, resp, len(body), err)
		}
	}
	if resp, _, err := p.ask(c, http.MethodHead, "/x.raucb", ""); err != nil || resp.ContentLength != int64(len(text)) || resp.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %v, %v", resp, err)
	}
	if n := p.said("an update is being read"); n != 1 {
		t.Errorf("the log tells it %d times for one connection", n)
	}
	if p.said("gateway=gw-north") == 0 {
		t.Error("the log does not say who reads")
	}
}

func TestAnUpdateThatIsReplacedHasAnotherTag(t *testing.T) {
	p := open(t, 10)
	c := p.gateway()
	one, _, err := p.ask(c, http.MethodGet, "/x.raucb", "bytes=0-0")
	if err != nil {
		t.Fatal(err)
	}
	p.put("y.raucb", text)
	if err := os.Chtimes(filepath.Join(p.dir, "y.raucb"), time.Time{}, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(p.dir, "y.raucb"), filepath.Join(p.dir, "x.raucb")); err != nil {
		t.Fatal(err)
	}
	if two, _, err := p.ask(c, http.MethodGet, "/x.raucb", "bytes=0-0"); err != nil || two.Header.Get("ETag") == one.Header.Get("ETag") {
		t.Errorf("%v, %v", two, err)
	}
}

func TestNothingElseCanBeReached(t *testing.T) {
	p := open(t, 10)
	p.put("secret.key", []byte("secret"))
	p.put(".hidden.raucb", []byte("secret"))
	outside := filepath.Join(t.TempDir(), "outside.raucb")
	err := errors.Join(os.WriteFile(outside, []byte("secret"), 0o600), os.Symlink(outside, filepath.Join(p.dir, "link.raucb")), os.Symlink("secret.key", filepath.Join(p.dir, "key.raucb")),
		os.Mkdir(filepath.Join(p.dir, "folder.raucb"), 0o755), os.Mkdir(filepath.Join(p.dir, "sub"), 0o755), syscall.Mkfifo(filepath.Join(p.dir, "pipe.raucb"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	p.put("sub/x.raucb", []byte("secret"))
	c := p.gateway()
	for _, path := range []string{"/", "", "/x", "/x.raucb/", "/.raucb", "/secret.key", "/.hidden.raucb", "/link.raucb", "/folder.raucb", "/pipe.raucb", "/sub/x.raucb", "/sub%2Fx.raucb", "//x.raucb", "/./x.raucb",
		"/sub/../x.raucb", "/../" + filepath.Base(p.dir) + "/x.raucb", "/%2e%2e/x.raucb", "/x.raucb%00", "/X.raucb", "/nothing.raucb", "/" + strings.Repeat("x", 300) + ".raucb", "/x.raucb?y=z%2f", "/ä.raucb"} {
		resp, body, err := p.ask(c, http.MethodGet, path, "")
		if path == "/x.raucb?y=z%2f" {
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %v %v", path, resp, err)
			}
			continue
		}
		if err == nil && resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest || bytes.Contains(body, []byte("secret")) {
			t.Errorf("%s: %v, %q", path, resp.Status, body)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if resp, _, err := p.ask(c, method, "/x.raucb", ""); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %v, %v", method, resp, err)
		}
	}
	if p.said("was asked for") == 0 {
		t.Error("nothing of it is in the log")
	}
}

func TestOnlyGatewaysOfTheTrustDomain(t *testing.T) {
	p := open(t, 10)
	stranger := identitytest.New(t, "courtside.test")
	other := identitytest.New(t, "elsewhere.test")
	for name, conf := range map[string]*tls.Config{
		"a subscriber":         identitytest.Open(t, p.authority, p.authority.Subscriber("dal-001", "team")).ClientTLS(identity.Aggregator),
		"a broker":             identitytest.Open(t, p.authority, p.authority.Broker()).ClientTLS(identity.Aggregator),
		"another authority":    {InsecureSkipVerify: true, GetClientCertificate: identitytest.Open(t, stranger, stranger.Gateway("dal-001", "gw-north")).ClientTLS().GetClientCertificate},
		"another trust domain": {InsecureSkipVerify: true, GetClientCertificate: identitytest.Open(t, other, other.Gateway("dal-001", "gw-north")).ClientTLS().GetClientCertificate},
		"nobody":               {InsecureSkipVerify: true},
	} {
		c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
		if resp, _, err := p.ask(c, http.MethodGet, "/x.raucb", ""); err == nil {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	resp, err := http.Get("http://" + p.server.Addr().String() + "/x.raucb")
	if err == nil && resp.StatusCode == http.StatusOK {
		t.Errorf("without TLS: %s", resp.Status)
	}
}

// A server all of whose places are taken ends at once.
func TestAFullServerEnds(t *testing.T) {
	p := open(t, 1)
	if _, _, err := p.ask(p.gateway(), http.MethodHead, "/x.raucb", ""); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.stop() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it has not ended within a minute")
	}
}

// More connections than are allowed wait; each that ends lets another in.
func TestConnectionsAreBounded(t *testing.T) {
	p := open(t, 2)
	first, second, third := p.gateway(), p.gateway(), p.gateway()
	for _, c := range []*http.Client{first, second} {
		if _, _, err := p.ask(c, http.MethodHead, "/x.raucb", ""); err != nil {
			t.Fatal(err)
		}
	}
	answered := make(chan error, 1)
	go func() { _, _, err := p.ask(third, http.MethodHead, "/x.raucb", ""); answered <- err }()
	select {
	case err := <-answered:
		t.Fatalf("a third was answered: %v", err)
	case <-time.After(100 * time.Millisecond): // it cannot prove more than that nothing came yet
	}
	gone := time.NewTicker(10 * time.Millisecond) // a connection is idle a moment after its answer
	defer gone.Stop()
	for ended := false; !ended; {
		select {
		case err := <-answered:
			if ended = true; err != nil {
				t.Errorf("after one has gone: %v", err)
			}
		case <-gone.C:
			first.CloseIdleConnections()
		}
	}
	if err := p.stop(); err != nil {
		t.Errorf("it ends with an error: %v", err)
	}
}

func TestFoldersThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, o := range []update.Options{{Listen: "127.0.0.1:0", Dir: file}, {Listen: "127.0.0.1:0", Dir: file + "-not"}, {Listen: taken.Addr().String(), Dir: t.TempDir()}} {
		o.Log = slog.New(slog.DiscardHandler)
		if s, err := update.New(o); err == nil {
			t.Errorf("%+v", s)
		}
	}
	p := open(t, 10)
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if resp, _, err := p.ask(p.gateway(), http.MethodGet, "/x.raucb", ""); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("a folder that went away: %v", fmt.Sprint(resp, err))
	}
}
