package update

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

// whole reports a failed install, or one that read something else.
func (r *rig) whole(in diag.Install, err error) {
	r.t.Helper()
	r.rauc.mu.Lock()
	defer r.rauc.mu.Unlock()
	if err != nil || in.State != "done" || !bytes.Equal(r.rauc.read, content()) {
		r.t.Errorf("%v, %+v; %d bytes were read", err, in, len(r.rauc.read))
	}
}

func TestAnUpdateIsFetchedAndInstalled(t *testing.T) {
	r := newRig(t)
	in, err := r.installs(diag.InstallRequest{Source: r.address()})
	r.whole(in, err)
	if in.Version != "20261124.1" || in.Percent != 100 || in.Fetched < uint64(len(content())) || in.Fetched > uint64(len(content()))+blockBytes || in.Retries != 0 {
		t.Errorf("%+v", in)
	}
	if s := r.rauc.sources[0]; !strings.HasPrefix(s, "http://127.0.0.1:") || len(s) < 50 {
		t.Errorf("RAUC was told %s", s)
	}
	if r.rebootAsked() {
		t.Error("a reboot was asked for that nobody wanted")
	}
}

// Every few bytes the connection is cut: what came is kept, and the rest asked for.
func TestALinkThatIsCutAgainAndAgain(t *testing.T) {
	r := newRig(t)
	r.store.set(func() { r.store.abort = []int{0, 1, 100, 100_000, 65_536, 262_143, 7}; r.store.fails = 0 })
	in, err := r.installs(diag.InstallRequest{Source: r.address()})
	r.whole(in, err)
	if in.Retries < 5 {
		t.Errorf("%d retries; the connection was cut more often", in.Retries)
	}
}

func TestAServerThatIsBusyNowAndThen(t *testing.T) {
	r := newRig(t)
	r.store.set(func() { r.store.fails = 2 })
	in, err := r.installs(diag.InstallRequest{Source: r.address()})
	r.whole(in, err)
}

// installsThroughALink begins an install through a link that may be spoilt; RAUC waits for its hold to be closed.
func (r *rig) installsThroughALink() *faulttest.Proxy {
	r.t.Helper()
	link, err := faulttest.NewProxy("127.0.0.1:0", r.store.Listener.Addr().String(), 1)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = link.Close() })
	r.rauc.hold = make(chan struct{})
	if _, err := r.InstallUpdate(r.t.Context(), diag.InstallRequest{Source: "https://" + link.Addr() + "/x.raucb"}); err != nil {
		r.t.Fatal(err)
	}
	return link
}

// The link is a black hole for a while: the connection is given up after Stall, and another one goes on.
func TestALinkThatHangs(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Fetch.Stall = 300 * time.Millisecond })
	link := r.installsThroughALink()
	link.Set(faulttest.Link{Hold: true})
	close(r.rauc.hold)
	r.until("a stalled connection is given up", func() bool { return r.Update(t.Context()).Install.Retries > 0 })
	link.Set(faulttest.Link{})
	r.whole(r.ends(), nil)
}

func TestALinkThatStaysCut(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Fetch.Patience = 100 * time.Millisecond })
	link := r.installsThroughALink()
	link.Set(faulttest.Link{Refuse: true})
	link.Cut(faulttest.Reset)
	close(r.rauc.hold)
	if in := r.ends(); in.State != "failed" || !strings.Contains(in.Error, "could not be fetched: nothing has come for 100ms") {
		t.Errorf("%+v", in)
	}
	if r.Update(t.Context()).Installs["failed"] != 1 || !r.said("the version that runs stays") {
		t.Error("it is neither counted nor logged")
	}
}

func TestAnUpdateThatIsExchangedWhileItIsRead(t *testing.T) {
	r := newRig(t)
	r.rauc.hold = make(chan struct{})
	if _, err := r.InstallUpdate(t.Context(), diag.InstallRequest{Source: r.address()}); err != nil {
		t.Fatal(err)
	}
	r.store.set(func() { r.store.tag = `"2"` })
	close(r.rauc.hold)
	if in := r.ends(); in.State != "failed" || !strings.Contains(in.Error, "exchanged on the server") {
		t.Errorf("%+v", in)
	}
}

func TestServersThatAreRefused(t *testing.T) {
	r := newRig(t)
	other := serveAs(t, r.authority, r.authority.Broker(), content())
	stranger := identitytest.New(t, domain)
	elsewhere := serveAs(t, stranger, stranger.Aggregator(), content())
	whole := serveAs(t, r.authority, r.authority.Aggregator(), content())
	whole.noRange = true
	for address, says := range map[string]string{
		other.URL + "/x.raucb":                     "is not one of those expected here",
		elsewhere.URL + "/x.raucb":                 "not authorised",
		whole.URL + "/x.raucb":                     "does not serve ranges",
		r.store.URL + "/y.raucb":                   "404",
		"http://127.0.0.1:1/x.raucb":               "updates come over https",
		"ftp://127.0.0.1/x.raucb":                  "updates come over https",
		"https://user:secret@127.0.0.1/x.raucb":    "not the address of an update",
		"https:///x.raucb":                         "not the address of an update",
		"relative/x.raucb":                         "neither an absolute path nor an https address",
		"https://127.0.0.1:1/x\x7f.raucb":          "invalid",
		strings.Replace(r.address(), "s:", ":", 1): "updates come over https",
	} {
		r.refused(diag.InstallRequest{Source: address}, nil, "other", says)
	}
	if in := r.Update(t.Context()).Install; in.State != "none" {
		t.Errorf("%+v", in)
	}
}

