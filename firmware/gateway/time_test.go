package gateway_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// boots starts the gateway on a machine that booted just now, and whose system clock shows wall then.
func (r *rig) boots(id byte, wall time.Time) *gateway.Gateway {
	r.t.Helper()
	began := time.Now()
	read := func() clock.Reading {
		mono := int64(time.Since(began)) + int64(5*time.Second)
		return clock.Reading{Boot: clock.BootID{id}, Mono: mono, Wall: wall.UnixNano() + mono}
	}
	c, err := config.Load(r.file, all.All())
	if err != nil {
		r.t.Fatal(err)
	}
	g, err := gateway.Start(context.Background(), c, gateway.Deps{Version: "test", Log: r.log, Clocks: read, Dial: r.dialTimed})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = g.Close() })
	return g
}

// dialTimed dials a cloud whose acks tell its time.
func (r *rig) dialTimed(ctx context.Context, o mqtt.Options) (uplink.Session, error) {
	on := o.OnMessage
	o.OnMessage = func(m mqtt.Message) {
		if a, err := wire.DecodeAck(m.Payload); err == nil && strings.HasSuffix(m.Topic, "/ack") {
			a.CloudTime = time.Now()
			m.Payload = wire.EncodeAck(a)
		}
		on(m)
	}
	return r.c.dial(ctx, o)
}

// told returns the maps of the newest inventory, by boot.
func (c *cloud) told() map[byte]clock.Map {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[byte]clock.Map{}
	if n := len(c.inventories); n > 0 {
		for _, e := range c.inventories[n-1].Epochs {
			out[e.Map.Boot[0]] = e.Map
		}
	}
	return out
}

// TestI9ABootWithoutAnyTime: the first boot never learns the time and ends; the second one does, from the cloud, and dates both.
func TestI9ABootWithoutAnyTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.c.be(mute)
	began := time.Now()
	first := r.boots(1, time.Unix(0, 0))
	r.count(20)
	eventually(t, func() string {
		if m := r.c.told(); len(m) != 1 || m[1].Source != clock.Unknown {
			return fmt.Sprintf("the first boot's inventory: %+v", m)
		}
		return ""
	})
	if s := first.Status().Clock.Source; s != "unknown" {
		t.Errorf("the clock is %s", s)
	}
	r.close(first)
	r.c.be(polite)
	second := r.boots(2, time.Unix(0, 0))
	eventually(t, func() string {
		if m := r.c.told(); m[2].Source != clock.Cloud || m[1].Source != clock.Bounds {
			return fmt.Sprintf("the second boot's inventories end with %+v", m)
		}
		return ""
	})
	m := r.c.told()
	if boot := time.Unix(0, m[2].Wall(5e9)); boot.Before(began.Add(-time.Second)) || boot.After(time.Now().Add(time.Second)) {
		t.Errorf("the second boot is dated %v", boot)
	}
	if latest := m[1].Wall(0); latest > m[2].Wall(0) || m[1].Uncertainty <= 0 {
		t.Errorf("the first boot is dated %v ± %v, the second %v", time.Unix(0, latest), m[1].Uncertainty, time.Unix(0, m[2].Wall(0)))
	}
	r.close(second)

	// What the cloud told is kept: a clock that shows less is none.
	kept, err := os.ReadFile(filepath.Join(r.dataDir(), "time.json"))
	if err != nil || !strings.Contains(string(kept), "cloud_time") {
		t.Fatalf("%s %v", kept, err)
	}
	r.c.be(away)
	third := r.boots(3, began.Add(-time.Hour))
	if s := third.Status().Clock.Source; s != "unknown" {
		t.Errorf("a clock an hour behind is %s", s)
	}
	r.close(third)
	fourth := r.boots(4, time.Now().Add(time.Minute))
	if s := fourth.Status().Clock.Source; s != "system" {
		t.Errorf("a clock that may be right is %s", s)
	}
	r.close(fourth)
}

// dataDir returns the gateway's data_dir, as its file names it.
func (r *rig) dataDir() string {
	c, err := config.Load(r.file, all.All())
	if err != nil {
		r.t.Fatal(err)
	}
	return c.DataDir
}
