package opcuaserver

import (
	"time"

	"github.com/gopcua/opcua/ua"
)

// Limits of what a client may ask for.
const (
	minInterval    = 10 * time.Millisecond
	maxQueue       = 1000 // values an item holds back; the oldest go first
	maxSent        = 100  // messages a subscription keeps for Republish
	maxPublishes   = 50   // PublishRequests a session may have waiting
	overflowBits   = 0x00000480
	defaultMessage = 1000 // notifications a message, when the client sets no limit
)

// publish is a PublishRequest that waits for its answer.
type publish struct {
	conn    *connection
	req     *ua.PublishRequest
	id      uint32
	results []ua.StatusCode
}

func (p publish) refuse(status ua.StatusCode) {
	p.conn.send(p.id, &ua.ServiceFault{ResponseHeader: header(p.req, status)})
}

// subscription is one subscription. Server.mu guards it; its goroutine belongs to the listening that made it.
type subscription struct {
	id                uint32
	owner             *session
	interval          time.Duration
	keepAlive, life   uint32 // in intervals
	most              int    // notifications a message
	items             []*item
	pending           int    // values queued by the items
	seq               uint32 // of the last message
	sent              []*ua.NotificationMessage
	quiet, unanswered uint32 // intervals without a message, without a PublishRequest
	begun             bool   // the first message was sent
	done              chan struct{}
	stopped           bool
	ending            bool // the next message says that it ends
}

// item is one monitored item.
type item struct {
	sub        *subscription
	id, handle uint32
	key        string
	size       int
	queue      []ua.DataValue
	deleted    bool
}

func (i *item) push(v ua.DataValue) {
	if len(i.queue) >= i.size {
		i.queue = i.queue[1:]
		i.sub.pending--
		v.Status |= overflowBits
		v.EncodingMask |= ua.DataValueStatusCode
	}
	i.queue = append(i.queue, v)
	i.sub.pending++
}

// stop ends the subscription's goroutine; s.mu is held.
func (sub *subscription) stop() {
	if !sub.stopped {
		sub.stopped = true
		close(sub.done)
	}
}

// notify queues the value of a node wherever it is monitored; s.mu is held.
func (s *Server) notify(key string) {
	items := s.watch[key]
	kept := items[:0]
	for _, i := range items {
		if i.deleted || i.sub.stopped {
			continue
		}
		i.push(s.read(key))
		kept = append(kept, i)
	}
	if len(kept) == 0 {
		delete(s.watch, key)
		return
	}
	s.watch[key] = kept
}

func (c *connection) createSubscription(sess *session, req *ua.CreateSubscriptionRequest) (ua.Response, error) {
	s := c.run.srv
	sub := &subscription{
		id:        s.newID(),
		owner:     sess,
		interval:  max(time.Duration(req.RequestedPublishingInterval*float64(time.Millisecond)), minInterval),
		keepAlive: max(req.RequestedMaxKeepAliveCount, 1),
		most:      int(min(req.MaxNotificationsPerPublish, 1<<20)),
		done:      make(chan struct{}),
	}
	sub.life = max(req.RequestedLifetimeCount, 3*sub.keepAlive)
	if sub.most == 0 {
		sub.most = defaultMessage
	}
	s.subs[sub.id] = sub
	c.run.wg.Go(func() { s.runSubscription(c.run, sub) })
	return &ua.CreateSubscriptionResponse{
		ResponseHeader:            header(req, ua.StatusOK),
		SubscriptionID:            sub.id,
		RevisedPublishingInterval: float64(sub.interval) / float64(time.Millisecond),
		RevisedLifetimeCount:      sub.life,
		RevisedMaxKeepAliveCount:  sub.keepAlive,
	}, nil
}

func (s *Server) deleteSubscriptions(sess *session, req *ua.DeleteSubscriptionsRequest) (ua.Response, error) {
	results := make([]ua.StatusCode, len(req.SubscriptionIDs))
	for i, id := range req.SubscriptionIDs {
		sub := s.subs[id]
		if sub == nil || sub.owner != sess {
			results[i] = ua.StatusBadSubscriptionIDInvalid
			continue
		}
		sub.stop()
		delete(s.subs, id)
	}
	return &ua.DeleteSubscriptionsResponse{ResponseHeader: header(req, ua.StatusOK), Results: results}, nil
}

func (s *Server) transferSubscriptions(sess *session, req *ua.TransferSubscriptionsRequest) (ua.Response, error) {
	results := make([]*ua.TransferResult, len(req.SubscriptionIDs))
	for i, id := range req.SubscriptionIDs {
		sub := s.subs[id]
		if sub == nil {
			results[i] = &ua.TransferResult{StatusCode: ua.StatusBadSubscriptionIDInvalid}
			continue
		}
		sub.owner = sess
		results[i] = &ua.TransferResult{AvailableSequenceNumbers: available(sub)}
	}
	return &ua.TransferSubscriptionsResponse{ResponseHeader: header(req, ua.StatusOK), Results: results}, nil
}

func (s *Server) createMonitoredItems(sess *session, req *ua.CreateMonitoredItemsRequest) (ua.Response, error) {
	sub := s.subs[req.SubscriptionID]
	if sub == nil || sub.owner != sess {
		return nil, ua.StatusBadSubscriptionIDInvalid
	}
	if most := s.opts.MaxItemsPerCall; most > 0 && len(req.ItemsToCreate) > most {
		return nil, ua.StatusBadTooManyOperations
	}
	results := make([]*ua.MonitoredItemCreateResult, len(req.ItemsToCreate))
	for n, r := range req.ItemsToCreate {
		key := r.ItemToMonitor.NodeID.String()
		if s.nodes[key] == nil {
			results[n] = &ua.MonitoredItemCreateResult{StatusCode: ua.StatusBadNodeIDUnknown, FilterResult: ua.NewExtensionObject(nil)}
			continue
		}
		i := &item{
			sub:    sub,
			id:     s.newID(),
			handle: r.RequestedParameters.ClientHandle,
			key:    key,
			size:   int(min(max(r.RequestedParameters.QueueSize, 1), maxQueue)),
		}
		i.push(s.read(key))
		sub.items = append(sub.items, i)
		s.watch[key] = append(s.watch[key], i)
		results[n] = &ua.MonitoredItemCreateResult{
			MonitoredItemID:         i.id,
			RevisedSamplingInterval: r.RequestedParameters.SamplingInterval,
			RevisedQueueSize:        uint32(i.size),
			FilterResult:            ua.NewExtensionObject(nil),
		}
	}
	return &ua.CreateMonitoredItemsResponse{ResponseHeader: header(req, ua.StatusOK), Results: results}, nil
}

func (s *Server) deleteMonitoredItems(sess *session, req *ua.DeleteMonitoredItemsRequest) (ua.Response, error) {
	sub := s.subs[req.SubscriptionID]
	if sub == nil || sub.owner != sess {
		return nil, ua.StatusBadSubscriptionIDInvalid
	}
	results := make([]ua.StatusCode, len(req.MonitoredItemIDs))
	for n, id := range req.MonitoredItemIDs {
		results[n] = ua.StatusBadMonitoredItemIDInvalid
		for k, i := range sub.items {
			if i.id == id {
				i.deleted = true
				sub.pending -= len(i.queue)
				sub.items = append(sub.items[:k], sub.items[k+1:]...)
				results[n] = ua.StatusOK
				break
			}
		}
	}
	return &ua.DeleteMonitoredItemsResponse{ResponseHeader: header(req, ua.StatusOK), Results: results}, nil
}
