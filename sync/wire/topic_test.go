package wire

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/point"
)

// TestTopicRoundTrip: what the topic functions write, ParseTopic reads.
func TestTopicRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Topic{Venue: point.ID(genID().Draw(t, "venue")), Gateway: point.ID(genID().Draw(t, "gateway")),
			Channel: rapid.SampledFrom([]Channel{Live, Replay, Critical, StatusCh, InvCh, AckCh, CommandCh, ReplyCh, Table}).Draw(t, "channel")}
		s := GatewayTopic(want.Venue, want.Gateway, want.Channel)
		if want.Channel == Table {
			want.Hash, want.Part = gen16().Draw(t, "hash"), rapid.IntRange(0, MaxTableParts-1).Draw(t, "part")
			s = TableTopic(want.Venue, want.Gateway, want.Hash, want.Part)
		}
		if got, err := ParseTopic(s); err != nil || got != want {
			t.Fatalf("%q is %+v, %v; want %+v", s, got, err, want)
		}
	})
}

// TestParseTopicRefuses: nothing but a gateway's topic is one, spelled in one way only.
func TestParseTopicRefuses(t *testing.T) {
	hash := strings.Repeat("0a", 16)
	for _, s := range []string{
		"", "/", "courtside/1/v/gw/g", "courtside/1/v/gw/g/", "courtside/1/v/gw/g/live/", "courtside/1/v/gw/g/live/x", "courtside/2/v/gw/g/live",
		"courtside/1/v/state/g/live", "courtside/1/V/gw/g/live", "courtside/1/v/gw/-g/live", "courtside/1/+/gw/g/live", "courtside/1/v/gw/#/live",
		"courtside/1//gw/g/live", "courtside/1/v/gw/g/LIVE", "courtside/1/v/gw/g/table", "courtside/1/v/gw/g/table/" + hash, CloudStatusTopic,
		"courtside/1/v/gw/g/table/" + hash + "/", "courtside/1/v/gw/g/table/" + hash + "/00", "courtside/1/v/gw/g/table/" + hash + "/-1",
		"courtside/1/v/gw/g/table/" + hash + "/+1", "courtside/1/v/gw/g/table/" + hash + "/1024", "courtside/1/v/gw/g/table/" + hash + "/1/2",
		"courtside/1/v/gw/g/table/" + hash[1:] + "/0", "courtside/1/v/gw/g/table/" + hash + "0a/0", "courtside/1/v/gw/g/table/" + strings.Repeat(hash, 100) + "/0", "courtside/1/v/gw/g/table/" + strings.ToUpper(hash) + "/0", "courtside/1/v/gw/" + strings.Repeat("g", 32) + "/live",
		"courtside/1/v/gw/g/live\x00", StateTopic("v", "gates"),
	} {
		if got, err := ParseTopic(s); !errors.Is(err, ErrInvalid) || got != (Topic{}) {
			t.Errorf("%q is %+v, %v", s, got, err)
		}
	}
}

// TestTopicNames fixes the names that access lists and subscribers rely on.
func TestTopicNames(t *testing.T) {
	for got, want := range map[string]string{
		GatewayTopic("dal-001", "gw-north", Live):              "courtside/1/dal-001/gw/gw-north/live",
		GatewayTopic("dal-001", "gw-north", CommandCh):         "courtside/1/dal-001/gw/gw-north/cmd",
		TableTopic("dal-001", "gw", point.TableHash{15: 1}, 2): "courtside/1/dal-001/gw/gw/table/00000000000000000000000000000001/2",
		StateTopic("dal-001", "occupancy"):                     "courtside/1/dal-001/state/occupancy",
		CloudStatusTopic:                                       "courtside/1/cloud/status",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
