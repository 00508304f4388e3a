package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/firmware/store"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

// The gateways that return run in a process of their own, this program started as crowdProgram: half a thousand handshakes in the process
// that asks how old the live values are would make it ask late, and blame the aggregator. The plan comes on standard input; a line is
// written when all hold their backlogs; a line read lets them go; the arrival is written.
const crowdProgram = "crowd-of-gateways"

// crowdPlan says who returns, and where to.
type crowdPlan struct {
	Broker  string
	Members []member
}

type member struct {
	Gateway, Device               point.ID
	CertFile, KeyFile, BundleFile string
}

// arrival is how the return went.
type arrival struct {
	Took           time.Duration
	Connects, Late uint64
	Failed         string
}

// gathered is the process of the gateways, which wait.
type gathered struct {
	p   *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// gather starts the process and waits until its gateways hold their backlogs.
func (b *bench) gather(ctx context.Context, r *rig, plan crowdPlan) (*gathered, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(r.dir, "crowd.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	g := &gathered{p: exec.CommandContext(ctx, self, crowdProgram)}
	g.p.Stderr = log
	g.p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieTogether(g.p.SysProcAttr)
	if g.in, err = g.p.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := g.p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	g.out = bufio.NewReader(out)
	if err := onTwoCores(g.p.Start); err != nil {
		return nil, fmt.Errorf("starting the gateways: %w", err)
	}
	if err = json.NewEncoder(g.in).Encode(plan); err == nil {
		_, err = g.out.ReadString('\n')
	}
	if err != nil {
		g.end()
		return nil, fmt.Errorf("the gateways could not be made: %w; see %s", err, log.Name())
	}
	return g, nil
}

// end kills what still runs.
func (g *gathered) end() {
	_ = g.p.Process.Kill() // it may have ended
	_ = g.p.Wait()
}

// come lets the gateways return and waits for their account.
func (g *gathered) come() (a arrival, err error) {
	if _, err = fmt.Fprintln(g.in); err == nil {
		err = json.NewDecoder(g.out).Decode(&a)
	}
	if err == nil && a.Failed != "" {
		err = errors.New(a.Failed)
	}
	return a, err
}

// runCrowd is the process of the gateways.
func runCrowd(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var plan crowdPlan
	if err := json.Unmarshal(first, &plan); err != nil {
		return err
	}
	all := make([]*returning, len(plan.Members))
	for i, m := range plan.Members {
		all[i] = &returning{id: m.Gateway}
		if err := all[i].fill(m.Device); err != nil {
			return err
		}
		if err := all[i].connectTo(plan.Broker, m); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	if _, err := lines.ReadBytes('\n'); err != nil {
		return err
	}
	var a arrival
	if a.Took, err = come(ctx, all); err != nil {
		a.Failed = err.Error()
	}
	for _, g := range all {
		s := g.up.Stats()
		a.Connects, a.Late = a.Connects+s.Connects+s.Failed, a.Late+s.Late
	}
	return json.NewEncoder(out).Encode(a)
}

// returning is a gateway without devices: spool, keeper and uplink as they are assembled, over stores in memory.
type returning struct {
	id     point.ID
	keeper *store.Keeper
	up     *uplink.Uplink
	source *identity.Source
}

// fill opens the spool and gives it the backlog.
func (g *returning) fill(device point.ID) error {
	host, err := clock.OpenHost()
	if err != nil {
		return err
	}
	dated := host.Map()
	dated.Source = clock.NTP // a machine without it would have to wait for the cloud's time first
	sp, err := spool.Open(spool.Options{Critical: spooltest.New(), Telemetry: spooltest.New(), Map: dated})
	if err != nil {
		return err
	}
	table := make([]point.Point, crowdSeats)
	for i := range table {
		table[i] = point.Point{Device: device, Name: point.Name(fmt.Sprintf("seat/%d", i)), Type: point.Int, Kind: point.Generic, Class: point.State, Lane: point.Telemetry}
	}
	parts, hash, err := wire.EncodeTable(table, 0)
	if err != nil {
		return err
	}
	sp.UseTable(hash, parts)
	enc, err := wire.NewEncoder(wire.Limits{})
	if err != nil {
		return err
	}
	batch := &wire.Batch{Venue: loadgen.Venue, Gateway: g.id, Table: hash, Map: dated, Samples: make([]point.Sample, heldSamples)}
	long := int64(time.Minute) // ago, from each to the next: it came from a backlog
	for n := range heldBatches {
		for i := range batch.Samples {
			batch.Samples[i] = point.Sample{Index: uint32(i % crowdSeats), Time: max(1, host.Mono()-long+int64(n*heldSamples+i)*1e5), Bits: uint64(n*7 + i*i%9)}
		}
		frame, err := enc.Encode(nil, point.Telemetry, table, batch)
		if err != nil {
			return err
		}
		if _, err := sp.Append(host.Mono(), frame, nil, false); err != nil {
			return err
		}
	}
	g.keeper = store.New(store.Options{Spool: sp, Mono: host.Mono})
	return nil
}

// connectTo prepares the way to the broker, with an identity of the gateway's own.
func (g *returning) connectTo(broker string, m member) (err error) {
	if g.source, err = identity.OpenFiles(identity.Options{TrustDomain: trustDomain, CertFile: m.CertFile, KeyFile: m.KeyFile, BundleFile: m.BundleFile, Poll: time.Hour}); err != nil {
		return err
	}
	dial := func(ctx context.Context, o mqtt.Options) (uplink.Session, error) {
		o.URL, o.ClientID, o.TLS = "mqtts://"+broker, loadgen.Venue+":"+string(g.id), g.source.ClientTLS(identity.Aggregator)
		return mqtt.Dial(ctx, o)
	}
	g.up, err = uplink.New(uplink.Options{Venue: loadgen.Venue, Gateway: g.id, Dial: dial, Spool: g.keeper, Status: func() wire.Status { return wire.Status{} }})
	return err
}

// come lets all return at once, and returns how long it took until nobody holds anything.
func come(ctx context.Context, all []*returning) (took time.Duration, err error) {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	failed := make(chan error, 3*len(all))
	for _, g := range all { // what is in RAM spills
		running.Go(func() { failed <- g.keeper.Run(ctx) })
	}
	defer func() {
		stop()
		running.Wait()
		for range len(failed) {
			err = errors.Join(err, <-failed)
		}
		for _, g := range all {
			err = errors.Join(err, g.source.Close())
		}
	}()
	if err := wait(ctx, time.Second); err != nil {
		return 0, err
	}
	begun := time.Now()
	for _, g := range all {
		running.Go(func() { failed <- g.up.Run(ctx) })
	}
	for {
		held := uint64(0)
		for _, g := range all {
			c := g.keeper.Counts(point.Telemetry)
			held += c.RAM.Batches + c.Stored.Batches
		}
		if held == 0 {
			return time.Since(begun), nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d batches are still held: %w", held, err)
		}
	}
}
