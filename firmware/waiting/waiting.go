// Package waiting is a gateway without a configuration: it is up, says so to whoever asks on its socket, and ends as soon as there is a
// configuration that it can run with.
//
//	what fails                                   what happens
//	no file                                      it says what to do; it looks again every two seconds
//	a file with faults                           it says which; it looks again when the file changed, and every half a minute: a file that it
//	                                             names may have changed
//	the file goes away again                     as without one
//	nobody can listen on the socket              the log says so; it waits all the same
package waiting

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/notify"
)

const (
	// lookPeriod is how often the file is looked at, which costs next to nothing.
	lookPeriod = 2 * time.Second
	// readPeriod is how often a file with faults is read again though it looks unchanged.
	readPeriod = 30 * time.Second
	// logPeriod is how often the log says the same.
	logPeriod = time.Minute
	// recordsKept is how many log records are shown to whoever asks.
	recordsKept = 200
)

// Options say what is waited for.
type Options struct {
	File    string                         // the configuration's path
	Load    func() (*config.Config, error) // reads and checks it
	Dir     string                         // where the socket is; the data_dir of a gateway whose configuration names none
	Version string
	Log     *slog.Logger
	Wake    <-chan os.Signal // looks at once; nil for none
}

// Gateway is one that waits.
type Gateway struct {
	o     Options
	log   *slog.Logger
	logs  *diag.Recorder
	since time.Time
	asked chan struct{} // somebody wants the file to be read now
	pulse notify.Pulse  // of Run

	mu     sync.Mutex
	err    error // why there is nothing to run with
	config *config.Config
	seen   stamp // the file as it was read last
	said   string
	saidAt time.Time
	readAt time.Time
}

// stamp is how a file looks from outside.
type stamp struct {
	size     int64
	modified time.Time
	present  bool
}

// New returns a gateway that waits because of err, from its first try to load the configuration.
func New(o Options, err error) *Gateway {
	logs := diag.NewRecorder(o.Log.Handler(), recordsKept)
	g := &Gateway{o: o, logs: logs, log: slog.New(logs), since: time.Now(), asked: make(chan struct{}, 1), err: err, readAt: time.Now()}
	g.seen = g.stamp()
	return g
}

// Run waits, and returns the configuration once there is one, or the error of ctx.
func (g *Gateway) Run(ctx context.Context) (*config.Config, error) {
	g.say() // before anybody can ask for the logs
	end, err := g.serve()
	if err != nil {
		g.log.Warn("gwctl will find no gateway while it waits", "err", err)
	}
	defer end()
	ticker := time.NewTicker(lookPeriod)
	defer ticker.Stop()
	for {
		g.pulse.Work()
		g.say()
		g.pulse.Rest()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-g.o.Wake:
			g.pulse.Work()
			_ = g.read()
		case <-g.asked:
		case <-ticker.C:
			g.pulse.Work()
			g.look()
		}
		if c := g.found(); c != nil {
			g.log.Info("the configuration is there", "file", g.o.File)
			return c, nil
		}
	}
}

// Stuck returns an error when Run has been at one step for longer than patience: at a lock, or at the file.
func (g *Gateway) Stuck(patience time.Duration) error {
	return g.pulse.Stuck("the wait for a configuration", patience)
}

// serve answers on the socket until end, which waits.
func (g *Gateway) serve() (end func(), err error) {
	if err := os.MkdirAll(g.o.Dir, 0o750); err != nil {
		return func() {}, err
	}
	l, err := diag.Listen(g.o.Dir)
	if err != nil {
		return func() {}, err
	}
	server := &http.Server{Handler: diag.LocalWaiting(g, diag.PermitPeer), ConnContext: diag.ConnContext, ReadHeaderTimeout: 5 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // ends with Close
	return func() {
		quiet, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(quiet) // whoever asked for the file to be read gets an answer
		_ = server.Close()
		serving.Wait()
	}, nil
}

func (g *Gateway) stamp() stamp {
	info, err := os.Stat(g.o.File)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime(), true}
}

// look reads the file when it looks different, or was not read for long.
func (g *Gateway) look() {
	g.mu.Lock()
	due := g.stamp() != g.seen || g.seen.present && time.Since(g.readAt) >= readPeriod
	g.mu.Unlock()
	if due {
		_ = g.read()
	}
}

// read loads the configuration, and keeps what came of it.
func (g *Gateway) read() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen, g.readAt = g.stamp(), time.Now()
	c, err := g.o.Load()
	g.config, g.err = c, err
	return err
}

func (g *Gateway) found() *config.Config {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return nil
	}
	return g.config
}

// say logs why it waits, when that is news and otherwise once a minute.
func (g *Gateway) say() {
	reason := g.reason()
	g.mu.Lock()
	due := reason != "" && (reason != g.said || time.Since(g.saidAt) >= logPeriod)
	if due {
		g.said, g.saidAt = reason, time.Now()
	}
	g.mu.Unlock()
	if due {
		g.log.Warn("the gateway waits", "why", reason)
	}
}

// reason says why it waits, and what to do.
func (g *Gateway) reason() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.err == nil:
		return ""
	case errors.Is(g.err, fs.ErrNotExist):
		return "no configuration yet: " + next(g.o.File)
	}
	return fmt.Sprintf("the configuration has faults: %v", g.err)
}

func next(file string) string {
	return fmt.Sprintf("put courtside.yaml into the folder courtside on the partition COURTSIDE and start the device again, or write %s, which is found by itself", file)
}

// Status implements diag.Waiter.
func (g *Gateway) Status() diag.Status {
	s := diag.Status{Version: g.o.Version, Platform: runtime.GOOS + "/" + runtime.GOARCH, Since: g.since.UTC(), Waiting: g.reason()}
	if s.Waiting != "" {
		first, _, _ := strings.Cut(s.Waiting, "\n")
		s.Problems = []string{first}
	}
	return s
}

// Logs implements diag.Waiter.
func (g *Gateway) Logs() []diag.Record { return g.logs.Records() }

// Doctor implements diag.Waiter.
func (g *Gateway) Doctor(context.Context) []diag.Finding {
	g.mu.Lock()
	err := g.err
	g.mu.Unlock()
	f := diag.Finding{Check: "configuration", Grade: diag.Fail}
	switch {
	case err == nil:
		f.Grade, f.Saw = diag.OK, "it is there; the gateway starts"
	case errors.Is(err, fs.ErrNotExist):
		f.Saw, f.Cause, f.Next = "there is no "+g.o.File, "no configuration yet: this gateway was not set up", next(g.o.File)
	default:
		f.Saw, f.Cause = fmt.Sprintf("%v", err), "the configuration has faults; none of it is used until all of it is right"
		f.Next = "correct it where the faults say and start the device again, or correct " + g.o.File + ", which is read again by itself"
	}
	return []diag.Finding{f}
}

// Reload implements diag.Waiter.
func (g *Gateway) Reload(context.Context) (diag.Reload, error) {
	if err := g.read(); err != nil {
		return diag.Reload{}, fmt.Errorf("reloading: %w: the gateway waits on:\n%s", diag.ErrRefused, g.reason())
	}
	c := g.found()
	select {
	case g.asked <- struct{}{}:
	default:
	}
	out := diag.Reload{NewTable: true}
	for _, d := range c.Devices {
		out.Added = append(out.Added, string(d.ID))
	}
	return out, nil
}
