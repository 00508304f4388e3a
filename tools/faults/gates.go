package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/devca"
	"github.com/courtside-edge/courtside/tools/venuesim"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
	"github.com/courtside-edge/courtside/tools/venuesim/siteconfig"
)

// Gates is a run of the whole simulated arena, whose 24 gates have event rings: their controllers restart and fail, gateways are killed,
// and what the cloud counted is compared with who passed.
type Gates struct {
	Seed       uint64
	Length     time.Duration // real time, doors to end
	Slots      int           // of each ring; field.DefaultRingSlots when 0
	Attendance int           // as venuesim.Options
	// TooSmall says that the rings are meant to be overrun: what is declared lost has to make up for what is missing, and be something.
	// Otherwise nothing may be lost.
	TooSmall bool
}

const (
	gatesSpeed    = 60 // times life
	gatesGateways = 2

	restartEvery = 1500 * time.Millisecond // some gate's controller goes away, on average
	longestAway  = 3 * time.Second
	otherwise    = 4 // one in so many device faults is not a restart
	gateKillEach = 6 * time.Second
	longestDead  = 1500 * time.Millisecond
	quietStart   = 2 * time.Second // until the first fault, so that each ring's first cursor is durable
	lookEvery    = 200 * time.Millisecond
)

// gatesRig is the arena and the programs.
type gatesRig struct {
	*Rig
	run   Gates
	sim   *venuesim.Sim
	venue point.ID
	said  *os.File // the venue's log

	restarts, ills, killed int

	looking sync.WaitGroup
	behind  uint64 // the most events that a ring had and were not acknowledged; valid after looking
}

// RunGates runs the arena. An error means that there is no verdict.
func RunGates(ctx context.Context, run Gates, o Options) (v GatesVerdict, err error) {
	if run.Slots == 0 {
		run.Slots = field.DefaultRingSlots
	}
	v.Run = run
	r, err := openGates(ctx, run, o)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.eventually(ctx, startPatience, r.doorsOpen); err != nil {
		return v, fmt.Errorf("waiting for the doors to open: %w", err)
	}
	if err := r.play(ctx); err != nil {
		return v, err
	}
	return v, r.judge(ctx, &v)
}

// openGates starts everything; the doors open when every ring was read twice.
func openGates(ctx context.Context, run Gates, o Options) (*gatesRig, error) {
	r := &gatesRig{run: run, Rig: &Rig{o: o, life: authorityLife, failed: make(chan error, 8),
		kills: make([][]kill, gatesGateways), busy: make([]sync.Mutex, gatesGateways+1)}}
	if o.Out == nil {
		r.o.Out = io.Discard
	}
	ctx, r.stop = context.WithCancel(ctx)
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *gatesRig) start(ctx context.Context) error {
	err := r.prepare()
	if err != nil {
		return err
	}
	if r.said, err = os.Create(filepath.Join(r.dir, "venue.log")); err != nil {
		return err
	}
	// A host of their own: no connection of another program is given a port of a device that is away.
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	r.sim, err = venuesim.Start(ctx, venuesim.Options{Seed: r.run.Seed, Speed: gatesSpeed, EventLength: max(r.run.Length*gatesSpeed, time.Minute),
		Attendance: r.run.Attendance, Host: host, Gates: field.Rings, RingSlots: r.run.Slots, Log: slog.New(slog.NewTextHandler(r.said, nil))})
	if err != nil {
		return err
	}
	r.venue = point.ID(r.sim.Arena().Venue)
	if err := r.configure(); err != nil {
		return err
	}
	r.aggregator = r.program("aggregator", r.o.Aggregator)
	if err := r.aggregator.Start(); err != nil {
		return err
	}
	for _, id := range siteconfig.GatewayIDs(gatesGateways) {
		g := r.program(string(id), r.o.Gateway)
		r.gateways = append(r.gateways, g)
		if err := g.Start(); err != nil {
			return err
		}
	}
	return nil
}

// configure issues the identities and lets the venue write what an integrator would have written.
func (r *gatesRig) configure() error {
	var err error
	if r.authority, err = devca.Open(devca.Config{Dir: filepath.Join(r.dir, "ca"), TrustDomain: trustDomain, Life: r.life}); err != nil {
		return err
	}
	ids := map[string]identity.ID{"aggregator": {TrustDomain: trustDomain, Role: identity.Aggregator}}
	for _, g := range siteconfig.GatewayIDs(gatesGateways) {
		ids[string(g)] = identity.ID{TrustDomain: trustDomain, Role: identity.Gateway, Venue: r.venue, Name: g}
	}
	o := siteconfig.Options{Gateways: gatesGateways, TrustDomain: trustDomain, DataDir: r.dir, BrokerListen: r.broker, APIListen: r.api, SeatScan: 2 * time.Second}
	for name, id := range ids {
		end, err := r.authority.Add(id)
		if err != nil {
			return err
		}
		link := filepath.Join(r.dir, "svid-"+name) // the configuration names folders by the short name
		if err := os.Symlink(filepath.Dir(end.CertFile), link); err != nil && !os.IsExist(err) {
			return err
		}
		at := func(file string) string { return filepath.Join(r.dir, "svid-{name}", filepath.Base(file)) }
		o.CertFile, o.KeyFile, o.BundleFile = at(end.CertFile), at(end.KeyFile), at(end.BundleFile)
	}
	_, err = r.sim.WriteConfig(r.dir, o)
	return err
}

