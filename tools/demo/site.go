package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/devca"
	"github.com/courtside-edge/courtside/tools/program"
	"github.com/courtside-edge/courtside/tools/venuesim"
	"github.com/courtside-edge/courtside/tools/venuesim/siteconfig"
)

const trustDomain = "courtside.test"

// site is everything that runs.
type site struct {
	options   options
	dir       string
	authority *devca.Authority
	rotating  sync.WaitGroup
	sim       *venuesim.Sim
	files     siteconfig.Files
	api       string // host:port
	broker    string
	began     time.Time
	failed    chan error

	aggregator *program.Program
	programs   []*program.Program
	cancel     context.CancelFunc
}

// aroundEvent is how many real seconds a demo spends before the doors open and after the crowd stands still.
const aroundEvent = 8

// bucket returns the step of history that a simulated minute takes, at least a second.
func bucket(speed float64) time.Duration {
	return max(time.Second, time.Duration(float64(time.Minute)/speed).Round(time.Second))
}

// folder returns where everything is kept, and what removes it.
func folder(keep string) (string, func(), error) {
	if keep != "" {
		dir, err := filepath.Abs(keep)
		if err != nil {
			return "", nil, err
		}
		return dir, func() {}, os.MkdirAll(dir, 0o700)
	}
	dir, err := os.MkdirTemp("", "courtside-demo-")
	return dir, func() { _ = os.RemoveAll(dir) }, err // nothing in it is worth a complaint
}

// openSite starts authority and venue, and writes the configuration that fits.
func openSite(ctx context.Context, dir string, o options) (*site, error) {
	s := &site{options: o, dir: dir, failed: make(chan error, 4), began: time.Now()}
	ctx, s.cancel = context.WithCancel(ctx)
	var err error
	if s.api, err = freeAddress(o.api); err != nil {
		return nil, err
	}
	if s.broker, err = freeAddress("127.0.0.1:8883"); err != nil {
		return nil, err
	}
	so := venuesim.Options{Seed: o.seed, Speed: o.speed}
	if o.seconds > 0 {
		// What starting, freezing and comparing take is not part of the event.
		so.EventLength = time.Duration(max(o.seconds-aroundEvent, o.seconds/2) * o.speed * float64(time.Second))
	}
	if s.sim, err = venuesim.Start(ctx, so); err != nil {
		s.close()
		return nil, err
	}
	if err := s.openAuthority(ctx); err != nil {
		s.close()
		return nil, err
	}
	s.files, err = s.sim.WriteConfig(dir, siteconfig.Options{TrustDomain: trustDomain, WorkloadAPI: "unix://" + filepath.Join(dir, "ca", "{name}", "agent.sock"),
		DataDir: filepath.Join(dir, "data"), Bucket: bucket(o.speed), BrokerListen: s.broker, Broker: s.externalURL(), APIListen: s.api, MaxLaneRate: venuesim.LaneRate(o.speed)})
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openAuthority serves an identity to the aggregator and to each gateway, and writes one for people who want to subscribe.
func (s *site) openAuthority(ctx context.Context) error {
	var err error
	if s.authority, err = devca.Open(devca.Config{Dir: filepath.Join(s.dir, "ca"), TrustDomain: trustDomain}); err != nil {
		return err
	}
	venue := point.ID(s.sim.Arena().Venue)
	ids := map[string]identity.ID{"aggregator": {TrustDomain: trustDomain, Role: identity.Aggregator},
		"dashboard": {TrustDomain: trustDomain, Role: identity.Subscriber, Venue: venue, Name: "dashboard"}}
	for _, g := range siteconfig.GatewayIDs(2) {
		ids[string(g)] = identity.ID{TrustDomain: trustDomain, Role: identity.Gateway, Venue: venue, Name: g}
	}
	if s.options.mosquitto != "" {
		ids["broker"] = identity.ID{TrustDomain: trustDomain, Role: identity.Broker}
	}
	for name, id := range ids {
		end, err := s.authority.Add(id)
		if err != nil {
			return err
		}
		// The configuration names folders by the short name.
		link := filepath.Join(s.dir, "ca", name)
		if at := filepath.Dir(end.CertFile); at != link {
			if err := os.Symlink(at, link); err != nil && !os.IsExist(err) {
				return err
			}
		}
	}
	s.rotating.Go(func() { s.authority.Run(ctx) })
	return nil
}

// freeAddress returns want if it can be listened on, else the same host with a port that can.
func freeAddress(want string) (string, error) {
	l, err := net.Listen("tcp", want)
	if err != nil {
		host, _, split := net.SplitHostPort(want)
		if split != nil {
			return "", fmt.Errorf("address %q: %w", want, split)
		}
		if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			return "", err
		}
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startPrograms starts the aggregator, waits until it is ready, then starts the gateways.
func (s *site) startPrograms(ctx context.Context, bin string) error {
	for _, name := range []string{"aggregator", "gateway"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("%w; run `make build` first", err)
		}
	}
	if s.options.mosquitto != "" {
		if err := s.startMosquitto(ctx); err != nil {
			return err
		}
	}
	s.aggregator = s.program("aggregator", filepath.Join(bin, "aggregator"), "run", "--config", s.files.Aggregator)
	if err := s.aggregator.Start(); err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	for _, g := range s.files.Gateways {
		command := []string{filepath.Join(bin, "gateway"), "run", "--config", g.Path}
		if s.options.runner != "" {
			command = append([]string{s.options.runner}, command...)
		}
		p := s.program(string(g.ID), command[0], command[1:]...)
		if err := p.Start(); err != nil {
			return err
		}
	}
	return s.writeEndpoints()
}

// externalURL returns where the broker is that the aggregator does not embed, "" when it embeds its own.
func (s *site) externalURL() string {
	if s.options.mosquitto == "" {
		return ""
	}
	return "mqtts://" + s.broker
}

// writeEndpoints says in a file where everything listens, for scripts that look on.
func (s *site) writeEndpoints() error {
	raw, err := json.MarshalIndent(map[string]string{"api": s.api, "broker": s.broker, "truth": s.sim.URL(), "identities": filepath.Join(s.dir, "ca")}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "endpoints.json"), append(raw, '\n'), 0o600)
}

