package update

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// blockBytes is what is fetched at once: RAUC reads in pieces of 4 to 128 KiB, each of which would cost a round trip.
	blockBytes = 256 << 10
	// blocksKept is how many blocks are kept for what is read again, such as the hashes of an update: 4 MiB in all.
	blocksKept = 16
	// closing is how long the last answers may take to end; they have nothing to wait for any more.
	closing = 5 * time.Second
)

// proxy serves a remote update to RAUC on this machine, for the time of one install.
type proxy struct {
	remote *remote
	path   string
	server *http.Server
	addr   net.Addr
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	blocks map[int64]*block
	order  []int64 // of blocks, the one used longest ago first
	cause  error   // of the last failure
}

// block is a part of the update that was fetched, or is being.
type block struct {
	ready chan struct{} // closed when text and err stand
	text  []byte
	err   error
}

// openProxy serves r until ctx ends or the proxy is closed.
func openProxy(ctx context.Context, r *remote) (*proxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving the update to RAUC: %w", err)
	}
	p := &proxy{remote: r, path: "/" + rand.Text() + "/update.raucb", addr: l.Addr(), ended: make(chan struct{}), blocks: map[int64]*block{}}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		defer close(p.ended)
		_ = p.server.Serve(l) // ends with Close
	}()
	return p, nil
}

// url is where RAUC finds the update.
func (p *proxy) url() string { return "http://" + p.addr.String() + p.path }

// close ends it and waits. It returns why the last part that could not be fetched could not be; nil when all could.
func (p *proxy) close() error {
	p.cancel() // which ends what is being fetched, and so every answer
	late, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	_ = p.server.Shutdown(late)
	_ = p.server.Close()
	<-p.ended
	p.remote.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// ServeHTTP implements http.Handler. Who does not know the path learns nothing.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.URL.Path), []byte(p.path)) != 1 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(p, 0, p.remote.size))
}

// ReadAt implements io.ReaderAt.
func (p *proxy) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		if off >= p.remote.size {
			return n, io.EOF
		}
		text, err := p.block(off / blockBytes)
		if err != nil {
			return n, err
		}
		m := copy(b[n:], text[off%blockBytes:])
		n, off = n+m, off+int64(m)
	}
	return n, nil
}

// block returns a block, fetching it when nobody has. Several may wait for one.
func (p *proxy) block(i int64) ([]byte, error) {
	p.mu.Lock()
	b, there := p.blocks[i]
	if !there {
		b = &block{ready: make(chan struct{})}
		p.blocks[i] = b
	}
	p.use(i)
	p.mu.Unlock()
	if there {
		select {
		case <-b.ready:
			return b.text, b.err
		case <-p.ctx.Done():
			return nil, p.ctx.Err()
		}
	}
	b.text = make([]byte, min(blockBytes, p.remote.size-i*blockBytes))
	b.err = p.remote.read(p.ctx, b.text, i*blockBytes)
	close(b.ready)
	if b.err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.blocks[i] == b {
			delete(p.blocks, i)
			p.order = slices.DeleteFunc(p.order, func(k int64) bool { return k == i })
		}
		if !errors.Is(b.err, context.Canceled) {
			p.cause = b.err
		}
	}
	return b.text, b.err
}

// use notes that a block is used, and lets go of those that were not for longest. The caller holds mu.
func (p *proxy) use(i int64) {
	p.order = append(slices.DeleteFunc(p.order, func(k int64) bool { return k == i }), i)
	for len(p.order) > blocksKept {
		delete(p.blocks, p.order[0])
		p.order = p.order[1:]
	}
}
