package broker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/wire"
)

// takeoverPatience is how long a new connection waits for the end of the older one with its client id.
const takeoverPatience = 5 * time.Second

// hook is where mochi asks what a client may do, and tells what it did.
type hook struct {
	mochi.HookBase
	options  *Options
	limits   Limits
	registry *registry
	listener *listener
	closing  atomic.Bool

	received, bytes, dropped atomic.Uint64

	mu       sync.Mutex
	retained map[identity.ID]*retained
}

// retained is what one gateway has retained: bytes by topic.
type retained struct {
	topics map[string]int
	bytes  int
}

// ID implements mochi.Hook.
func (h *hook) ID() string { return "courtside" }

// Provides implements mochi.Hook.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPacketRead, mochi.OnSubscribe, mochi.OnSubscribed,
		mochi.OnPublish, mochi.OnPublishDropped, mochi.OnWill, mochi.OnWillSent:
		return true
	}
	return false
}

// connOf returns a client's connection; nil for the aggregator itself.
func connOf(cl *mochi.Client) *conn {
	c, _ := cl.Net.Conn.(*conn)
	return c
}

// OnConnectAuthenticate implements mochi.Hook: the handshake has shown who it is, the CONNECT must agree.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	c := connOf(cl)
	if c == nil {
		return false
	}
	if reason, why := h.judge(c, cl, pk); reason != "" {
		h.listener.refuse(c, reason, why)
		return false
	}
	if reason := h.registry.claim(c, cl.ID, takeoverPatience); reason != "" {
		h.listener.refuse(c, reason, "client id "+cl.ID)
		return false
	}
	cl.Properties.Clean = true // whatever it asked for: sessions are not kept
	c.spoke.Store(true)
	return true
}

// judge returns why a CONNECT is refused, or two empty strings. It completes an empty client id.
func (h *hook) judge(c *conn, cl *mochi.Client, pk packets.Packet) (reason, why string) {
	if pk.ProtocolVersion != 4 {
		return reasonProtocol, fmt.Sprintf("protocol version %d; MQTT 3.1.1 is served", pk.ProtocolVersion)
	}
	if pk.Connect.ClientIdentifier == "" && c.id.Role != identity.Gateway {
		cl.ID = c.id.ClientID() + ":" + cl.ID // mochi has drawn one
	}
	if !mayBeClient(c.id, cl.ID) {
		return reasonClientID, fmt.Sprintf("client id %.80q; %s is its own", cl.ID, c.id.ClientID())
	}
	if pk.Connect.WillFlag && (!mayWill(c.id, pk.Connect.WillTopic) || pk.Connect.WillQos > 1) {
		return reasonWill, fmt.Sprintf("will on %.80q", pk.Connect.WillTopic)
	}
	if c.id.Role == identity.Gateway && h.options.Admit != nil {
		if err := h.options.Admit(c.id); err != nil {
			return reasonUnknown, err.Error()
		}
	}
	return "", ""
}

// OnPacketRead implements mochi.Hook: whatever is refused here ends the connection, and its will is announced.
func (h *hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	c := connOf(cl)
	if c == nil {
		return pk, nil
	}
	if reason, why := h.inspect(c, pk); reason != "" {
		h.listener.refuse(c, reason, why)
		return pk, packets.ErrRejectPacket
	}
	return pk, nil
}

func (h *hook) inspect(c *conn, pk packets.Packet) (reason, why string) {
	now := h.options.Now()
	if !c.messages.take(1, now) || !c.bytes.take(float64(pk.FixedHeader.Remaining), now) {
		return reasonRate, "more than its share of messages or bytes"
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		switch {
		case !mayPublish(c.id, pk.TopicName):
			return reasonPublish, fmt.Sprintf("publish to %.120q", pk.TopicName)
		case pk.FixedHeader.Qos > 1:
			return reasonQoS, "publish with QoS 2; 0 and 1 are served"
		case pk.FixedHeader.Retain && !mayRetain(c.id, pk.TopicName):
			return reasonRetain, fmt.Sprintf("retained publish to %.120q", pk.TopicName)
		case pk.FixedHeader.Retain && !h.retain(c.id, pk.TopicName, len(pk.Payload)):
			return reasonRetained, "more retained topics or bytes than its share"
		}
	case packets.Subscribe:
		if c.filters += len(pk.Filters); c.filters > h.limits.MaxSubscriptions {
			return reasonSubscriptions, "more subscriptions than its share"
		}
	}
	return "", ""
}

