package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/cloud/heatmap"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Pace of the retained state topics. A heatmap frame of an arena has some ten kilobytes, so it goes out less often.
const (
	topicsEvery  = time.Second
	heatmapEvery = 5 * time.Second
)

// Publisher sends to subscribers; a broker is one.
type Publisher interface {
	Publish(topic string, payload []byte, qos byte, retained bool) error
}

// PublishState publishes a house's derived state as retained MQTT topics when it changed, until ctx ends:
// state/occupancy, state/gates and state/panels each second at most, state/heatmap/{layer} every five.
// A publish that fails is tried again with the next change, or after heatmapEvery.
func PublishState(ctx context.Context, h House, p Publisher, log *slog.Logger) {
	t := &topics{house: h, publisher: p, log: log}
	tick := time.NewTicker(topicsEvery)
	defer tick.Stop()
	for {
		if h.replaying() == nil { // what is retained is newer than what a replay has got to
			t.step(time.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

type topics struct {
	house     House
	publisher Publisher
	log       *slog.Logger
	version   uint64
	behind    bool
	heatmaps  time.Time
}

func (t *topics) step(now time.Time) {
	v := t.house.Venue
	if version := v.Version(); version != t.version || t.behind {
		t.version = version
		t.behind = errors.Join(t.publish("occupancy", v.Occupancy()), t.publish("gates", v.Gates()), t.publish("panels", v.Panels())) != nil
	}
	if t.house.Maps == nil || now.Sub(t.heatmaps) < heatmapEvery {
		return
	}
	t.heatmaps = now
	for _, layer := range heatmap.Layers() {
		basis, g, err := t.house.Maps.Draw(layer)
		if err != nil {
			t.log.Error("a heatmap layer could not be drawn", "venue", v.ID(), "layer", layer, "err", err)
			continue
		}
		_ = t.publish("heatmap/"+layer, HeatmapAnswer{basis, g}) // the next frame comes in five seconds anyway
	}
}

func (t *topics) publish(what string, answer any) error {
	payload, err := json.Marshal(answer)
	if err != nil {
		t.log.Error("a state topic could not be written", "venue", t.house.Venue.ID(), "topic", what, "err", err)
		return nil
	}
	if err := t.publisher.Publish(wire.StateTopic(t.house.Venue.ID(), what), payload, 0, true); err != nil {
		t.log.Debug("a state topic could not be published", "venue", t.house.Venue.ID(), "topic", what, "err", err)
		return err
	}
	return nil
}
