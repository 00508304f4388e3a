package uplink

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// notary is a judge to whom a signature is right when it is the digest itself.
type notary struct {
	life  Voucher
	learn chan string
}

var errForged = errors.New("forged")

func (n *notary) Learn(status []byte) error {
	select {
	case n.learn <- string(status):
	default:
	}
	if string(status) == "garbage" {
		return errForged
	}
	return nil
}

func (n *notary) Verify(topic string, payload []byte) (Voucher, error) {
	body, trailer, signed, err := wire.SplitTrailer(payload)
	if err != nil {
		return Voucher{}, err
	}
	if !signed {
		return Voucher{}, ErrUnsigned
	}
	digest := wire.SigningDigest(topic, body)
	if !bytes.Equal(trailer.Signature, digest[:]) {
		return Voucher{}, errForged
	}
	v := n.life
	v.Signed = true
	return v, nil
}

// seal signs a payload as the notary wants it.
func seal(topic string, payload []byte) []byte {
	digest := wire.SigningDigest(topic, payload)
	return wire.AppendTrailer(payload, wire.Trailer{Signature: digest[:]})
}

const ackTopic, cmdTopic = "courtside/1/dal-001/gw/gw-north/ack", "courtside/1/dal-001/gw/gw-north/cmd"

// guarded starts an uplink over a broker that is not the aggregator's own, to a cloud that says only what the test says.
func guarded(t *testing.T, change func(*Options)) (*rig, *cloud, *notary) {
	c := newCloud()
	c.silent = true
	n := &notary{learn: make(chan string, 10), life: Voucher{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}}
	r := start(t, c, func(o *Options) {
		o.Judge = func(Session) Judge { return n }
		if change != nil {
			change(o)
		}
	})
	synctest.Wait()
	return r, c, n
}

// hear delivers a payload and waits until it was taken in.
func (c *cloud) hear(ch wire.Channel, payload []byte) {
	c.set(func() { c.sessions[len(c.sessions)-1].deliver(ch, payload) })
	synctest.Wait()
}

func durable(id point.BatchID, incarnation string, at time.Time) []byte {
	return wire.EncodeAck(wire.Ack{Incarnation: incarnation, CloudTime: at, Durable: []wire.Range{{Epoch: id.Epoch, Lane: id.Lane, From: id.Seq, To: id.Seq + 1}}})
}

// TestHostileAcks: whoever sits at a broker that is not the aggregator's own cannot let one batch go.
func TestHostileAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, _ := guarded(t, nil)
		defer r.stop()
		ids := r.add(point.Telemetry, 3)
		time.Sleep(10 * time.Millisecond)
		id, now := ids[0], time.Now()
		first := seal(ackTopic, durable(point.BatchID{Epoch: id.Epoch, Lane: id.Lane, Seq: 2}, "log-1", now))
		c.hear(wire.AckCh, first) // one that counts, so that there is something to be stale against
		if n := r.u.Stats().Acks; n != 1 {
			t.Fatalf("%d acks", n)
		}
		truth := durable(id, "log-1", now)
		tampered := bytes.Clone(seal(ackTopic, truth))
		tampered[len(truth)-2] ^= 1
		for name, payload := range map[string][]byte{
			"unsigned":                       truth,
			"tampered":                       tampered,
			"another gateway's, replayed":    seal("courtside/1/dal-001/gw/gw-south/ack", truth),
			"another channel's, replayed":    seal(cmdTopic, truth),
			"stale":                          seal(ackTopic, durable(id, "log-1", now.Add(-2*AckTolerance))),
			"of a foreign incarnation":       seal(ackTopic, durable(id, "log-0", now.Add(-time.Second))),
			"older than its key":             seal(ackTopic, durable(id, "log-1", now.Add(-2*time.Hour))),
			"of 2036, beyond its key's life": seal(ackTopic, durable(id, "log-1", time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))),
			"without a time":                 seal(ackTopic, durable(id, "log-1", time.Time{})),
			"of an unknown epoch":            seal(ackTopic, durable(point.BatchID{Epoch: point.Epoch{0xEE}, Lane: id.Lane}, "log-1", now)),
			"beyond next": seal(ackTopic, wire.EncodeAck(wire.Ack{Incarnation: "log-1", CloudTime: now,
				Durable: []wire.Range{{Epoch: id.Epoch, Lane: id.Lane, From: 0, To: 4}}})),
			"of a huge range": seal(ackTopic, wire.EncodeAck(wire.Ack{Incarnation: "log-1", CloudTime: now,
				Durable: []wire.Range{{Epoch: id.Epoch, Lane: id.Lane, From: 0, To: 1 << 63}}})),
			"garbage": []byte("garbage"),
		} {
			before, ignored := r.u.Stats(), r.k.Stats()
			c.hear(wire.AckCh, payload)
			after, spool := r.u.Stats(), r.k.Stats()
			if n := r.k.Counts(point.Telemetry); n.RAM.Batches+n.Stored.Batches != 2 {
				t.Fatalf("%s: %+v are held of two", name, n)
			}
			counted := after.Unsigned + after.Forged + after.Stale + spool.ForeignAcks + spool.ImpossibleAcks -
				(before.Unsigned + before.Forged + before.Stale + ignored.ForeignAcks + ignored.ImpossibleAcks)
			if counted != 1 {
				t.Errorf("%s: counted %d times: %+v", name, counted, after)
			}
		}
		for _, id := range ids[:2] {
			c.hear(wire.AckCh, seal(ackTopic, durable(id, "log-1", time.Now())))
		}
		r.settled(ids)
	})
}

