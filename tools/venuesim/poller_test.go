package venuesim

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/drivers/tracking"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/siteconfig"
)

// still is a clock that stands.
type still struct{}

func (still) Mono() int64 { return 1 }

// poller reads the devices of a venue with the gateway's own drivers and the configuration that was written for them,
// and knows what they said in the simplest way: sums of 16-bit differences, hysteresis, last words and values.
type poller struct {
	mu        sync.Mutex
	passages  map[point.Direction]map[string]uint64 // by gate
	last      map[string]uint16                     // counters, by qualified name
	witnessed map[string]uint64                     // passages of counters beside rings, by qualified name
	taken     map[string]bool                       // seats
	words     map[string]uint16                     // panels
	air       map[string]float64                    // by name
	bad       int
	// positions counts the good readings of each axis, by name.
	positions map[string]int
}

// gateways loads the configuration written for s.
func gateways(t *testing.T, s *Sim) []*config.Config {
	t.Helper()
	return gatewaysWith(t, s, siteconfig.Options{})
}

func gatewaysWith(t *testing.T, s *Sim, o siteconfig.Options) []*config.Config {
	t.Helper()
	files, err := s.WriteConfig(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	var all []*config.Config
	for _, f := range files.Gateways {
		c, err := config.Load(f.Path, drivers.Registry{"modbus": modbus.Driver{}, "opcua": opcua.Driver{}, "tracking": tracking.Driver{}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// link is a connection to one device.
type link struct {
	drivers.Conn
	config *config.Config
	device *config.Device
}

// modbusOnly returns the links to PLCs, which are polled in rounds.
func modbusOnly(links []link) []link {
	return slices.DeleteFunc(slices.Clone(links), func(l link) bool { return l.device.Driver != "modbus" })
}

// open connects to every device of the gateways.
func open(t *testing.T, all []*config.Config) (*poller, []link) {
	t.Helper()
	var links []link
	for _, c := range all {
		for i := range c.Devices {
			d := &c.Devices[i]
			source, err := d.Prepare(still{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatalf("prepare %s: %v", d.ID, err)
			}
			conn, err := source.Open(t.Context())
			if err != nil {
				t.Fatalf("open %s: %v", d.ID, err)
			}
			t.Cleanup(func() { conn.Close() })
			links = append(links, link{conn, c, d})
		}
	}
	return &poller{
		passages: map[point.Direction]map[string]uint64{point.In: {}, point.Out: {}},
		last:     map[string]uint16{}, witnessed: map[string]uint64{}, taken: map[string]bool{}, words: map[string]uint16{}, air: map[string]float64{}, positions: map[string]int{},
	}, links
}

// poll reads everything once.
func (p *poller) poll(t *testing.T, links ...link) {
	t.Helper()
	for _, l := range links {
		for class := range l.device.Classes {
			if err := l.Poll(t.Context(), class, func(b *drivers.Block) { p.take(l.config, b) }); err != nil {
				t.Errorf("poll %s: %v", l.device.ID, err)
			}
		}
	}
}

// follow polls or subscribes to each link for itself until the function that it returns is called, which waits.
func (p *poller) follow(t *testing.T, links []link, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, l := range links {
		if subscriber, can := l.Conn.(drivers.Subscriber); can {
			wg.Go(func() {
				if err := subscriber.Subscribe(ctx, func(b *drivers.Block) { p.take(l.config, b) }); err != nil {
					t.Errorf("subscribe to %s: %v", l.device.ID, err)
				}
			})
			continue
		}
		wg.Go(func() {
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for {
				p.poll(t, l)
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
				}
			}
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
}

func (p *poller) take(c *config.Config, b *drivers.Block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range b.Gaps {
		p.bad += int(g.Count) + 1 // nothing is lost in a venue without faults
	}
	for _, r := range b.Readings {
		at := &c.Table[r.Index]
		if at.Kind == point.Position {
			if r.Quality.IsGood() {
				p.positions[string(at.Name)]++
			}
			continue
		}
		if !r.Quality.IsGood() {
			p.bad++
			continue
		}
		if at.Class == point.Event {
			if r.Quality == point.Good {
				p.passages[at.Direction][at.Place]++
			}
			continue
		}
		if at.Class == point.Counter && at.Kind == point.Generic {
			raw, name := uint16(r.Bits), at.Qualified()
			if before, known := p.last[name]; known {
				p.witnessed[name] += uint64(raw - before)
			}
			p.last[name] = raw
			continue
		}
		switch at.Kind {
		case point.Gate:
			raw, name := uint16(r.Bits), at.Qualified()
			if before, known := p.last[name]; known {
				p.passages[at.Direction][at.Place] += uint64(raw - before)
			}
			p.last[name] = raw
		case point.Seat:
			kilograms := at.Number(r.Bits)
			if kilograms >= at.OccupiedAbove {
				p.taken[at.Place] = true
			} else if kilograms < at.OccupiedBelow {
				p.taken[at.Place] = false
			}
		case point.Panel:
			p.words[at.Place] = uint16(r.Bits)
		case point.Generic:
			p.air[string(at.Name)] = at.Number(r.Bits)
		}
	}
}