func (s *site) program(name, path string, args ...string) *program.Program {
	p := &program.Program{Name: name, Path: path, Args: args, Log: filepath.Join(s.dir, name+".log"), Lost: s.failed}
	s.programs = append(s.programs, p)
	return p
}

// waitReady waits for the aggregator's readiness.
func (s *site) waitReady(ctx context.Context) error {
	deadline := time.Now().Add(60 * time.Second)
	var last error
	for time.Now().Before(deadline) {
		if last = s.get("/readyz", nil); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.failed:
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("the aggregator was not ready within a minute: %w; see %s", last, s.aggregator.Log)
}

// restartAggregator kills the aggregator as a power cut would end its process, and starts it again.
func (s *site) restartAggregator(ctx context.Context) error {
	s.aggregator.End(syscall.SIGKILL)
	if err := s.aggregator.Start(); err != nil {
		return err
	}
	return s.waitReady(ctx)
}

// close ends everything, the programs before what they talk to.
func (s *site) close() {
	for _, p := range s.programs {
		if strings.HasPrefix(p.Name, "gw-") {
			p.End(syscall.SIGTERM)
		}
	}
	for _, p := range slices.Backward(s.programs) {
		p.End(syscall.SIGTERM) // the aggregator before the broker that it uses
	}
	s.cancel()
	if s.sim != nil {
		_ = s.sim.Close() // it ends with its context; there is nothing to lose
	}
	s.rotating.Wait()
	if s.authority != nil {
		_ = s.authority.Close()
	}
}