func TestFreshness(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1_700_000_000+int64(s), 0) }
	type ack struct {
		local       int // when it comes
		incarnation string
		cloud       int // its time
		want        error
	}
	stale := int(StalePatience / time.Second)
	for name, acks := range map[string][]ack{
		"in order":                         {{0, "a", 100, nil}, {1, "a", 101, nil}, {500, "a", 600, nil}},
		"a little out of order":            {{0, "a", 100, nil}, {1, "a", 70, nil}, {2, "a", 102, nil}},
		"replayed after a silence":         {{0, "a", 100, nil}, {3600, "a", 101, errStale}, {3601, "a", 3701, nil}},
		"replayed after the clock's drift": {{0, "a", 100, nil}, {3600, "a", 3690, nil}},
		"the cloud starts anew":            {{0, "a", 100, nil}, {1, "b", 101, nil}, {2, "a", 102, errForeign}, {3, "b", 103, nil}},
		"an older incarnation":             {{0, "b", 100, nil}, {1, "a", 99, errForeign}},
		"the cloud's clock was set back":   {{0, "a", 5000, nil}, {1, "a", 100, errStale}, {stale, "a", 100 + stale, errStale}, {1 + stale, "a", 101 + stale, nil}, {2 + stale, "a", 102 + stale, nil}},
		"stale ones between good ones":     {{0, "a", 100, nil}, {1, "a", 0, errStale}, {stale, "a", 100 + stale, nil}, {stale + 2, "a", 0, errStale}},
	} {
		var f freshness
		for i, a := range acks {
			if err := f.judge(at(a.local), a.incarnation, at(a.cloud)); !errors.Is(err, a.want) {
				t.Errorf("%s: ack %d: %v, want %v", name, i, err, a.want)
			}
		}
	}
	var f freshness
	for i := range 100 {
		if err := f.judge(at(i), strings.Repeat("x", i+1), at(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.retired) > keptRetired {
		t.Errorf("%d incarnations are remembered", len(f.retired))
	}
}

func TestCommandsNeedASignatureAndCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, n := guarded(t, nil)
		defer r.stop()
		if s := c.sessions[0]; len(s.subs) != 3 || s.subs[0] != wire.CloudStatusTopic {
			t.Fatalf("subscribed to %v; who signs must come first", s.subs)
		}
		rebirth := wire.EncodeCommand(wire.Command{ID: "c1", Expires: time.Now().Add(time.Minute), Kind: wire.Rebirth})
		c.hear(wire.CommandCh, rebirth)
		c.hear(wire.CommandCh, seal(ackTopic, rebirth))
		if s := r.u.Stats(); s.Commands != 0 || s.Unsigned != 1 || s.Forged != 1 {
			t.Fatalf("%+v", s)
		}
		for range 3 {
			c.hear(wire.CommandCh, seal(cmdTopic, rebirth))
		}
		if s := r.u.Stats(); s.Commands != 1 {
			t.Errorf("done %d times", s.Commands)
		}
		c.set(func() {
			s := c.sessions[0]
			for _, status := range []string{"chains", "", "garbage"} {
				s.inbound <- mqtt.Message{Topic: wire.CloudStatusTopic, Payload: []byte(status)}
			}
		})
		synctest.Wait()
		if got := <-n.learn + " " + <-n.learn; got != "chains garbage" || len(n.learn) != 0 || r.u.Stats().Malformed != 1 {
			t.Errorf("learnt %q, %+v", got, r.u.Stats())
		}
	})
}

func TestCloudTimeComesWithItsRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type told struct {
			cloud time.Time
			trip  time.Duration
		}
		var got []told
		r, c, _ := guarded(t, func(o *Options) {
			o.CloudTime = func(cloud time.Time, trip time.Duration) bool {
				got = append(got, told{cloud, trip})
				return len(got) == 1
			}
		})
		defer r.stop()
		inventories := func() (all []wire.Inventory) {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, m := range c.log {
				if strings.HasSuffix(m.Topic, "/inventory") {
					inv, err := wire.DecodeInventory(m.Payload)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, inv)
				}
			}
			return all
		}
		number := inventories()[0].Number
		time.Sleep(40 * time.Millisecond)
		ack := seal(ackTopic, wire.EncodeAck(wire.Ack{Incarnation: "log-1", CloudTime: time.Now(), Inventory: number}))
		c.hear(wire.AckCh, ack)
		if len(got) != 1 || got[0].trip != 40*time.Millisecond || !got[0].cloud.Equal(time.Now()) {
			t.Fatalf("%+v", got)
		}
		if n := len(inventories()); n != 2 {
			t.Errorf("%d inventories; one more says what the time dates", n)
		}
		c.hear(wire.AckCh, ack) // again: nothing tells how old it is now
		if len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestBatchesAreSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		var fail error
		r := start(t, c, func(o *Options) {
			o.Sign = func(topic string, frame []byte) ([]byte, error) { return seal(topic, frame), fail }
		})
		ids := r.add(point.Telemetry, 2)
		time.Sleep(time.Second)
		r.settled(ids)
		n := &notary{}
		signed := 0
		c.set(func() {
			for _, m := range c.log {
				if strings.HasSuffix(m.Topic, "/live") {
					if _, err := n.Verify(m.Topic, m.Payload); err != nil {
						t.Error(err)
					}
					signed++
				}
			}
			fail = errForged
		})
		if signed != 2 {
			t.Errorf("%d batches", signed)
		}
		r.add(point.Telemetry, 1)
		time.Sleep(time.Second)
		if _, err := r.u.State(); !errors.Is(err, errForged) {
			t.Errorf("a batch that cannot be signed: %v", err)
		}
		if n := r.k.Counts(point.Telemetry); n.RAM.Batches+n.Stored.Batches != 1 {
			t.Errorf("it was lost: %+v", n)
		}
		r.stop()
	})
}
