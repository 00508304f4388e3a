package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

// ErrDown is what Publish wraps while nobody can be reached: an external broker is away, or the embedded one is closed.
var ErrDown = errors.New("the broker is down")

// Message is what a gateway sent, or what was announced as its will.
type Message struct {
	Topic    wire.Topic // embedded: venue and gateway are those of the sender's SVID
	Payload  []byte     // the receiver's to keep
	Received time.Time
}

// Handler takes messages of gateways. Messages of one gateway come one after the other in their order, those
// of different gateways at the same time (external: all one after the other). While it runs nothing more is read from that gateway, so it should
// do no more than take the message in.
type Handler func(Message)

// Broker is what the aggregator needs of either kind.
type Broker interface {
	// Publish sends to whoever subscribed. It returns when the message is queued for them.
	Publish(topic string, payload []byte, qos byte, retained bool) error
	// Run serves until ctx ends or Close. It returns nil then, and has ended everything that it started.
	Run(ctx context.Context) error
	// Close ends Run and waits for it. It may be called twice, and without Run.
	Close() error
	// Stats returns totals since the process started.
	Stats() Stats
}

// Options are what both kinds of broker share.
type Options struct {
	Handler Handler
	// Admit reports why a gateway is not served; nil admits all. The external broker's identities have no trust domain. It is called
	// at each CONNECT (external: for each message) and must be quick.
	Admit func(identity.ID) error
	// Birth returns the payload of cloud/status, which is retained; it is announced at the start and, externally, at each
	// connection. nil announces nothing.
	Birth func() []byte
	// Death is the will on cloud/status at an external broker.
	Death []byte
	Now   func() time.Time // nil for time.Now
	Log   *slog.Logger     // nil for none
}

func (o *Options) settle() error {
	if o.Handler == nil {
		return errors.New("broker: no handler is given")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Stats are totals since the process started, except Clients and Up.
type Stats struct {
	Up        bool              // embedded: serving; external: connected and subscribed
	Clients   int               // connected to the embedded broker now
	Received  uint64            // messages given to the Handler
	Bytes     uint64            // their payloads
	Published uint64            // messages taken by Publish
	Dropped   uint64            // messages that a reader was too slow for (external: that were not acknowledged)
	Refused   map[string]uint64 // by reason; doc.go lists them
}
