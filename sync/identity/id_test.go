package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/sync/identity"
)

func TestIDRoundTrip(t *testing.T) {
	for uri, want := range map[string]identity.ID{
		"spiffe://courtside.test/aggregator":                          {TrustDomain: "courtside.test", Role: identity.Aggregator},
		"spiffe://courtside.test/broker":                              {TrustDomain: "courtside.test", Role: identity.Broker},
		"spiffe://courtside.test/venue/dal-001/gateway/gw-north":      {TrustDomain: "courtside.test", Role: identity.Gateway, Venue: "dal-001", Name: "gw-north"},
		"spiffe://courtside.test/venue/dal-001/subscriber/scoreboard": {TrustDomain: "courtside.test", Role: identity.Subscriber, Venue: "dal-001", Name: "scoreboard"},
	} {
		got, err := identity.ParseID(uri)
		if err != nil || got != want {
			t.Errorf("ParseID(%q) = %+v, %v; want %+v", uri, got, err, want)
		}
		if got.String() != uri {
			t.Errorf("%+v is spelt %q, want %q", got, got, uri)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, uri := range []string{"", "https://courtside.test/aggregator", "spiffe://courtside.test", "spiffe://courtside.test/", "spiffe:///aggregator",
		"spiffe://courtside.test/aggregator/x", "spiffe://courtside.test/Aggregator", "spiffe://courtside.test/venue/dal-001/gateway",
		"spiffe://courtside.test/venue/dal_001/gateway/gw", "spiffe://courtside.test/venue/dal-001/gateway/-gw", "spiffe://courtside.test/venue/dal-001/gateway/gw/x",
		"spiffe://courtside.test/venue/dal-001/broker/b", "spiffe://courtside.test/venue/" + strings.Repeat("v", 32) + "/gateway/gw"} {
		if id, err := identity.ParseID(uri); !errors.Is(err, identity.ErrID) {
			t.Errorf("ParseID(%q) = %+v, %v; want ErrID", uri, id, err)
		}
	}
}

// TestNamesAreUnambiguous looks for two identities that brokers could take for each other.
func TestNamesAreUnambiguous(t *testing.T) {
	words := []string{"sub", "subscriber", "aggregator", "broker", "gateway", "a", "a-b"}
	var ids []identity.ID
	ids = append(ids, identity.ID{Role: identity.Aggregator}, identity.ID{Role: identity.Broker})
	for _, v := range words {
		for _, n := range words {
			for _, r := range []identity.Role{identity.Gateway, identity.Subscriber} {
				id, err := identity.ParseID("spiffe://courtside.test/venue/" + v + "/" + r.String() + "/" + n)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
		}
	}
	names, clients := map[string]identity.ID{}, map[string]identity.ID{}
	for _, id := range ids {
		if other, taken := names[id.CommonName()]; taken {
			t.Errorf("%v and %v share the common name %s", id, other, id.CommonName())
		}
		if other, taken := clients[id.ClientID()]; taken {
			t.Errorf("%v and %v share the client id %s", id, other, id.ClientID())
		}
		names[id.CommonName()], clients[id.ClientID()] = id, id
	}
	for a, owner := range clients { // a suffix must not lead into another's name either
		for b, other := range clients {
			if owner != other && owner.Role != identity.Gateway && strings.HasPrefix(b, a+":") {
				t.Errorf("%v may use the client id %s of %v", owner, b, other)
			}
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"spiffe://courtside.test/aggregator", "spiffe://a/venue/b/gateway/c", "spiffe://a/venue/b/subscriber/c", "spiffe://a/venue//gateway/", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := identity.ParseID(s)
		if err != nil {
			if !errors.Is(err, identity.ErrID) || id != (identity.ID{}) {
				t.Fatalf("ParseID(%q) = %+v, %v", s, id, err)
			}
			return
		}
		again, err := identity.ParseID(id.String())
		if err != nil || again != id {
			t.Fatalf("%q became %+v, then %+v, %v", s, id, again, err)
		}
	})
}
