package opcua_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/opcua"
)

func TestSuitePolling(t *testing.T)     { driverstest.Run(t, harness{"poll"}) }
func TestSuiteSubscribing(t *testing.T) { driverstest.Run(t, harness{"subscribe"}) }

// harness makes OPC UA servers for the suite of all drivers.
type harness struct{ mode string }

func (h harness) Driver() drivers.Driver { return opcua.Driver{} }

func (h harness) Start(t testing.TB, points int) driverstest.Device {
	d := &device{t: t, mode: h.mode, server: opcuaserver.New(opcuaserver.Options{}), points: points, values: make([]uint16, points)}
	d.declare(0, points)
	if err := d.server.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	d.addr, d.endpoint = d.server.Addr(), d.server.Endpoint()
	t.Cleanup(d.Stop)
	return d
}

// device is a server whose nodes are ns=1;s=p.1 and so on.
type device struct {
	t              testing.TB
	mode           string
	server         *opcuaserver.Server
	addr, endpoint string
	points         int
	values         []uint16
	refused        int // the points from here on are not there; 0 for none
}

func (d *device) node(i int) string { return fmt.Sprintf("ns=1;s=p.%d", i+1) }

func (d *device) declare(from, to int) {
	for i := from; i < to; i++ {
		if err := d.server.Declare(d.node(i), opcuaserver.UInt16); err != nil {
			d.t.Fatal(err)
		}
	}
}

// Options gives connecting, which takes several requests, time enough on a busy machine.
func (d *device) Options(timeout time.Duration) string {
	return fmt.Sprintf("endpoint: %s\ntimeout: %v\nmode: %s\npublish_interval: 20ms\nkeep_alive_count: 25\n", d.endpoint, max(timeout, 700*time.Millisecond), d.mode)
}

func (d *device) Sources() []driverstest.Source {
	const size = 100
	var all []driverstest.Source
	for from := 0; from < d.points; from += size {
		all = append(all, driverstest.Source{
			Options: fmt.Sprintf("node: ns=1;s=p.{n}\nfirst: %d\ntype: UInt16", from+1),
			Points:  min(size, d.points-from),
		})
	}
	return all
}

func (d *device) Set(values []uint16) {
	copy(d.values, values)
	now := time.Now()
	for i, v := range d.values {
		if d.refused > 0 && i >= d.refused {
			break
		}
		if err := d.server.Set(d.node(i), v, now); err != nil {
			d.t.Error(err)
		}
	}
}

func (d *device) Inject(f driverstest.Trouble) bool {
	if d.mode == "subscribe" && (f == driverstest.Short || f == driverstest.Long) {
		return false // a message holds what has changed, there is no less and no more
	}
	d.server.Slow(0)
	d.server.Stall(false)
	d.server.Garbage(0)
	d.server.Behave(opcuaserver.Well)
	switch f {
	case driverstest.None:
	case driverstest.Slow:
		d.server.Slow(20 * time.Millisecond)
	case driverstest.Silent:
		d.server.Stall(true)
	case driverstest.Garbage:
		d.server.Garbage(1 << 30)
	case driverstest.RefuseSome:
		d.refused = d.points / 2
		for i := d.refused; i < d.points; i++ {
			d.server.Remove(d.node(i))
		}
	default:
		manner, ok := map[driverstest.Trouble]opcuaserver.Manner{
			driverstest.Twice: opcuaserver.Twice, driverstest.Stray: opcuaserver.Stray, driverstest.Short: opcuaserver.Short,
			driverstest.Long: opcuaserver.Long, driverstest.HangUp: opcuaserver.HangUp, driverstest.HalfClose: opcuaserver.HalfClose,
		}[f]
		d.server.Behave(manner)
		return ok
	}
	return true
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
