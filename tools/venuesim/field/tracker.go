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
	seen   bool // somebody is on the floor
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
		t.server.SetAll(court.Ball, at)
	case t.seen:
		for n := range court.Players + 1 {
			t.server.Remove(int32(n))
		}
	}
	t.seen = playing
}
