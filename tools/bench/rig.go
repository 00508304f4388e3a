package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

// rig is one aggregator and what feeds it, in a folder of its own.
type rig struct {
	b           *bench
	name        string // of the measurement
	dir         string
	api, broker string // host:port
	files       loadgen.Files
	client      http.Client
	gateway     *diag.Client
	programs    []*program
}

// newRig makes the folder and chooses ports.
func (b *bench) newRig(name string) (*rig, error) {
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		return nil, err
	}
	r := &rig{b: b, name: name, dir: dir, client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}}
	// One client for all questions: each has a connection of its own, which would be the gateway's memory.
	r.gateway = diag.NewClient(filepath.Join(dir, "data", "gateway", diag.SocketName))
	for _, into := range []*string{&r.api, &r.broker} {
		if *into, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	// Identities are named in files by what they are for.
	for name, end := range map[string]string{"aggregator": b.ids["aggregator"].CertFile, loadgen.Gateway: b.ids["gateway"].CertFile} {
		if err := os.Symlink(filepath.Dir(end), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// newLoadRig is newRig with the files of a generator's site.
func (b *bench) newLoadRig(name string, s loadgen.Site) (*rig, error) {
	r, err := b.newRig(name)
	if err != nil {
		return nil, err
	}
	return r, r.writeSite(s)
}

// writeSite writes the files of a site, with the rig's identities and ports.
func (r *rig) writeSite(s loadgen.Site) (err error) {
	pem := func(end string) string { return filepath.Join(r.dir, "{name}", filepath.Base(end)) }
	id := r.b.ids["gateway"]
	s.TrustDomain, s.CertFile, s.KeyFile, s.BundleFile = trustDomain, pem(id.CertFile), pem(id.KeyFile), pem(id.BundleFile)
	s.DataDir, s.BrokerListen, s.APIListen = filepath.Join(r.dir, "data"), r.broker, r.api
	r.files, err = s.Write(r.dir)
	return err
}

// Ports are taken from below the range from which the kernel draws those of outgoing connections (32768 on), so that no
// connection of a program can take one between its choice and its use.
const lowestPort, highestPort, portAttempts = 20_000, 32_000, 100

// freeAddress returns an address of this machine that nobody listens on.
func freeAddress() (string, error) {
	var failed error
	for range portAttempts {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowestPort+rand.IntN(highestPort-lowestPort)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
		failed = err
	}
	return "", fmt.Errorf("no free port: %w", failed)
}

// startAggregator starts it and waits until it is ready.
func (r *rig) startAggregator(ctx context.Context) (*program, error) {
	p, err := start(r.dir, "aggregator", nil, filepath.Join(r.b.bin, "aggregator"), "run", "--config", r.files.Aggregator)
	if err != nil {
		return nil, err
	}
	r.programs = append(r.programs, p)
	for {
		err := r.get(ctx, "/readyz", nil)
		if err == nil {
			return p, nil
		}
		if ended := p.ended(); ended != nil {
			return p, ended
		}
		if wait(ctx, 10*time.Millisecond) != nil {
			return p, fmt.Errorf("the aggregator was not ready in time: %w", err)
		}
	}
}

// firstPatience is how long the first sample may take from a generator's start to the aggregator's state.
const firstPatience = 30 * time.Second

// load is a running loadgen.
type load struct {
	*program
	mu   sync.Mutex
	last loadgen.Figures
}

// startLoad starts loadgen and waits until the first of its samples is acknowledged and shows in the aggregator's state, which
// waits for a time map when this machine's clock is not synchronised.
func (r *rig) startLoad(ctx context.Context, more ...string) (*load, error) {
	l, err := r.launchLoad(more...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	for {
		if err := l.ended(); err != nil {
			return l, err
		}
		m, err := r.metrics(ctx)
		if err == nil && m.sum(eventsMetric) > 0 && l.figures().Acked > 0 {
			return l, nil
		}
		if wait(ctx, 50*time.Millisecond) != nil {
			return l, fmt.Errorf("after %v, %d batches were acknowledged and %g events applied: %s", firstPatience, l.figures().Acked, m.sum(eventsMetric), tail(l.log))
		}
	}
}

// launchLoad starts loadgen and waits for nothing.
func (r *rig) launchLoad(more ...string) (*load, error) {
	l := &load{}
	out := &lines{take: func(line []byte) {
		var f loadgen.Figures
		if json.Unmarshal(line, &f) == nil {
			l.mu.Lock()
			l.last = f
			l.mu.Unlock()
		}
	}}
	args := append([]string{"run", "--json", "--config", r.files.Gateway}, more...)
	if r.b.profile != "" {
		args = append(args, "--cpuprofile", filepath.Join(r.b.profile, r.name+".cpu"), "--memprofile", filepath.Join(r.b.profile, r.name+".heap"))
	}
	p, err := start(r.dir, "loadgen", out, filepath.Join(r.b.bin, "loadgen"), args...)
	if err != nil {
		return nil, err
	}
	l.program = p
	r.programs = append(r.programs, p)
	return l, nil
}

// figures returns what loadgen printed last.
func (l *load) figures() loadgen.Figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// gatewayStatus asks the gateway over its socket.
func (r *rig) gatewayStatus(ctx context.Context) (diag.Status, error) { return r.gateway.Status(ctx) }

// get reads one answer of the API; into nil only wants a good status.
func (r *rig) get(ctx context.Context, path string, into any) error {
	body, err := r.open(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, body)
	} else {
		err = json.NewDecoder(body).Decode(into)
	}
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

func (r *rig) open(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.api+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // as far as it came
		resp.Body.Close()
		return nil, fmt.Errorf("GET %s: %s: %s", path, resp.Status, said)
	}
	return resp.Body, nil
}

// metrics scrapes the aggregator.
func (r *rig) metrics(ctx context.Context) (scraped, error) {
	body, err := r.open(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return parseMetrics(body)
}

// The aggregator's metrics that are read here.
const (
	eventsMetric  = "arena_metrics_event_rate_total"
	latencyMetric = "heatmap_update_latency_seconds"
)

// close stops what runs, the gateway first, and removes the folder.
func (r *rig) close() {
	for _, p := range slices.Backward(r.programs) {
		p.stop()
	}
	r.client.CloseIdleConnections()
	_ = os.RemoveAll(r.dir) // the whole bench's folder goes at the end, and says what is wrong then
}
