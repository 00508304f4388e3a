package venuesim

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/siteconfig"
)

// accepting is a driver that takes every device and is never opened.
type accepting struct{}

func (accepting) Prepare(drivers.Device) (drivers.Source, error) { return nil, nil }

// still is a clock that stands.
type still struct{}

func (still) Mono() int64 { return 1 }

// poller reads the Modbus devices of a venue with the gateway's own driver and the configuration that was written
// for it, and knows what they said in the simplest way: sums of 16-bit differences, hysteresis, last words.
type poller struct {
	mu       sync.Mutex
	passages map[point.Direction]map[string]uint64 // by gate
	last     map[string]uint16                     // counters, by qualified name
	taken    map[string]bool                       // seats
	words    map[string]uint16                     // panels
	bad      int
}

// gateways loads the configuration written for s.
func gateways(t *testing.T, s *Sim) []*config.Config {
	t.Helper()
	files, err := s.WriteConfig(t.TempDir(), siteconfig.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*config.Config
	for _, f := range files.Gateways {
		c, err := config.Load(f.Path, drivers.Registry{"modbus": modbus.Driver{}, "opcua": accepting{}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// poll polls every Modbus device of the gateways until the function that it returns is called, which waits.
func poll(t *testing.T, all []*config.Config, every time.Duration) (p *poller, stop func()) {
	t.Helper()
	p = &poller{
		passages: map[point.Direction]map[string]uint64{point.In: {}, point.Out: {}},
		last:     map[string]uint16{}, taken: map[string]bool{}, words: map[string]uint16{},
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, c := range all {
		for i := range c.Devices {
			if c.Devices[i].Driver != "modbus" {
				continue
			}
			wg.Go(func() { p.device(ctx, t, c, &c.Devices[i], every) })
		}
	}
	return p, sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
}

func (p *poller) device(ctx context.Context, t *testing.T, c *config.Config, d *config.Device, every time.Duration) {
	source, err := d.Prepare(still{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Errorf("prepare %s: %v", d.ID, err)
		return
	}
	conn, err := source.Open(ctx)
	if err != nil {
		t.Errorf("open %s: %v", d.ID, err)
		return
	}
	defer conn.Close()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		for class := range d.Classes {
			err := conn.Poll(ctx, class, func(b *drivers.Block) { p.take(c, b) })
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("poll %s: %v", d.ID, err)
				}
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (p *poller) take(c *config.Config, b *drivers.Block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range b.Readings {
		at := &c.Table[r.Index]
		if !r.Quality.IsGood() {
			p.bad++
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
		}
	}
}