func TestNoServerAtAll(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Fetch.Opening = 300 * time.Millisecond })
	r.refused(diag.InstallRequest{Source: "https://127.0.0.1:1/x.raucb"}, nil, "other", "connection refused")
}

// A server that admits gateways only is asked under the gateway's SVID; one that has expired, or is not there, is named as the cause.
func TestNoIdentity(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.TLS = nil })
	r.refused(diag.InstallRequest{Source: r.address()}, nil, "other", "no identity")
	a := identitytest.New(t, domain)
	s, err := identity.OpenFiles(identity.Options{TrustDomain: domain, CertFile: t.TempDir() + "/none", KeyFile: "none", BundleFile: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := openRemote(t.Context(), serveAs(t, a, a.Aggregator(), content()).URL, s.ClientTLS(identity.Aggregator), Fetch{}); err == nil || !strings.Contains(err.Error(), "no identity yet") {
		t.Errorf("%v", err)
	}
}

func TestTheProxyServesRAUCAlone(t *testing.T) {
	r := newRig(t)
	remote, err := openRemote(t.Context(), r.address(), r.o.TLS(), r.o.Fetch)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProxy(t.Context(), remote)
	if err != nil {
		t.Fatal(err)
	}
	if host, _, _ := strings.Cut(p.addr.String(), ":"); host != "127.0.0.1" {
		t.Errorf("it listens on %s", host)
	}
	base := "http://" + p.addr.String()
	for _, path := range []string{"/", "/update.raucb", "/x.raucb", p.path + "x", p.path[:len(p.path)-1], strings.ToLower(p.path)} {
		if code, text, err := get(base+path, "bytes=0-3"); err != nil || code != http.StatusNotFound {
			t.Errorf("%s: %d %q %v", path, code, text, err)
		}
	}
	resp, err := http.Head(p.url())
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(content())) || resp.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %+v %v", resp, err)
	}
	if resp, err = http.Post(p.url(), "text/plain", nil); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("POST: %v", err)
	}
	text := content()
	for span, want := range map[string][]byte{"bytes=0-3": text[:4], "bytes=262140-262150": text[262140:262151], "bytes=-5": text[len(text)-5:], "bytes=1311000-": text[1311000:], "bytes=0-": text} {
		if code, got, err := get(p.url(), span); err != nil || code != http.StatusPartialContent || !bytes.Equal(got, want) {
			t.Errorf("%s: %d, %d bytes, %v", span, code, len(got), err)
		}
	}
	if code, _, err := get(p.url(), "bytes=99999999-"); err != nil || code != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: %d %v", code, err)
	}
	if err := p.close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if _, _, err := get(p.url(), "bytes=0-3"); err == nil {
		t.Error("it answers after the install")
	}
}

// Many readers of the same bytes cost one request, and a proxy that is closed lets go of all of them.
func TestManyReadersAtOnce(t *testing.T) {
	r := newRig(t)
	remote, err := openRemote(t.Context(), r.address(), r.o.TLS(), r.o.Fetch)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProxy(t.Context(), remote)
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() {
			b := make([]byte, 5000)
			if _, err := p.ReadAt(b, blockBytes-100); err != nil || !bytes.Equal(b, content()[blockBytes-100:][:5000]) {
				t.Errorf("%v", err)
			}
		})
	}
	readers.Wait()
	r.store.set(func() {
		if r.store.asked != 3 {
			t.Errorf("%d requests for two blocks and the size", r.store.asked)
		}
		r.store.fails = 1 << 30
	})
	ended := make(chan error)
	go func() { _, err := p.ReadAt(make([]byte, 1), 4*blockBytes); ended <- err }()
	r.until("the reader waits", func() bool { return remote.retries.Load() > 0 })
	if err := p.close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("a reader got bytes that nobody gave")
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	p := &proxy{blocks: map[int64]*block{}}
	for i := range int64(100) {
		p.blocks[i] = &block{}
		p.use(i)
		p.use(0)
	}
	if len(p.blocks) != blocksKept || len(p.order) != blocksKept || p.blocks[0] == nil {
		t.Errorf("%d blocks, %v", len(p.blocks), p.order)
	}
}

// The rate limit is the bucket's, whose clock is the fetch's own age: the sum of what it makes wait is what counts, not how long it took.
func TestTheRateLimit(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Fetch.RateLimit = 4 << 20 })
	remote, err := openRemote(t.Context(), r.address(), r.o.TLS(), r.o.Fetch)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.close()
	if err := remote.read(t.Context(), make([]byte, len(content())), 0); err != nil {
		t.Fatal(err)
	}
	if n := remote.bucket.Waited(); n == 0 {
		t.Error("it made nobody wait")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := remote.read(ctx, make([]byte, 1000), 0); err == nil {
		t.Error("it reads though nobody wants it any more")
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-3/100", "bytes */100", "bytes 0-3/*", "", "bytes -1-3/9", "bytes 9223372036854775808-1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if first, size, err := parseContentRange(s); err == nil && (first < 0 || size < 1) {
			t.Errorf("%q: %d of %d", s, first, size)
		}
	})
}

var _ slot.Installer = (*raucFake)(nil)
