package gateway

import (
	"context"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/identity"
)

// timeFile is where the time of verified acks is kept, below data_dir.
const timeFile = "time.json"

// lookEvery is how often the clocks are looked at when nothing else does.
const lookEvery = time.Second

// openClock opens what tells the time: the clock that was passed in, or a keeper of the machine's.
func (g *Gateway) openClock() error {
	var err error
	if g.floor, err = identity.OpenFloor(filepath.Join(g.c.DataDir, timeFile)); err != nil {
		g.log.Warn("the time kept from acks cannot be used; the program's build time counts", "err", err)
	}
	g.past = g.floor.Time()
	if g.clock != nil {
		return nil
	}
	o := clock.KeeperOptions{Read: g.d.Clocks, Floor: g.floor.Time, Jump: g.jumped}
	if o.Read == nil {
		host, err := clock.OpenHost()
		if err != nil {
			return err
		}
		o.Read, o.Mono = host.Read, host.Mono
	}
	g.time = clock.NewKeeper(o)
	g.clock = g.time
	return nil
}

// jumped tells of a clock's jump.
func (g *Gateway) jumped(j clock.Jump) {
	what := "a clock jumped; the time map in force stands"
	if j.Followed {
		what = "a clock jumped; a new time map is in force"
	}
	g.log.Warn(what, "clock", j.Source.String(), "by", j.By)
}

// jumps returns how many clock jumps were seen.
func (g *Gateway) jumps() uint64 {
	if g.time == nil {
		return 0
	}
	return g.time.Status().Jumps
}

// clockStatus says what dates the samples.
func (g *Gateway) clockStatus() diag.Clock {
	if g.time == nil {
		m := g.clock.Map()
		return diag.Clock{Source: m.Source.String(), Uncertainty: m.Uncertainty}
	}
	s := g.time.Status()
	return diag.Clock{Source: s.Map.Source.String(), Uncertainty: s.Map.Uncertainty, Jumps: s.Jumps, Disagree: s.Disagree}
}

// now returns the time, and whether something trustworthy stands behind it.
func (g *Gateway) now() (time.Time, bool) {
	if g.time == nil {
		return time.Now(), true
	}
	now, dated := g.time.Wall()
	if !dated {
		return time.Now(), false
	}
	return now, true
}

// judgedAt is the time that certificates are judged by: the trustworthy one, else the latest that is known to have passed.
func (g *Gateway) judgedAt() identity.Clock {
	return identity.Clock{
		Now:          func() time.Time { now, _ := g.now(); return now },
		Floor:        g.floor.Time,
		Synchronised: func() bool { _, dated := g.now(); return dated },
	}
}

// cloudTime takes in the time of a vouched ack. Only what agrees with the map in force is kept.
func (g *Gateway) cloudTime(cloud time.Time, roundTrip time.Duration) (told bool) {
	if g.time != nil && g.time.CloudTime(cloud, roundTrip) {
		if err := g.floor.Observe(cloud); err != nil {
			g.log.Warn("the time could not be kept", "err", err)
		}
	}
	return g.date()
}

// date gives the epochs that nothing had dated their maps, once something can. What earlier boots left undated came after the time
// that was kept when this one began.
func (g *Gateway) date() bool { return g.keeper.Date(g.clock.Map(), g.past) }

// watchClocks looks for jumps and for NTP until ctx ends.
func (g *Gateway) watchClocks(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.date() // the next inventory tells
		}
	}
}
