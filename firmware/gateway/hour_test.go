package gateway_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/mqtt"
)

const hourSeats = 100

// hourly writes the file of a gateway with seats that are read each second. Its data directory is too deep for a socket: a bubble's time
// stands still while anything listens.
func hourly(t *testing.T) (file, dataDir string) {
	t.Helper()
	dataDir = filepath.Join(t.TempDir(), strings.Repeat("deep/", 25))
	file = filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf(`venue: v
gateway: g
data_dir: %q
identity: {trust_domain: courtside.test, workload_api: unix:///nowhere/agent.sock}
uplink: {broker: "mqtts://127.0.0.1:1"}
diag: {listen: ""}
scan_classes: {fast: 1s}
devices:
  - id: plc-1
    driver: fake
    points:
      - {range: "seat/{n:1..%d}", type: int, kind: seat, place: "a/{n}", deadband: 2, occupied: {above: 20, below: 15}, max_silence: 10m, scan: fast, source: {slot: 0}}
      - {name: gate/1/in, type: int, kind: gate, class: counter, direction: in, place: gate-1, bits: 16, max_rate: 1000, scan: fast, source: {slot: %d}}
`, dataDir, hourSeats, hourSeats)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, dataDir
}

// prints returns what lies in every file below dir.
func prints(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		out[path] = fmt.Sprintf("%d bytes %x", n, sum.Sum(nil)[:8])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAnHourOnlineWritesNoTelemetry runs the whole gateway for an hour of virtual time, with its stores on the real disk and acks that take
// most of spill_after: no byte of the telemetry store changes. Then the acks stay away, and it is written to.
func TestAnHourOnlineWritesNoTelemetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file, dataDir := hourly(t)
		plc, c := driverstest.NewFake(hourSeats+1), newCloud(t)
		cfg, err := config.Load(file, drivers.Registry{"fake": plc})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		g, err := gateway.Start(context.Background(), cfg, gateway.Deps{Version: "test",
			Clocks: func() clock.Reading {
				return clock.Reading{Boot: clock.BootID{1}, Mono: int64(time.Since(began)) + 1, Wall: time.Now().UnixNano(), Synchronised: true}
			},
			Dial: func(ctx context.Context, o mqtt.Options) (uplink.Session, error) {
				on := o.OnMessage
				o.OnMessage = func(m mqtt.Message) { time.AfterFunc(400*time.Millisecond, func() { on(m) }) }
				return c.dial(ctx, o)
			}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // the first full report, and the window opens
		store := filepath.Join(dataDir, "spool", "telemetry")
		before, samples := prints(t, store), telemetrySamples(g)
		r, counted := rand.New(rand.NewPCG(1, 1)), uint64(0)
		for range 3600 { // the house lives
			for range 20 {
				plc.Set(r.IntN(hourSeats), uint64(r.IntN(90)))
			}
			counted += uint64(r.IntN(3))
			plc.Set(hourSeats, counted)
			time.Sleep(time.Second)
		}
		if after := prints(t, store); !maps.Equal(before, after) || len(before) == 0 {
			t.Errorf("the telemetry store was\n%v\nand is\n%v", before, after)
		}
		s := g.Status()
		if s.Spool.Spilled != 0 || s.Spool.SpilledBytes != 0 || s.Spool.DroppedSamples != 0 {
			t.Errorf("after an hour online: %+v", s.Spool)
		}
		if n := telemetrySamples(g) - samples; n < 40_000 {
			t.Errorf("%d samples passed in the hour, want some 60,000", n)
		}
		if sum, runs := c.passages(); sum+3 < counted || runs != 1 {
			t.Errorf("%d passed, the cloud has %d in %d runs", counted, sum, runs)
		}
		c.be(mute) // the test can fail
		plc.Set(0, 95)
		time.Sleep(5 * time.Second)
		if after := prints(t, store); maps.Equal(before, after) || g.Status().Spool.Spilled == 0 {
			t.Errorf("without acks nothing was spilled: %+v", g.Status().Spool)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

// telemetrySamples returns how many samples of telemetry became part of a batch.
func telemetrySamples(g *gateway.Gateway) (n uint64) {
	for _, l := range g.Status().Lanes {
		if l.Lane == "telemetry" {
			n += l.Samples
		}
	}
	return n
}