func (r *gatesRig) doorsOpen() error {
	if s := r.sim.State(); s.Stage == venuesim.Waiting {
		return fmt.Errorf("the rings were polled %d times", s.Polls)
	}
	return nil
}

// act is one thing that is done to a device or a gateway.
type act struct {
	at      time.Duration
	fault   venuesim.Fault // of a device; the zero value for a kill
	gateway int
	dead    time.Duration
}

// draw draws what is done. One seed is one course.
func (g *Gates) draw(devices []string) (acts []act) {
	r := rand.New(rand.NewPCG(g.Seed, 0x6761746573))
	others := []field.Ill{field.Delay, field.Drop, field.Exception, field.Garbage, field.Renumber}
	span := g.Length - quietStart
	for range int(span / restartEvery) {
		f := venuesim.Fault{Fault: field.Fault{Device: devices[r.IntN(len(devices))], Do: field.Restart}, For: upTo(r, longestAway)}
		if r.IntN(otherwise) == 0 {
			f.Do = others[r.IntN(len(others))]
		}
		acts = append(acts, act{at: upTo(r, span), fault: f})
	}
	for range int(span/gateKillEach) + 1 {
		acts = append(acts, act{at: upTo(r, span), gateway: r.IntN(gatesGateways), dead: upTo(r, longestDead)})
	}
	slices.SortStableFunc(acts, func(x, y act) int { return cmp.Compare(x.at, y.at) })
	return acts
}

// play does everything until the event's end, and lets every device be well again.
func (r *gatesRig) play(ctx context.Context) error {
	looking, enough := context.WithCancel(ctx)
	defer enough()
	r.looking.Go(func() { r.look(looking) })
	var devices []string
	for _, d := range r.sim.Plan().Devices {
		if d.Ring != nil {
			devices = append(devices, d.ID)
		}
	}
	began := time.Now()
	failed := make(chan error, 1)
	for _, a := range r.run.draw(devices) {
		if err := r.pause(ctx, time.Until(began.Add(quietStart+a.at)), failed); err != nil {
			return err
		}
		r.do(ctx, a, time.Since(began), failed)
	}
	if err := r.pause(ctx, time.Until(began.Add(r.run.Length)), failed); err != nil {
		return err
	}
	r.steps.Wait()
	for _, id := range devices {
		if err := r.eventually(ctx, startPatience, func() error { return r.sim.Heal(id) }); err != nil {
			return err
		}
	}
	r.sim.Freeze()
	final, end := context.WithTimeout(ctx, settlePatience)
	defer end()
	err := r.sim.Wait(final)
	enough()
	r.looking.Wait()
	return errors.Join(err, r.pause(ctx, 0, failed))
}

func (r *gatesRig) do(ctx context.Context, a act, at time.Duration, failed chan<- error) {
	report := func(err error) {
		if err != nil {
			select {
			case failed <- err:
			default: // one is enough
			}
		}
	}
	if a.fault.Device != "" {
		fmt.Fprintf(r.o.Out, "%7.2f s  %-15s %s for %v\n", at.Seconds(), a.fault.Do, a.fault.Device, a.fault.For)
		if a.fault.Do == field.Restart {
			r.restarts++
		} else {
			r.ills++
		}
		// One that is ill already is healed first; who took its port meanwhile gives it back.
		report(r.eventually(ctx, startPatience, func() error { return r.sim.Inject(a.fault) }))
		return
	}
	r.killed++
	fmt.Fprintf(r.o.Out, "%7.2f s  %-15s gateway %d for %v\n", at.Seconds(), KillGateway, a.gateway, a.dead)
	r.steps.Go(func() { report(r.restart(ctx, r.gateways[a.gateway], a.gateway, a.dead, syscall.SIGKILL)) })
}

// look notes how far gateways are behind.
func (r *gatesRig) look(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, ring := range r.sim.Rings() {
			r.behind = max(r.behind, ring.Written-min(ring.Acknowledged, ring.Written))
		}
	}
}

// close ends everything that still runs.
func (r *gatesRig) close() error {
	err := r.Rig.close()
	if r.sim != nil {
		err = errors.Join(err, r.sim.Close())
	}
	r.looking.Wait()
	if r.said != nil {
		err = errors.Join(err, r.said.Close())
	}
	return err
}
