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
)

// maxRepublish is how many lost messages are asked for again; beyond it everything is read instead.
const maxRepublish = 100

// take handles the answer to a PublishRequest.
func (s *subscriber) take(ctx context.Context, a channel.Answer, yield func(*drivers.Block)) error {
	if a.Err != nil {
		return a.Err
	}
	p := &s.publication
	// Whether a message is missing before this one is known only when it is decoded; its values wait for it.
	s.held.reset()
	if err := uabinary.Publish(a.Body, p, s.held.add); err != nil {
		return fmt.Errorf("a message of the server: %w", err)
	}
	if done, err := s.refusal(p); done {
		return err
	}
	sub := s.find(p.Subscription)
	if sub == nil {
		return fmt.Errorf("a message came for subscription %d, which is not ours", p.Subscription)
	}
	sub.heard = time.Now()
	if sub.next != 0 && p.Sequence != sub.next {
		if int32(p.Sequence-sub.next) < 0 {
			if p.KeepAlive {
				return nil // some servers repeat the last number here instead of telling the next
			}
			return fmt.Errorf("message %d came where %d is due", p.Sequence, sub.next)
		}
		if err := s.recover(ctx, sub, p.Sequence, yield); err != nil {
			return err
		}
	}
	sub.next = p.Sequence
	if p.KeepAlive {
		return nil
	}
	sub.next = after(p.Sequence)
	s.acks = append(s.acks, &ua.SubscriptionAcknowledgement{SubscriptionID: sub.id, SequenceNumber: p.Sequence})
	if p.HasStatusChange {
		return fmt.Errorf("the server ended a subscription: %w", ua.StatusCode(p.StatusChange))
	}
	s.deliver(&s.held, yield)
	return nil
}

func (s *subscriber) find(id uint32) *subscription {
	for _, sub := range s.subs {
		if sub.id == id {
			return sub
		}
	}
	return nil
}

// refusal handles a failed Publish service. Some failures only say that there are enough requests.
func (s *subscriber) refusal(p *uabinary.Publication) (done bool, err error) {
	if p.Header.Service>>31 == 0 {
		return false, nil
	}
	switch code := ua.StatusCode(p.Header.Service); code {
	case ua.StatusBadTooManyPublishRequests:
		if s.wanted > 1 {
			s.wanted--
			return true, nil
		}
		return true, code
	case ua.StatusBadTimeout: // the request waited longer than the server likes; liveness is judged elsewhere
		return true, nil
	default:
		return true, fmt.Errorf("the server refuses to report: %w", code)
	}
}

// after returns the sequence number that follows seq; 0 is none.
func after(seq uint32) uint32 {
	if seq++; seq == 0 {
		seq = 1
	}
	return seq
}

// heldValues keeps a message's values until it is their turn; texts alias the message.
type heldValues struct {
	handles []uint32
	values  []uabinary.DataValue
}

func (h *heldValues) reset() { h.handles, h.values = h.handles[:0], h.values[:0] }

func (h *heldValues) add(handle uint32, v *uabinary.DataValue) {
	h.handles = append(h.handles, handle)
	h.values = append(h.values, *v)
}

// deliver yields values as one block.
func (s *subscriber) deliver(h *heldValues, yield func(*drivers.Block)) {
	s.block.Reset(s.src.device.Clock.Mono())
	for k, handle := range h.handles {
		if int64(handle) >= int64(len(s.nodes)) {
			continue
		}
		n := &s.nodes[handle]
		n.healed, n.doubt = false, time.Time{}
		s.add(n, s.convert(n, &h.values[k]))
	}
	s.flush(yield)
}

