package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/sync/identity"
)

func ids(t *testing.T, paths ...string) []identity.ID {
	t.Helper()
	var all []identity.ID
	for _, p := range paths {
		id, err := identity.ParseID("spiffe://courtside.test" + p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	return all
}

func TestMosquittoACL(t *testing.T) {
	var got strings.Builder
	err := broker.MosquittoACL(&got, ids(t, "/venue/dal-001/subscriber/wall", "/broker", "/aggregator", "/venue/dal-001/gateway/gw-north", "/aggregator")...)
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for line := range strings.Lines(got.String()) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			rules = append(rules, line)
		}
	}
	want := `user gw-north.dal-001
topic read courtside/1/cloud/status
topic write courtside/1/dal-001/gw/gw-north/live
topic write courtside/1/dal-001/gw/gw-north/replay
topic write courtside/1/dal-001/gw/gw-north/critical
topic write courtside/1/dal-001/gw/gw-north/table/+/+
topic write courtside/1/dal-001/gw/gw-north/status
topic write courtside/1/dal-001/gw/gw-north/inventory
topic write courtside/1/dal-001/gw/gw-north/reply
topic read courtside/1/dal-001/gw/gw-north/ack
topic read courtside/1/dal-001/gw/gw-north/cmd
user aggregator
topic readwrite courtside/1/cloud/status
topic readwrite courtside/1/+/state/#
topic read courtside/1/+/gw/+/live
topic read courtside/1/+/gw/+/replay
topic read courtside/1/+/gw/+/critical
topic read courtside/1/+/gw/+/table/+/+
topic read courtside/1/+/gw/+/status
topic read courtside/1/+/gw/+/inventory
topic read courtside/1/+/gw/+/reply
topic write courtside/1/+/gw/+/ack
topic write courtside/1/+/gw/+/cmd
user wall.subscriber.dal-001
topic read courtside/1/cloud/status
topic deny courtside/1/dal-001/gw/+/ack
topic deny courtside/1/dal-001/gw/+/cmd
topic read courtside/1/dal-001/#`
	if strings.Join(rules, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(rules, "\n"), want)
	}
	for _, line := range []string{"require_certificate true", "use_identity_as_username true", "use_username_as_clientid true", "cafile", "crlfile"} {
		if !strings.Contains(got.String(), line) {
			t.Errorf("mosquitto.conf's %q is not told", line)
		}
	}
}

// full fails to write.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestMosquittoACLFails(t *testing.T) {
	if err := broker.MosquittoACL(full{}); err == nil {
		t.Error("a failed write was not told")
	}
	if err := broker.MosquittoACL(&strings.Builder{}, identity.ID{}); err == nil {
		t.Error("an identity that is none was listed")
	}
}
