package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/tools/devca"
	"github.com/courtside-edge/courtside/tools/program"
)

// authorityLife is how long SVIDs are valid: longer than any soak, so that the rotation is another test's.
const authorityLife = 24 * time.Hour

// Options say what a rig runs.
type Options struct {
	Dir                 string // of everything; made when it is absent
	Gateway, Aggregator Command
	Out                 io.Writer // takes a line a step; nil for none
}

// Command is how a program is started; Args come before the rig's own.
type Command struct {
	Path string
	Args []string
	Env  []string // added to this process's
}

// kill is when a gateway was ended and when it was started again.
type kill struct {
	at, back time.Time
	hard     bool
}

// Rig is a small venue and everything that runs for it.
type Rig struct {
	o          Options
	dir        string
	api        string
	broker     string
	plants     []*plant
	links      []*faulttest.Proxy // gateway n to the broker
	lines      []*faulttest.Proxy // gateway n to its device
	authority  *devca.Authority
	aggregator *program.Program
	gateways   []*program.Program
	failed     chan error
	life       time.Duration // of SVIDs
	stop       context.CancelFunc
	freeze     context.CancelFunc // ends what moves in the venue
	moving     sync.WaitGroup
	steps      sync.WaitGroup

	mu     sync.Mutex
	kills  [][]kill         // by gateway
	away   [][]kill         // spans without the device, by gateway
	busy   []sync.Mutex     // one for each program: gateways, then the aggregator
	levels []map[Action]int // faults of the link that are on, by gateway
}

// open starts the devices, writes the configuration, and starts every program.
func open(ctx context.Context, s *Scenario, o Options) (*Rig, error) {
	r := &Rig{o: o, life: authorityLife, failed: make(chan error, 8),
		kills: make([][]kill, s.Gateways), away: make([][]kill, s.Gateways), busy: make([]sync.Mutex, s.Gateways+1)}
	if r.o.Out == nil {
		r.o.Out = io.Discard
	}
	ctx, r.stop = context.WithCancel(ctx)
	if err := r.start(ctx, s); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// prepare makes the rig's folder and chooses where the cloud listens.
func (r *Rig) prepare() (err error) {
	if r.dir, err = filepath.Abs(r.o.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	if r.api, err = freeAddress(); err != nil {
		return err
	}
	r.broker, err = freeAddress()
	return err
}

func (r *Rig) start(ctx context.Context, s *Scenario) error {
	if err := r.prepare(); err != nil {
		return err
	}
	for n := range s.Gateways {
		if err := r.startVenue(n, s.Seed); err != nil {
			return err
		}
	}
	disks, err := r.smallDisks(s)
	if err != nil {
		return err
	}
	if err := r.writeConfig(disks); err != nil {
		return err
	}
	return r.startPrograms(ctx)
}

// startVenue starts what stands around gateway n: its device and both of its ways.
func (r *Rig) startVenue(n int, seed uint64) error {
	p, err := newPlant(n, seed)
	if err != nil {
		return err
	}
	r.plants, r.levels = append(r.plants, p), append(r.levels, map[Action]int{})
	link, err := faulttest.NewProxy("127.0.0.1:0", r.broker, seed+uint64(n))
	if err != nil {
		return err
	}
	r.links = append(r.links, link)
	line, err := faulttest.NewProxy("127.0.0.1:0", p.server.Addr(), seed+uint64(n))
	if err != nil {
		return err
	}
	r.lines = append(r.lines, line)
	return nil
}

func (r *Rig) startPrograms(ctx context.Context) error {
	r.aggregator = r.program("aggregator", r.o.Aggregator)
	if err := r.aggregator.Start(); err != nil {
		return err
	}
	for n := range r.plants {
		g := r.program(string(gatewayID(n)), r.o.Gateway)
		r.gateways = append(r.gateways, g)
		if err := g.Start(); err != nil {
			return err
		}
	}
	// Nobody moves before each counter has its first read durable in the cloud: what is counted from here on, counts.
	if err := r.eventually(ctx, startPatience, func() error { return r.seesEverything() }); err != nil {
		return fmt.Errorf("waiting until the cloud sees every point: %w", err)
	}
	ctx, r.freeze = context.WithCancel(ctx)
	for _, p := range r.plants {
		r.moving.Go(func() { p.run(ctx) })
	}
	return nil
}

func (r *Rig) program(name string, c Command) *program.Program {
	return &program.Program{Name: name, Path: c.Path, Args: append(slices.Clone(c.Args), "run", "--config", filepath.Join(r.dir, name+".yaml")), Env: c.Env,
		Log: filepath.Join(r.dir, name+".log"), Lost: r.failed}
}

// freeAddress returns an address that stays free between the lives of a program: one that no connection from this machine, nor
// another rig, is given by chance.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)))
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// smallDisks mounts one for each gateway whose disk a step fills.
func (r *Rig) smallDisks(s *Scenario) (map[int]string, error) {
	disks := map[int]string{}
	for _, st := range s.Steps {
		if st.Do != FillDisk || disks[st.Gateway] != "" {
			continue
		}
		dir := filepath.Join(r.dir, fmt.Sprintf("disk-%d", st.Gateway))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskBytes)); err != nil {
			return nil, fmt.Errorf("mounting a small disk for gateway %d: %w", st.Gateway, err)
		}
		disks[st.Gateway] = dir
	}
	return disks, nil
}

// diskBytes is the size of a disk that fills up.
const diskBytes = 512 << 20

const startPatience = 60 * time.Second

// eventually asks until the answer is nil, a program ends by itself, or patience does.
func (r *Rig) eventually(ctx context.Context, patience time.Duration, ask func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %w", patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case failure := <-r.failed:
			return failure
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// close ends everything that still runs.
func (r *Rig) close() error {
	r.stop()
	r.steps.Wait()
	r.moving.Wait()
	var errs []error
	for _, g := range r.gateways {
		g.End(syscall.SIGKILL)
	}
	if r.aggregator != nil {
		r.aggregator.End(syscall.SIGKILL)
	}
	for _, p := range append(r.links, r.lines...) {
		errs = append(errs, p.Close())
	}
	for _, p := range r.plants {
		errs = append(errs, p.server.Close())
	}
	if r.authority != nil {
		errs = append(errs, r.authority.Close())
	}
	mounts, _ := filepath.Glob(filepath.Join(r.dir, "disk-*")) // the pattern is well formed
	for _, dir := range mounts {
		errs = append(errs, syscall.Unmount(dir, syscall.MNT_DETACH))
	}
	return errors.Join(errs...)
}
