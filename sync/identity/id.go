package identity

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/courtside-edge/courtside/sync/point"
)

// ErrID is what every refused SPIFFE ID wraps.
var ErrID = errors.New("not an identity of Courtside")

// Role is what an identity may do; the shape of its SPIFFE ID says which it is.
type Role uint8

// The roles.
const (
	Gateway    Role = iota + 1 // /venue/{venue}/gateway/{name}
	Aggregator                 // /aggregator
	Broker                     // /broker: a broker that is not the aggregator's own
	Subscriber                 // /venue/{venue}/subscriber/{name}
)

// String returns the role as SPIFFE paths write it.
func (r Role) String() string {
	switch r {
	case Gateway:
		return "gateway"
	case Aggregator:
		return "aggregator"
	case Broker:
		return "broker"
	case Subscriber:
		return "subscriber"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// ID is an identity of Courtside. Venue and Name are those of a Gateway or Subscriber, and empty for other roles.
type ID struct {
	TrustDomain string
	Role        Role
	Venue, Name point.ID
}

// ParseID returns the identity that a SPIFFE ID spells, or an error that wraps ErrID.
func ParseID(uri string) (ID, error) {
	sid, err := spiffeid.FromString(uri)
	if err != nil {
		return ID{}, fmt.Errorf("%w: %q: %w", ErrID, uri, err)
	}
	id := ID{TrustDomain: sid.TrustDomain().Name()}
	parts := strings.Split(strings.TrimPrefix(sid.Path(), "/"), "/")
	switch {
	case len(parts) == 1 && parts[0] == "aggregator":
		id.Role = Aggregator
		return id, nil
	case len(parts) == 1 && parts[0] == "broker":
		id.Role = Broker
		return id, nil
	case len(parts) == 4 && parts[0] == "venue" && parts[2] == "gateway":
		id.Role = Gateway
	case len(parts) == 4 && parts[0] == "venue" && parts[2] == "subscriber":
		id.Role = Subscriber
	default:
		return ID{}, fmt.Errorf("%w: the path of %q is none of /aggregator, /broker, /venue/{venue}/gateway/{name} and /venue/{venue}/subscriber/{name}", ErrID, uri)
	}
	if id.Venue, err = point.ParseID(parts[1]); err != nil {
		return ID{}, fmt.Errorf("%w: venue of %q: %w", ErrID, uri, err)
	}
	if id.Name, err = point.ParseID(parts[3]); err != nil {
		return ID{}, fmt.Errorf("%w: name in %q: %w", ErrID, uri, err)
	}
	return id, nil
}

// String returns the SPIFFE ID, which ParseID reads back.
func (id ID) String() string {
	if id.Role == Gateway || id.Role == Subscriber {
		return fmt.Sprintf("spiffe://%s/venue/%s/%s/%s", id.TrustDomain, id.Venue, id.Role, id.Name)
	}
	return fmt.Sprintf("spiffe://%s/%s", id.TrustDomain, id.Role)
}

// CommonName returns the name for brokers that read only a certificate's common name, and the first DNS
// name of the SVID: {gateway}.{venue}, {subscriber}.subscriber.{venue}, aggregator, broker. No two identities of a
// trust domain share one. A subscriber's may exceed the 64 characters that some authorities allow in a common name.
func (id ID) CommonName() string {
	switch id.Role {
	case Gateway:
		return string(id.Name) + "." + string(id.Venue)
	case Subscriber:
		return string(id.Name) + ".subscriber." + string(id.Venue)
	}
	return id.Role.String()
}

// ClientID returns the MQTT client id that belongs to the identity: {venue}:{gateway}, {venue}:sub:{subscriber},
// _aggregator, _broker (no venue's id begins so). No two identities of a trust domain share one. Subscribers and aggregators may
// append ":" and a suffix of their own, because several of their processes may share an SVID; gateways may not.
func (id ID) ClientID() string {
	switch id.Role {
	case Gateway:
		return string(id.Venue) + ":" + string(id.Name)
	case Subscriber:
		return string(id.Venue) + ":sub:" + string(id.Name)
	}
	return "_" + id.Role.String()
}
