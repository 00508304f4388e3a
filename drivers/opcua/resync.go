package opcua

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/uabinary"
)

// errDeaf is a subscription that lives and reports nothing.
var errDeaf = errors.New("values change and the subscription does not report it")

// doubt is the suspicion that the change of a value was not reported.
type doubt struct {
	since time.Time // zero for none
	gated bool
	gate  uint32 // the last PublishRequest when the doubt was long enough to be serious
}

// resync reads all nodes and compares: a value that goes on differing from the last one reported was missed. Nodes
// that were unknown are tried again. It reports whether there is a doubt, so that the next resync should be soon.
//
// Nothing is yielded at first sight. A report may be on the way, and a newer value must not come before an older one, least of all
// of a counter. So a value is taken from here only when its change is older than any sampling, and a
// later PublishRequest was then answered with all that the server had to say, and that did not include it.
func (s *subscriber) resync(ctx context.Context, yield func(*drivers.Block)) (doubtful bool, err error) {
	missed, deaf := 0, false
	for _, sub := range s.subs {
		for _, r := range s.classes[sub.class].reads {
			asked := s.src.device.Clock.Mono()
			body, err := s.call(ctx, r.request)
			if err != nil {
				return false, fmt.Errorf("resync: %w", err)
			}
			s.block.Reset(s.src.device.Clock.Mono())
			s.block.Asked = asked
			_, err = s.eachRead(body, r, func(n *monitored, v *uabinary.DataValue) {
				if got := s.convert(n, v); s.wasMissed(sub, n, &got) {
					missed++
					deaf = deaf || n.healed
					n.healed = true
					s.add(n, got)
				}
				doubtful = doubtful || !n.doubt.since.IsZero()
			})
			if err != nil {
				return false, fmt.Errorf("resync: %w", err)
			}
			s.flush(yield)
		}
		if err := s.retry(ctx, sub, yield); err != nil {
			return false, fmt.Errorf("resync: %w", err)
		}
	}
	if missed > 0 {
		s.log.Warn("values had changed without a report", "points", missed)
	}
	if deaf {
		return false, errDeaf
	}
	return doubtful, nil
}

// wasMissed reports whether a value that was read should have been reported before.
func (s *subscriber) wasMissed(sub *subscription, n *monitored, got *reading) bool {
	d := &n.doubt
	switch {
	case n.unknown || same(got, &n.last): // one that is back gets a new monitored item, which begins with its value
		*d = doubt{}
	case d.since.IsZero():
		d.since = time.Now()
	case time.Since(d.since) < s.settling(sub):
	case !d.gated:
		d.gated, d.gate = true, s.lastPublish
	case int32(sub.emptied-d.gate) > 0:
		*d = doubt{}
		return true
	}
	return false
}

// settling returns how long a change may take until it waits to be reported.
func (s *subscriber) settling(sub *subscription) time.Duration {
	return staleAfter * max(sub.interval, s.o.SamplingInterval)
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
