package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
)

// Errors that callers may match.
var (
	// ErrClosed is why a session ended that Close ended.
	ErrClosed = errors.New("the session was closed")
	// ErrLost is what errors after the loss of the link wrap.
	ErrLost = errors.New("the session is lost")
	// ErrRefused is what Dial wraps when the broker's CONNACK refuses.
	ErrRefused = errors.New("the broker refuses the connection")
	// ErrNotSent is what Publish wraps when the broker certainly did not get the message.
	ErrNotSent = errors.New("not sent")
	// ErrSubscription is what Subscribe wraps when the broker refuses a filter.
	ErrSubscription = errors.New("the broker refuses the subscription")
)

// Defaults of Options.
const (
	DefaultKeepAlive      = 10 * time.Second
	DefaultConnectTimeout = 10 * time.Second
	DefaultWriteTimeout   = 10 * time.Second
	DefaultMaxPacketBytes = 1 << 20 // an inbound packet beyond it ends the session
	DefaultMaxInFlight    = 1024    // unacknowledged messages; Publish refuses more
)

// queued is how many inbound messages wait for OnMessage before reading stops.
const queued = 64

// userTimeout is how long TCP may wait for the peer to acknowledge data; beyond it the kernel ends the connection.
const userTimeout = 15 * time.Second

// Options say where to connect, as whom, and how patiently. Zero durations and numbers stand for the defaults.
type Options struct {
	URL      string      // "mqtts://host:8883", or "mqtt://host:1883" without TLS
	ClientID string      // required
	TLS      *tls.Config // required for mqtts, refused for mqtt
	Will     *Message    // what the broker announces when the link is lost; nil for none

	KeepAlive      time.Duration // whole seconds, rounded up
	ConnectTimeout time.Duration // from dialling to the broker's CONNACK
	WriteTimeout   time.Duration // the longest that one packet's write may take; beyond it the session ends
	MaxPacketBytes int
	MaxInFlight    int

	// OnMessage is called for each inbound message, in the order of arrival, by one goroutine. The broker has its PUBACK when the message
	// is queued, before the call. It must not wait for this session (Subscribe, Close, a callback of Publish). nil to drop them.
	OnMessage func(Message)
	Log       *slog.Logger // nil for none
}

// Message is what is published. The payload belongs to the receiver of a message, and must not change while one is being sent.
type Message struct {
	Topic    string
	Payload  []byte
	QoS      byte // 0 or 1
	Retained bool
}

// settle fills defaults in and returns the address to dial.
func (o *Options) settle() (addr string, err error) {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&o.KeepAlive, DefaultKeepAlive}, {&o.ConnectTimeout, DefaultConnectTimeout}, {&o.WriteTimeout, DefaultWriteTimeout}} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	o.KeepAlive = (o.KeepAlive + time.Second - 1).Truncate(time.Second)
	if o.MaxPacketBytes <= 0 {
		o.MaxPacketBytes = DefaultMaxPacketBytes
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ClientID == "" {
		return "", errors.New("mqtt: the client id is empty")
	}
	if o.Will != nil {
		if err := o.Will.check(); err != nil {
			return "", fmt.Errorf("mqtt: will: %w", err)
		}
	}
	return o.address()
}

func (o *Options) address() (string, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return "", fmt.Errorf("mqtt: broker address: %w", err)
	}
	var port string
	switch {
	case u.Scheme == "mqtts" && o.TLS != nil:
		port = "8883"
	case u.Scheme == "mqtts":
		return "", fmt.Errorf("mqtt: broker %s needs a TLS configuration", o.URL)
	case u.Scheme == "mqtt" && o.TLS == nil:
		port = "1883"
	case u.Scheme == "mqtt":
		return "", fmt.Errorf("mqtt: broker %s is without TLS, but an identity is given; write mqtts://", o.URL)
	default:
		return "", fmt.Errorf("mqtt: broker address %q; write mqtts://host:8883", o.URL)
	}
	if u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("mqtt: broker address %q is more or less than scheme, host and port; write mqtts://host:8883", o.URL)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// maxTopicBytes is MQTT's own limit.
const maxTopicBytes = 65535

func (m Message) check() error {
	switch {
	case m.Topic == "" || len(m.Topic) > maxTopicBytes || strings.ContainsAny(m.Topic, "+#\x00"):
		return fmt.Errorf("%w: topic %.80q has no or too many characters, or a wildcard", ErrNotSent, m.Topic)
	case m.QoS > 1:
		return fmt.Errorf("%w: QoS %d of topic %s; use 0 or 1", ErrNotSent, m.QoS, m.Topic)
	}
	return nil
}
