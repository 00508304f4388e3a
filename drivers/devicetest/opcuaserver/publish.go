package opcuaserver

import (
	"time"

	"github.com/gopcua/opcua/ua"
)

// publish queues a PublishRequest and settles its acknowledgements; s.mu is held.
func (c *connection) publish(sess *session, req *ua.PublishRequest, id uint32) (ua.Response, error) {
	s := c.run.srv
	s.counts.Publishes++
	results := make([]ua.StatusCode, len(req.SubscriptionAcknowledgements))
	for i, a := range req.SubscriptionAcknowledgements {
		results[i] = s.acknowledged(a)
	}
	owned := false
	for _, sub := range s.subs {
		owned = owned || sub.owner == sess
	}
	switch {
	case !owned:
		return nil, ua.StatusBadNoSubscription
	case len(sess.publishes) >= maxPublishes:
		return nil, ua.StatusBadTooManyPublishRequests
	}
	sess.publishes = append(sess.publishes, publish{conn: c, req: req, id: id, results: results})
	return nil, nil
}

func (s *Server) acknowledged(a *ua.SubscriptionAcknowledgement) ua.StatusCode {
	sub := s.subs[a.SubscriptionID]
	if sub == nil {
		return ua.StatusBadSubscriptionIDInvalid
	}
	for i, m := range sub.sent {
		if m.SequenceNumber == a.SequenceNumber {
			sub.sent = append(sub.sent[:i], sub.sent[i+1:]...)
			return ua.StatusOK
		}
	}
	return ua.StatusBadSequenceNumberUnknown
}

// republish sends a message that the client missed once more; s.mu is held.
func (s *Server) republish(sess *session, req *ua.RepublishRequest) (ua.Response, error) {
	s.counts.Republishes++
	sub := s.subs[req.SubscriptionID]
	if sub == nil || sub.owner != sess {
		return nil, ua.StatusBadSubscriptionIDInvalid
	}
	if s.manner == Forgetful {
		return &ua.RepublishResponse{ResponseHeader: header(req, ua.StatusOK), NotificationMessage: &ua.NotificationMessage{}}, nil
	}
	for _, m := range sub.sent {
		if m.SequenceNumber == req.RetransmitSequenceNumber {
			return &ua.RepublishResponse{ResponseHeader: header(req, ua.StatusOK), NotificationMessage: m}, nil
		}
	}
	return nil, ua.StatusBadMessageNotAvailable
}

// runSubscription publishes at every interval until the subscription or the server ends.
func (s *Server) runSubscription(run *listening, sub *subscription) {
	t := time.NewTicker(sub.interval)
	defer t.Stop()
	for {
		select {
		case <-run.ctx.Done():
			return
		case <-sub.done:
			return
		case <-t.C:
		}
		for s.tick(sub) {
		}
	}
}

// tick sends one message if there is something to say and somebody who asked. It reports whether more waits.
func (s *Server) tick(sub *subscription) (more bool) {
	s.mu.Lock()
	if !s.mayPublish(sub) {
		s.mu.Unlock()
		return false
	}
	if sub.ending {
		return s.farewell(sub)
	}
	var data []*ua.MonitoredItemNotification
	if s.manner != Mute {
		data, more = sub.take()
	}
	message := &ua.NotificationMessage{SequenceNumber: sub.seq + 1, PublishTime: time.Now(), NotificationData: []*ua.ExtensionObject{}}
	if len(data) > 0 {
		sub.seq++
		eo := ua.NewExtensionObject(&ua.DataChangeNotification{MonitoredItems: data, DiagnosticInfos: []*ua.DiagnosticInfo{}})
		eo.UpdateMask()
		message.NotificationData = append(message.NotificationData, eo)
		sub.sent = append(sub.sent, message)
		if len(sub.sent) > maxSent {
			sub.sent = sub.sent[1:]
		}
		if s.manner == Skip {
			s.counts.Skipped++
			s.mu.Unlock()
			return false
		}
	}
	p := sub.owner.publishes[0]
	sub.owner.publishes = sub.owner.publishes[1:]
	sub.quiet, sub.unanswered, sub.begun = 0, 0, true
	resp := &ua.PublishResponse{
		ResponseHeader:           header(p.req, ua.StatusOK),
		SubscriptionID:           sub.id,
		AvailableSequenceNumbers: available(sub),
		MoreNotifications:        more,
		NotificationMessage:      message,
		Results:                  p.results,
		DiagnosticInfos:          []*ua.DiagnosticInfo{},
	}
	s.mu.Unlock()
	p.conn.send(p.id, resp)
	return more
}

// farewell ends a subscription with a message that says so; s.mu is held, and given back.
func (s *Server) farewell(sub *subscription) (more bool) {
	p := sub.owner.publishes[0]
	sub.owner.publishes = sub.owner.publishes[1:]
	sub.seq++
	eo := ua.NewExtensionObject(&ua.StatusChangeNotification{Status: ua.StatusBadTimeout, DiagnosticInfo: &ua.DiagnosticInfo{}})
	eo.UpdateMask()
	sub.stop()
	delete(s.subs, sub.id)
	s.mu.Unlock()
	p.conn.send(p.id, &ua.PublishResponse{
		ResponseHeader:           header(p.req, ua.StatusOK),
		SubscriptionID:           sub.id,
		AvailableSequenceNumbers: []uint32{},
		NotificationMessage:      &ua.NotificationMessage{SequenceNumber: sub.seq, PublishTime: time.Now(), NotificationData: []*ua.ExtensionObject{eo}},
		Results:                  p.results,
		DiagnosticInfos:          []*ua.DiagnosticInfo{},
	})
	return false
}

// mayPublish counts an interval and reports whether a message is due and can go out; s.mu is held.
func (s *Server) mayPublish(sub *subscription) bool {
	select {
	case <-s.gate:
	default:
		return false
	}
	if sub.stopped {
		return false
	}
	sub.quiet++
	waiting := sub.pending > 0 && s.manner != Mute || sub.ending
	if !waiting && sub.begun && sub.quiet < sub.keepAlive {
		return false
	}
	if len(sub.owner.publishes) > 0 {
		return true
	}
	if sub.unanswered++; sub.unanswered > sub.life {
		sub.stop()
		delete(s.subs, sub.id)
	}
	return false
}

// take returns the notifications of one message and whether others wait; s.mu is held.
func (sub *subscription) take() (data []*ua.MonitoredItemNotification, more bool) {
	for _, i := range sub.items {
		for len(i.queue) > 0 {
			if len(data) == sub.most {
				return data, true
			}
			v := i.queue[0]
			i.queue = i.queue[1:]
			sub.pending--
			data = append(data, &ua.MonitoredItemNotification{ClientHandle: i.handle, Value: &v})
		}
	}
	return data, false
}

func available(sub *subscription) []uint32 {
	seqs := make([]uint32, len(sub.sent))
	for i, m := range sub.sent {
		seqs[i] = m.SequenceNumber
	}
	return seqs
}
