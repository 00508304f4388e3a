package opcua

import (
	"context"
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
	if p.KeepAlive || !p.More {
		sub.emptied = a.ID
	}
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
	s.deliver(sub, &s.held, yield)
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

// deliver yields values as one block. The server took them up to a sampling and a publishing interval ago.
func (s *subscriber) deliver(sub *subscription, h *heldValues, yield func(*drivers.Block)) {
	now := s.src.device.Clock.Mono()
	s.block.Reset(now)
	s.block.Asked = now - int64(sub.interval+max(sub.interval, s.o.SamplingInterval))
	for k, handle := range h.handles {
		if int64(handle) >= int64(len(s.nodes)) {
			continue
		}
		n := &s.nodes[handle]
		n.healed, n.doubt = false, doubt{}
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
		if p.Header.Service>>31 == 1 || p.Sequence != next { // some servers answer well, with an empty message
			return s.readAll(ctx, sub.class, yield)
		}
		s.acks = append(s.acks, &ua.SubscriptionAcknowledgement{SubscriptionID: sub.id, SequenceNumber: next})
		s.deliver(sub, &held, yield)
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
