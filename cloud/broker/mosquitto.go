package broker

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

// mosquittoHead stands above the access list; the lines after "mosquitto.conf" are what it rests on.
const mosquittoHead = `# Access list of Courtside for mosquitto 2. A user is the common name of an SVID.
#
# mosquitto.conf:
#   per_listener_settings false
#   allow_anonymous false
#   acl_file /etc/mosquitto/courtside.acl
#   max_packet_size 1052672
#   max_keepalive 300
#   listener 8883
#   protocol mqtt
#   tls_version tlsv1.3
#   cafile /etc/mosquitto/bundle.pem         # the trust domain's bundle
#   certfile /etc/mosquitto/svid.pem         # an SVID of /broker
#   keyfile /etc/mosquitto/svid.key
#   #crlfile /etc/mosquitto/revoked.pem      # where the authority revokes; short lives do the same
#   require_certificate true
#   use_identity_as_username true
#   use_username_as_clientid true            # else one gateway could take another's client id, and its connection
#
# mosquitto reads its certificate at a start only, and goes on serving a client whose SVID has expired: restart it
# before its own SVID ends, within the life of the clients'.
`

// MosquittoACL writes the acl_file with which mosquitto keeps identities apart as the embedded broker does (I7), and, as comments, the
// lines of mosquitto.conf that it rests on: client certificates required, the common name as user and client id. Two
// things differ: mosquitto acknowledges and drops a forbidden publish instead of disconnecting, and it
// does not end a connection when its SVID expires. Subscribers need one SVID for each process.
func MosquittoACL(w io.Writer, ids ...identity.ID) error {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b identity.ID) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.CommonName(), b.CommonName()))
	})
	var list bytes.Buffer
	list.WriteString(mosquittoHead)
	for _, id := range slices.Compact(ids) {
		if id.Role == identity.Broker {
			continue // it is the server
		}
		rules, err := mosquittoRules(id)
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "\n# %s\nuser %s\n", id, id.CommonName())
		for _, r := range rules {
			fmt.Fprintf(&list, "topic %s\n", r)
		}
	}
	if _, err := w.Write(list.Bytes()); err != nil {
		return fmt.Errorf("broker: writing mosquitto's access list: %w", err)
	}
	return nil
}

// mosquittoRules returns an identity's rules as acl_file writes them after "topic".
func mosquittoRules(id identity.ID) ([]string, error) {
	rules := []string{"read " + wire.CloudStatusTopic}
	switch id.Role {
	case identity.Gateway:
		for _, c := range uplinkChannels() {
			rules = append(rules, "write "+channelFilter(id, c))
		}
		for _, c := range downlinkChannels() {
			rules = append(rules, "read "+channelFilter(id, c))
		}
	case identity.Subscriber:
		for _, c := range downlinkChannels() {
			rules = append(rules, "deny "+channelFilter(identity.ID{Venue: id.Venue, Name: "+"}, c))
		}
		rules = append(rules, "read "+wire.Root+"/"+string(id.Venue)+"/#")
	case identity.Aggregator:
		rules = []string{"readwrite " + wire.CloudStatusTopic, "readwrite " + wire.StateTopic("+", "#")}
		every := identity.ID{Venue: "+", Name: "+"}
		for _, c := range uplinkChannels() {
			rules = append(rules, "read "+channelFilter(every, c))
		}
		for _, c := range downlinkChannels() {
			rules = append(rules, "write "+channelFilter(every, c))
		}
	default:
		return nil, fmt.Errorf("broker: %s has no place in an access list", id)
	}
	return rules, nil
}

// channelFilter returns the filter of one channel of a gateway; its venue and name may be wildcards.
func channelFilter(id identity.ID, c wire.Channel) string {
	f := wire.GatewayTopic(id.Venue, id.Name, c)
	if c == wire.Table {
		f += "/+/+" // hash and part
	}
	return f
}
