package opcua

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/channel"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	staleAfter      = 3    // keep-alives that may be missing before a subscription is dead
	minKeepAlives   = 10   // that the server waits for us, at least three by the specification
	maxNotification = 1000 // values in one message
	morePublishes   = 1    // PublishRequests beyond one a subscription, so that no message waits for the next request
)

// subscriber is a conn whose server reports by itself; see drivers.Subscriber.
type subscriber struct {
	*conn
	subs        []*subscription
	answers     chan channel.Answer
	outstanding int // PublishRequests on their way
	wanted      int
	lastPublish uint32
	acks        []*ua.SubscriptionAcknowledgement
	publication uabinary.Publication
	held        heldValues
	begun       bool
}

// subscription is one subscription at the server: the items of one scan class.
type subscription struct {
	id       uint32
	class    int
	interval time.Duration // as the server revised it
	patience time.Duration // without any message
	heard    time.Time     // of its last message or keep-alive
	emptied  uint32        // the last PublishRequest that was answered with all that there was to say
	next     uint32        // sequence number expected, 0 before the first message
}

// newSubscriber has room for the answers of as many PublishRequests as there can be.
func newSubscriber(c *conn) *subscriber {
	return &subscriber{conn: c, answers: make(chan channel.Answer, len(c.classes)+morePublishes)}
}

// errBegun is a second Subscribe on one connection.
var errBegun = errors.New("this connection has subscribed before; open a new one")

// Subscribe reads every point once, then yields what the server reports; see drivers.Subscriber.
//
// The order matters: every monitored item begins with its present value, so a value that changes after it was read and
// before its item exists is reported all the same, and none comes after a newer one.
func (s *subscriber) Subscribe(ctx context.Context, yield func(*drivers.Block)) error {
	inner, stop := s.during(ctx)
	defer stop()
	if s.begun {
		return s.ended(inner, "subscribe to nodes", errBegun)
	}
	s.begun = true
	for n := range s.classes {
		if err := s.Poll(inner, n, yield); err != nil {
			return s.end(ctx, inner, err)
		}
	}
	for n, cl := range s.classes {
		if cl.to == cl.from {
			continue
		}
		if err := s.create(inner, n, yield); err != nil {
			return s.end(ctx, inner, err)
		}
	}
	if len(s.subs) == 0 {
		<-inner.Done()
		return s.end(ctx, inner, inner.Err())
	}
	return s.end(ctx, inner, s.follow(inner, yield))
}

// end returns nil when the caller's context ended, or the cause.
func (s *subscriber) end(ctx, inner context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	if _, ok := errors.AsType[*drivers.Error](err); ok {
		return err
	}
	return s.ended(inner, "subscribe to nodes", err)
}

// create makes the subscription of a class and its items.
func (s *subscriber) create(ctx context.Context, n int, yield func(*drivers.Block)) error {
	interval := s.o.PublishInterval
	if interval == 0 {
		interval = max(s.src.device.Classes[n].Period, minInterval)
	}
	resp, err := timed[*ua.CreateSubscriptionResponse](ctx, s.conn, &ua.CreateSubscriptionRequest{
		RequestedPublishingInterval: float64(interval) / float64(time.Millisecond),
		RequestedLifetimeCount:      max(minKeepAlives*s.o.KeepAliveCount, uint32(sessionTimeout/interval)),
		RequestedMaxKeepAliveCount:  s.o.KeepAliveCount,
		MaxNotificationsPerPublish:  maxNotification,
		PublishingEnabled:           true,
	})
	if err != nil {
		return fmt.Errorf("create a subscription: %w", err)
	}
	sub := &subscription{
		id:       resp.SubscriptionID,
		class:    n,
		interval: time.Duration(resp.RevisedPublishingInterval * float64(time.Millisecond)),
	}
	if sub.interval <= 0 || sub.interval > maxInterval {
		return fmt.Errorf("create a subscription: the server's publishing interval is %v ms", resp.RevisedPublishingInterval)
	}
	sub.patience = staleAfter * sub.interval * time.Duration(min(max(resp.RevisedMaxKeepAliveCount, 1), maxKeepAlive))
	sub.heard = time.Now()
	s.subs = append(s.subs, sub)
	s.wanted = len(s.subs) + morePublishes
	var items []int
	for i := s.classes[n].from; i < s.classes[n].to; i++ {
		if s.nodes[i].id != nil {
			items = append(items, i)
		}
	}
	return s.monitor(ctx, sub, items, yield)
}

