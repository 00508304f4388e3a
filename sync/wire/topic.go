package wire

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/courtside-edge/courtside/sync/point"
)

// Root is the first two levels of every topic: the product and the protocol's version.
const Root = "courtside/1"

// CloudStatusTopic is where the aggregator announces itself, retained.
const CloudStatusTopic = Root + "/cloud/status"

// Channel is what a gateway topic carries.
type Channel string

// The channels of a gateway.
const (
	Live      Channel = "live"
	Replay    Channel = "replay"
	Critical  Channel = "critical"
	Table     Channel = "table" // followed by hash and part
	StatusCh  Channel = "status"
	InvCh     Channel = "inventory"
	AckCh     Channel = "ack"
	CommandCh Channel = "cmd"
	ReplyCh   Channel = "reply"
)

// Topic is a gateway topic, taken apart.
type Topic struct {
	Venue, Gateway point.ID
	Channel        Channel
	Hash           point.TableHash // for Table
	Part           int             // for Table, from 0
}

// GatewayTopic returns courtside/1/{venue}/gw/{gateway}/{channel}.
func GatewayTopic(venue, gateway point.ID, c Channel) string {
	return Root + "/" + string(venue) + "/gw/" + string(gateway) + "/" + string(c)
}

// TableTopic returns the topic of one part of a point table.
func TableTopic(venue, gateway point.ID, hash point.TableHash, part int) string {
	return GatewayTopic(venue, gateway, Table) + "/" + hash.String() + "/" + strconv.Itoa(part)
}

// StateTopic returns the retained topic on which the aggregator publishes derived state.
func StateTopic(venue point.ID, what string) string {
	return Root + "/" + string(venue) + "/state/" + what
}

// ParseTopic takes a gateway topic apart, or says why it is none.
func ParseTopic(s string) (Topic, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 6 || parts[0]+"/"+parts[1] != Root || parts[3] != "gw" {
		return Topic{}, fmt.Errorf("topic %q is not %s/{venue}/gw/{gateway}/{channel}", s, Root)
	}
	venue, err := point.ParseID(parts[2])
	if err != nil {
		return Topic{}, fmt.Errorf("topic %q: venue: %w", s, err)
	}
	gateway, err := point.ParseID(parts[4])
	if err != nil {
		return Topic{}, fmt.Errorf("topic %q: gateway: %w", s, err)
	}
	t := Topic{Venue: venue, Gateway: gateway, Channel: Channel(parts[5])}
	switch t.Channel {
	case Live, Replay, Critical, StatusCh, InvCh, AckCh, CommandCh, ReplyCh:
		if len(parts) != 6 {
			return Topic{}, fmt.Errorf("topic %q has %d levels, 6 are wanted", s, len(parts))
		}
		return t, nil
	case Table:
		if len(parts) != 8 {
			return Topic{}, fmt.Errorf("topic %q has %d levels, 8 are wanted for a table", s, len(parts))
		}
		if t.Hash, err = point.ParseTableHash(parts[6]); err != nil {
			return Topic{}, fmt.Errorf("topic %q: %w", s, err)
		}
		part, err := strconv.ParseUint(parts[7], 10, 16)
		if err != nil || strconv.FormatUint(part, 10) != parts[7] {
			return Topic{}, fmt.Errorf("topic %q: %q is not a part's number", s, parts[7])
		}
		t.Part = int(part)
		return t, nil
	}
	return Topic{}, fmt.Errorf("topic %q has the unknown channel %q", s, parts[5])
}
