package field

import (
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/trackingserver"
	"github.com/courtside-edge/courtside/tools/venuesim/court"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

// TrackPeriod is how often the tracking system reports, in real time.
const TrackPeriod = 100 * time.Millisecond

// tracker is the tracking system above the court. It is not safe for concurrent use.
type tracker struct {
	device Device
	server *trackingserver.Server
	game   *court.Game
	seen   bool  // somebody is on the floor
	away   bool  // it was told to restart
	shift  int32 // of the players' numbers
}

func startTracker(d Device, addr string, seed uint64) (*tracker, error) {
	t := &tracker{device: d, server: trackingserver.New(trackingserver.Options{Period: TrackPeriod}), game: court.NewGame(seed)}
	if err := t.server.Start(addr); err != nil {
		return nil, fmt.Errorf("start device %s: %w", d.ID, err)
	}
	return t, nil
}

// play lets real time pass on the floor.
func (t *tracker) play(elapsed time.Duration, phase crowd.Phase) {
	playing := t.game.Step(elapsed, phase)
	switch {
	case playing:
		at := make([]trackingserver.Position, court.Players+1)
		for n := range at {
			spot := t.game.At(n)
			at[n] = trackingserver.Position{X: float32(spot.X), Y: float32(spot.Y)}
		}
		t.server.SetAll(court.Ball+t.shift, at)
	case t.seen:
		t.clear()
	}
	t.seen = playing
}

// clear takes everybody off the floor.
func (t *tracker) clear() {
	for n := range int32(court.Players + 1) {
		t.server.Remove(n + t.shift)
	}
}

// otherNumbers is what a renumbered tracker adds to the players' numbers.
const otherNumbers = 100

// cause implements faulty.
func (t *tracker) cause(f Fault) error {
	switch f.Do {
	case Delay:
		t.server.SlowBy(delayOf(f))
		t.server.Behave(trackingserver.Slow)
	case Drop:
		t.server.Behave(trackingserver.Silent)
	case Exception:
		t.server.Behave(trackingserver.Refuse)
	case Garbage:
		t.server.Behave(trackingserver.Garbage)
	case Renumber:
		t.clear()
		t.shift = otherNumbers
	case Restart:
		t.away = true
		return t.server.Close()
	}
	return nil
}

// heal implements faulty.
func (t *tracker) heal() error {
	t.server.Behave(trackingserver.Well)
	if t.shift != 0 {
		t.clear()
		t.shift = 0
	}
	if t.away {
		if err := t.server.Start(t.server.Addr()); err != nil {
			return fmt.Errorf("start device %s: %w", t.device.ID, err)
		}
		t.away = false
	}
	return nil
}
