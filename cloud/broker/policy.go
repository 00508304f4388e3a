package broker

import (
	"slices"
	"strings"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

// maxFilterBytes is the longest filter that may be subscribed to; every topic of the protocol is shorter. Longer
// ones are refused, because matching costs the square of their levels.
const maxFilterBytes = 256

// maxSuffixBytes is the longest suffix of a client id.
const maxSuffixBytes = 64

// uplinkChannels are what a gateway publishes, downlinkChannels what it subscribes to.
func uplinkChannels() []wire.Channel {
	return []wire.Channel{wire.Live, wire.Replay, wire.Critical, wire.Table, wire.StatusCh, wire.InvCh, wire.ReplyCh}
}

func downlinkChannels() []wire.Channel { return []wire.Channel{wire.AckCh, wire.CommandCh} }

// mayPublish reports whether id may publish to topic.
func mayPublish(id identity.ID, topic string) bool {
	switch id.Role {
	case identity.Gateway:
		t, err := wire.ParseTopic(topic)
		return err == nil && t.Venue == id.Venue && t.Gateway == id.Name && slices.Contains(uplinkChannels(), t.Channel)
	case identity.Aggregator:
		if t, err := wire.ParseTopic(topic); err == nil {
			return slices.Contains(downlinkChannels(), t.Channel)
		}
		return topic == wire.CloudStatusTopic || isState(topic)
	}
	return false
}

// mayRetain reports whether a message on topic, which id may publish to, may be retained.
func mayRetain(id identity.ID, topic string) bool {
	if id.Role == identity.Aggregator {
		return topic == wire.CloudStatusTopic || isState(topic)
	}
	t, err := wire.ParseTopic(topic)
	return err == nil && (t.Channel == wire.Table || t.Channel == wire.StatusCh)
}

// isState reports whether topic is courtside/1/{venue}/state/….
func isState(topic string) bool {
	levels := strings.SplitN(topic, "/", 5)
	return len(levels) == 5 && levels[0]+"/"+levels[1] == wire.Root && levels[2] != "" && levels[3] == "state"
}

// mayWill reports whether id may have its will announced on topic.
func mayWill(id identity.ID, topic string) bool {
	switch id.Role {
	case identity.Gateway:
		return topic == wire.GatewayTopic(id.Venue, id.Name, wire.StatusCh)
	case identity.Aggregator:
		return topic == wire.CloudStatusTopic
	}
	return false
}

// mayRead reports whether id may subscribe to filter, and whether it may get a message on the topic that filter is. A
// subscriber's wildcards may cover acks and commands; their messages are held back one by one.
func mayRead(id identity.ID, filter string) bool {
	if len(filter) > maxFilterBytes {
		return false
	}
	if filter == wire.CloudStatusTopic {
		return id.Role == identity.Gateway || id.Role == identity.Subscriber || id.Role == identity.Aggregator
	}
	switch id.Role {
	case identity.Gateway:
		return slices.ContainsFunc(downlinkChannels(), func(c wire.Channel) bool { return filter == wire.GatewayTopic(id.Venue, id.Name, c) })
	case identity.Subscriber:
		rest, ok := strings.CutPrefix(filter, wire.Root+"/"+string(id.Venue)+"/")
		levels := strings.Split(rest, "/")
		downlink := len(levels) > 2 && slices.Contains(downlinkChannels(), wire.Channel(levels[2]))
		return ok && rest != "" && !downlink
	case identity.Aggregator:
		return strings.HasPrefix(filter, wire.Root+"/") && len(filter) > len(wire.Root)+1
	}
	return false
}

// mayBeClient reports whether id may use an MQTT client id.
func mayBeClient(id identity.ID, client string) bool {
	own := id.ClientID()
	if client == own {
		return true
	}
	if id.Role == identity.Gateway {
		return false
	}
	suffix, ok := strings.CutPrefix(client, own+":")
	return ok && suffix != "" && len(suffix) <= maxSuffixBytes
}