// recover brings back the messages from sub.next up to seq, or, when the server no longer has them, the present values.
func (s *subscriber) recover(ctx context.Context, sub *subscription, seq uint32, yield func(*drivers.Block)) error {
	lost := seq - sub.next
	s.log.Warn("messages of a subscription are missing", "from", sub.next, "to", seq-1)
	if lost > maxRepublish {
		return s.readAll(ctx, sub.class, yield)
	}
	for next := sub.next; next != seq; next = after(next) {
		r, err := channel.Encode(&ua.RepublishRequest{SubscriptionID: sub.id, RetransmitSequenceNumber: next})
		if err != nil {
			return err
		}
		body, err := s.call(ctx, r)
		if err != nil {
			return fmt.Errorf("ask for message %d again: %w", next, err)
		}
		var (
			p    uabinary.Publication
			held heldValues
		)
		if err := uabinary.Republish(body, &p, held.add); err != nil {
			return fmt.Errorf("ask for message %d again: %w", next, err)
		}
		if p.Header.Service>>31 == 1 {
			return s.readAll(ctx, sub.class, yield)
		}
		s.acks = append(s.acks, &ua.SubscriptionAcknowledgement{SubscriptionID: sub.id, SequenceNumber: next})
		s.deliver(&held, yield)
	}
	return nil
}

func (s *subscriber) readAll(ctx context.Context, n int, yield func(*drivers.Block)) error {
	for _, r := range s.classes[n].reads {
		if err := s.read(ctx, r, yield); err != nil {
			return err
		}
	}
	return nil
}

// errDeaf is a subscription that lives and reports nothing.
var errDeaf = errors.New("values change and the subscription does not report it")

// resync reads all nodes and compares: a value that still differs from the last one reported, after it had time
// enough to be reported, was missed. Nodes that were unknown are tried again.
//
// No clock but our own is asked, and nothing is yielded at first sight: its report may be on the way, and a newer
// value must not come before an older one, least of all of a counter.
func (s *subscriber) resync(ctx context.Context, yield func(*drivers.Block)) error {
	missed, deaf := 0, false
	for _, sub := range s.subs {
		for _, r := range s.classes[sub.class].reads {
			body, err := s.call(ctx, r.request)
			if err != nil {
				return fmt.Errorf("resync: %w", err)
			}
			s.block.Reset(s.src.device.Clock.Mono())
			_, err = s.eachRead(body, r, func(n *monitored, v *uabinary.DataValue) {
				if got := s.convert(n, v); s.wasMissed(sub, n, &got) {
					missed++
					deaf = deaf || n.healed
					n.healed = true
					s.add(n, got)
				}
			})
			if err != nil {
				return fmt.Errorf("resync: %w", err)
			}
			s.flush(yield)
		}
		if err := s.retry(ctx, sub, yield); err != nil {
			return fmt.Errorf("resync: %w", err)
		}
	}
	if missed > 0 {
		s.log.Warn("values had changed without a report", "points", missed)
	}
	if deaf {
		return errDeaf
	}
	return nil
}

// wasMissed reports whether a value that was read should have been reported long ago.
func (s *subscriber) wasMissed(sub *subscription, n *monitored, got *reading) bool {
	switch {
	case n.unknown || same(got, &n.last): // one that is back gets a new monitored item, which begins with its value
		n.doubt = time.Time{}
		return false
	case n.doubt.IsZero():
		n.doubt = time.Now()
		return false
	case time.Since(n.doubt) < staleAfter*max(sub.interval, s.o.SamplingInterval):
		return false
	}
	n.doubt = time.Time{}
	return true
}

func same(a, b *reading) bool { return a.quality == b.quality && a.bits == b.bits && a.text == b.text }

// retry makes the monitored items anew of nodes that were unknown.
func (s *subscriber) retry(ctx context.Context, sub *subscription, yield func(*drivers.Block)) error {
	var (
		items []int
		old   []uint32
	)
	for i := s.classes[sub.class].from; i < s.classes[sub.class].to; i++ {
		n := &s.nodes[i]
		if !n.unknown || n.id == nil {
			continue
		}
		items = append(items, i)
		if n.itemID != 0 {
			old = append(old, n.itemID)
		}
	}
	for len(old) > 0 {
		part := old[:min(len(old), s.chunk)]
		_, err := timed[*ua.DeleteMonitoredItemsResponse](ctx, s.conn, &ua.DeleteMonitoredItemsRequest{SubscriptionID: sub.id, MonitoredItemIDs: part})
		if err != nil {
			return err
		}
		old = old[len(part):]
	}
	return s.monitor(ctx, sub, items, yield)
}