// retain takes a retained message into its gateway's account, and reports whether it may be.
func (h *hook) retain(id identity.ID, topic string, size int) bool {
	if id.Role != identity.Gateway {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.retained[id]
	if r == nil {
		r = &retained{topics: map[string]int{}}
		h.retained[id] = r
	}
	before, known := r.topics[topic]
	if size == 0 {
		r.bytes -= before
		delete(r.topics, topic)
		return true
	}
	if (!known && len(r.topics) >= h.limits.MaxRetainedTopics) || r.bytes-before+size > h.limits.MaxRetainedBytes {
		return false
	}
	r.topics[topic] = size
	r.bytes += size - before
	return true
}

// OnACLCheck implements mochi.Hook. Publishes were inspected when they were read; this is for subscriptions, and
// for each message that is about to be delivered.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	c := connOf(cl)
	if c == nil {
		return false
	}
	if write {
		return mayPublish(c.id, topic)
	}
	return mayRead(c.id, topic)
}

// OnSubscribe implements mochi.Hook: everything is granted with QoS 0.
func (h *hook) OnSubscribe(_ *mochi.Client, pk packets.Packet) packets.Packet {
	for i := range pk.Filters {
		pk.Filters[i].Qos = 0
	}
	return pk
}

// OnSubscribed implements mochi.Hook.
func (h *hook) OnSubscribed(cl *mochi.Client, pk packets.Packet, codes []byte) {
	c := connOf(cl)
	if c == nil {
		return
	}
	for i, code := range codes {
		if code >= packets.ErrUnspecifiedError.Code && i < len(pk.Filters) {
			h.listener.refusals.note(reasonSubscribe, c.id.String(), fmt.Sprintf("subscription to %.120q", pk.Filters[i].Filter))
		}
	}
}

// OnPublish implements mochi.Hook. The PUBACK follows when it returns.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if c := connOf(cl); c != nil {
		h.deliver(c, pk)
	}
	return pk, nil
}

// OnWill implements mochi.Hook: a gateway that came back, or that this end left, is not dead.
func (h *hook) OnWill(cl *mochi.Client, will mochi.Will) (mochi.Will, error) {
	if c := connOf(cl); c == nil || c.superseded.Load() || h.closing.Load() {
		return mochi.Will{}, nil // without a topic it reaches nobody
	}
	return will, nil
}

// OnWillSent implements mochi.Hook: wills do not pass OnPublish.
func (h *hook) OnWillSent(cl *mochi.Client, pk packets.Packet) {
	if c := connOf(cl); c != nil && pk.TopicName != "" {
		h.deliver(c, pk)
	}
}

// deliver hands a gateway's message to the handler.
func (h *hook) deliver(c *conn, pk packets.Packet) {
	if c.id.Role != identity.Gateway {
		return
	}
	topic, err := wire.ParseTopic(pk.TopicName)
	if err != nil { // inspected before; a fault of this package
		h.options.Log.Error("a message passed the rules and has no topic", "client", c.id.String(), "err", err)
		return
	}
	h.received.Add(1)
	h.bytes.Add(uint64(len(pk.Payload)))
	h.options.Handler(Message{Topic: topic, Payload: pk.Payload, Received: h.options.Now()})
}

// OnPublishDropped implements mochi.Hook.
func (h *hook) OnPublishDropped(*mochi.Client, packets.Packet) { h.dropped.Add(1) }
