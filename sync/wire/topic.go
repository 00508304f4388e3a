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

// MaxTopicBytes is longer than any topic of a gateway.
const MaxTopicBytes = 256

// ParseTopic takes a gateway topic apart, or says why it is none with an error that wraps ErrInvalid. What it accepts is
// spelled exactly as GatewayTopic or TableTopic spell it.
func ParseTopic(s string) (Topic, error) {
	if len(s) > MaxTopicBytes {
		return Topic{}, fmt.Errorf("%w: a topic of %d bytes, at most %d are allowed", ErrInvalid, len(s), MaxTopicBytes)
	}
	parts := strings.Split(s, "/")
	if len(parts) < 6 || parts[0]+"/"+parts[1] != Root || parts[3] != "gw" {
		return Topic{}, fmt.Errorf("%w: topic %q is not %s/{venue}/gw/{gateway}/{channel}", ErrInvalid, s, Root)
	}
	venue, err := point.ParseID(parts[2])
	if err != nil {
		return Topic{}, fmt.Errorf("%w: topic %q: venue: %w", ErrInvalid, s, err)
	}
	gateway, err := point.ParseID(parts[4])
	if err != nil {
		return Topic{}, fmt.Errorf("%w: topic %q: gateway: %w", ErrInvalid, s, err)
	}
	t := Topic{Venue: venue, Gateway: gateway, Channel: Channel(parts[5])}
	switch t.Channel {
	case Live, Replay, Critical, StatusCh, InvCh, AckCh, CommandCh, ReplyCh:
		if len(parts) != 6 {
			return Topic{}, fmt.Errorf("%w: topic %q has %d levels, 6 are wanted", ErrInvalid, s, len(parts))
		}
		return t, nil
	case Table:
		if len(parts) != 8 {
			return Topic{}, fmt.Errorf("%w: topic %q has %d levels, 8 are wanted for a table", ErrInvalid, s, len(parts))
		}
		t.Hash, t.Part, err = parseTablePart(parts[6], parts[7])
		if err != nil {
			return Topic{}, fmt.Errorf("%w: topic %q: %w", ErrInvalid, s, err)
		}
		return t, nil
	}
	return Topic{}, fmt.Errorf("%w: topic %q has the unknown channel %q", ErrInvalid, s, parts[5])
}

// parseTablePart reads the last two levels of a table's topic.
func parseTablePart(hash, part string) (h point.TableHash, n int, err error) {
	if h, err = point.ParseTableHash(hash); err != nil {
		return h, 0, err
	}
	if h.String() != hash {
		return h, 0, fmt.Errorf("%q is not in lower case", hash)
	}
	v, err := strconv.ParseUint(part, 10, 16)
	if err != nil || v >= MaxTableParts || strconv.FormatUint(v, 10) != part {
		return h, 0, fmt.Errorf("%q is not a part's number, 0 to %d", part, MaxTableParts-1)
	}
	return h, int(v), nil
}
