package tracking_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/trackingserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/tracking"
)

func TestSuite(t *testing.T) { driverstest.Run(t, harness{}) }

// harness makes tracking systems for the suite of all drivers: player n fills points 2n and 2n+1.
type harness struct{}

func (harness) Driver() drivers.Driver { return tracking.Driver{} }

func (harness) Start(t testing.TB, points int) driverstest.Device {
	players := points / 2
	d := &device{t: t, players: players, server: trackingserver.New(trackingserver.Options{Period: max(20*time.Millisecond, time.Duration(players)*100*time.Microsecond)})}
	if err := d.server.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	d.addr = d.server.Addr()
	t.Cleanup(d.Stop)
	return d
}

type device struct {
	t       testing.TB
	server  *trackingserver.Server
	addr    string
	players int
	refused int // players from here on are never seen; 0 for none
}

// Options makes a player stale after what the suite calls a request's timeout, within what a busy machine needs for a report.
func (d *device) Options(timeout time.Duration) string {
	stale := min(max(timeout, 700*time.Millisecond), 5*time.Second)
	return fmt.Sprintf("address: %s\ntimeout: %v\nstale_after: %v\nsilence: %v\n", d.addr, max(timeout, time.Second), stale, 10*stale)
}

func (d *device) Sources() []driverstest.Source {
	const size = 50
	var all []driverstest.Source
	for from := 0; from < d.players; from += size {
		all = append(all, driverstest.Source{Options: fmt.Sprintf("player: %d", from+1), Points: 2 * min(size, d.players-from)})
	}
	return all
}

func (d *device) Set(values []uint16) {
	at := make([]trackingserver.Position, d.players)
	for i := range at {
		at[i] = trackingserver.Position{X: metres(values[2*i]), Y: metres(values[2*i+1])}
	}
	if d.refused > 0 {
		at = at[:d.refused]
	}
	d.server.SetAll(1, at)
}

func (d *device) Inject(f driverstest.Trouble) bool {
	if f == driverstest.RefuseSome {
		d.refused = d.players / 2
		for i := d.refused; i < d.players; i++ {
			d.server.Remove(int32(i + 1))
		}
		return true
	}
	manner, ok := map[driverstest.Trouble]trackingserver.Manner{
		driverstest.None: trackingserver.Well, driverstest.Slow: trackingserver.Slow, driverstest.Silent: trackingserver.Silent,
		driverstest.Twice: trackingserver.Twice, driverstest.Stray: trackingserver.Stray, driverstest.Reorder: trackingserver.Reorder,
		driverstest.Garbage: trackingserver.Garbage, driverstest.Short: trackingserver.Short, driverstest.Long: trackingserver.Long,
		driverstest.HangUp: trackingserver.HangUp, driverstest.HalfClose: trackingserver.HalfClose,
	}[f]
	d.server.Behave(manner)
	return ok
}

func (d *device) Stop() {
	if err := d.server.Close(); err != nil {
		d.t.Error(err)
	}
}

func (d *device) Restart() {
	if err := d.server.Start(d.addr); err != nil {
		d.t.Error(err)
	}
}

func metres(v uint16) float32 { return float32(v) }