// monitor makes monitored items. One that the server refuses is a bad point and stops nothing.
func (s *subscriber) monitor(ctx context.Context, sub *subscription, items []int, yield func(*drivers.Block)) error {
	for len(items) > 0 {
		part := items[:min(s.chunk, len(items))]
		err := s.monitorSome(ctx, sub, part, yield)
		if isTooLarge(err) && s.chunk > 1 {
			if err := s.halve(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("monitor %d nodes: %w", len(part), err)
		}
		items = items[len(part):]
		if err := s.pump(ctx, yield); err != nil { // a subscription that nobody asks for messages ends
			return err
		}
	}
	return nil
}

// pump keeps PublishRequests at the server and takes the answers that are there.
func (s *subscriber) pump(ctx context.Context, yield func(*drivers.Block)) error {
	for {
		for s.outstanding < s.wanted {
			if err := s.publish(ctx); err != nil {
				return err
			}
		}
		select {
		case a := <-s.answers:
			s.outstanding--
			if err := s.take(ctx, a, yield); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *subscriber) monitorSome(ctx context.Context, sub *subscription, items []int, yield func(*drivers.Block)) error {
	sampling := s.o.SamplingInterval
	if sampling == 0 {
		sampling = sub.interval
	}
	req := &ua.CreateMonitoredItemsRequest{SubscriptionID: sub.id, TimestampsToReturn: ua.TimestampsToReturnSource}
	for _, i := range items {
		req.ItemsToCreate = append(req.ItemsToCreate, &ua.MonitoredItemCreateRequest{
			ItemToMonitor:  &ua.ReadValueID{NodeID: s.nodes[i].id, AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}},
			MonitoringMode: ua.MonitoringModeReporting,
			RequestedParameters: &ua.MonitoringParameters{
				ClientHandle: uint32(i), SamplingInterval: float64(sampling) / float64(time.Millisecond), QueueSize: s.o.QueueSize, DiscardOldest: true,
			},
		})
	}
	resp, err := timed[*ua.CreateMonitoredItemsResponse](ctx, s.conn, req)
	if err != nil {
		return err
	}
	if len(resp.Results) != len(items) {
		return fmt.Errorf("the server gave %d results", len(resp.Results))
	}
	s.block.Reset(s.src.device.Clock.Mono())
	for k, i := range items {
		n, r := &s.nodes[i], resp.Results[k]
		if r == nil {
			return errors.New("a result is missing")
		}
		n.itemID = r.MonitoredItemID
		n.unknown = false
		if uint32(r.StatusCode)>>31 == 1 {
			n.itemID = 0
			s.add(n, reading{quality: point.Quality(uint32(r.StatusCode) &^ infoBits)})
			n.unknown = true
		}
	}
	s.flush(yield)
	return nil
}

// timed makes a call that takes at most the device's timeout.
func timed[T ua.Response](ctx context.Context, c *conn, req ua.Request) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	return call[T](ctx, c.sess.ch, c.sess.auth, req)
}

// follow yields what comes, until something ends it.
func (s *subscriber) follow(ctx context.Context, yield func(*drivers.Block)) error {
	resync := time.NewTimer(s.o.Resync)
	defer resync.Stop()
	watch := time.NewTimer(s.patience())
	defer watch.Stop()
	for {
		if err := s.pump(ctx, yield); err != nil {
			return err
		}
		select {
		case a := <-s.answers:
			s.outstanding--
			if err := s.take(ctx, a, yield); err != nil {
				return err
			}
		case <-resync.C:
			doubtful, err := s.resync(ctx, yield)
			if err != nil {
				return err
			}
			resync.Reset(s.untilResync(doubtful))
		case <-watch.C:
			if err := s.stale(); err != nil {
				return err
			}
			watch.Reset(s.patience())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// untilResync returns when to resync again: soon, if something is in doubt.
func (s *subscriber) untilResync(doubtful bool) time.Duration {
	d := s.o.Resync
	if !doubtful {
		return d
	}
	soon := minResync
	for _, sub := range s.subs {
		soon = max(soon, s.settling(sub))
	}
	return min(d, soon)
}

// patience returns how long it is until a subscription may be dead.
func (s *subscriber) patience() time.Duration {
	least := maxInterval
	for _, sub := range s.subs {
		least = min(least, time.Until(sub.heard.Add(sub.patience)))
	}
	return max(least, time.Millisecond)
}

// stale returns an error when a subscription is dead: whatever the connection says, only messages count.
func (s *subscriber) stale() error {
	if len(s.answers) > 0 {
		return nil // somebody spoke while we were busy
	}
	for _, sub := range s.subs {
		if age := time.Since(sub.heard); age >= sub.patience {
			return fmt.Errorf("the server has been silent for %v, a sign of life is due every %v",
				age.Round(time.Millisecond), sub.patience/staleAfter)
		}
	}
	return nil
}

// publish asks the server for its next message, and tells it which ones have come.
func (s *subscriber) publish(ctx context.Context) error {
	r, err := channel.Encode(&ua.PublishRequest{SubscriptionAcknowledgements: s.acks})
	if err != nil {
		return err
	}
	s.acks = nil
	send, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	id, err := s.sess.ch.Send(send, r, s.sess.auth, s.longest(), s.answers)
	if err != nil {
		return fmt.Errorf("ask for messages: %w", err)
	}
	s.lastPublish = id
	s.outstanding++
	return nil
}

// longest returns how long the server may leave a PublishRequest without an answer.
func (s *subscriber) longest() time.Duration {
	var d time.Duration
	for _, sub := range s.subs {
		d = max(d, sub.patience)
	}
	return d
}
