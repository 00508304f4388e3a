package mqtt

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ErrOpenBroker is what Probe wraps when the broker delivered what it should have refused.
var ErrOpenBroker = errors.New("the broker delivers what it must refuse: its access list is missing or wrong")

// DefaultProbeWindow is how long Probe listens after the broker has taken the forbidden publish.
const DefaultProbeWindow = time.Second

// ProbeMark begins the payload of a probe, so that whoever gets one by a broker's fault knows it.
const ProbeMark = "courtside-probe:"

// Probe tries whether a broker keeps publishers apart. It opens a session of its own with o, whose will and OnMessage it replaces, subscribes
// to the filters that the caller may read, publishes to topic, which the caller may not, and listens for window (0 for DefaultProbeWindow).
// nil means that nothing was delivered: the broker refused, ended the session, or took it and dropped it. An error that wraps ErrOpenBroker means
// that it was delivered; any other that nothing could be found out.
func Probe(ctx context.Context, o Options, topic string, window time.Duration, filters ...string) error {
	if window <= 0 {
		window = DefaultProbeWindow
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails: crypto/rand ends the process instead
	mark := []byte(ProbeMark + hex.EncodeToString(nonce[:]))
	delivered := make(chan struct{}, 1)
	o.Will = nil
	o.OnMessage = func(m Message) {
		if m.Topic == topic && bytes.Equal(m.Payload, mark) {
			select {
			case delivered <- struct{}{}:
			default:
			}
		}
	}
	s, err := Dial(ctx, o)
	if err != nil {
		return fmt.Errorf("probing the broker: %w", err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Subscribe(ctx, filters...); err != nil {
		return fmt.Errorf("probing the broker: %w", err)
	}
	took := make(chan error, 1)
	err = s.Publish(Message{Topic: topic, Payload: mark, QoS: 1}, func(err error) { took <- err })
	switch {
	case errors.Is(err, ErrNotSent):
		return fmt.Errorf("probing the broker: %w", err)
	case err != nil:
		took <- err // the session was over before Publish returned
	}
	limit := time.NewTimer(2*window + o.KeepAlive)
	defer limit.Stop()
	for {
		select {
		case err := <-took:
			if err != nil {
				return settled(delivered, topic) // the session is over, as the embedded broker ends it
			}
			took = nil
			limit.Reset(window)
		case <-delivered:
			return open(topic)
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("probing the broker: %w", ctx.Err())
		}
	}
}

// settled looks for a delivery that came before the end of the session.
func settled(delivered <-chan struct{}, topic string) error {
	select {
	case <-delivered:
		return open(topic)
	default:
		return nil
	}
}

func open(topic string) error {
	return fmt.Errorf("probing the broker: %w (topic %s)", ErrOpenBroker, topic)
}
