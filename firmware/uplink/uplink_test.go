package uplink

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestBirthTablesInventoryThenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, nil)
		ids := append(r.add(point.Telemetry, 3), r.add(point.Critical, 2)...)
		time.Sleep(time.Second)
		r.settled(ids)
		s := c.newest()
		if len(s.subs) != 2 || !strings.HasSuffix(s.subs[0], "/ack") || !strings.HasSuffix(s.subs[1], "/cmd") {
			t.Fatalf("subscribed to %v", s.subs)
		}
		want := []string{"/status", "/table/" + spooltest.TableHash().String() + "/0", "/table/" + spooltest.TableHash().String() + "/1", "/inventory"}
		log := c.messages(0)
		if m := log[len(want)]; m.Retained || m.QoS != 1 {
			t.Fatalf("the first batch: %s, QoS %d, retained %v", m.Topic, m.QoS, m.Retained)
		}
		for i, w := range want {
			if m := log[i]; !strings.HasSuffix(m.Topic, w) || m.QoS != 1 || m.Retained != (i < 3) {
				t.Fatalf("message %d is %s, QoS %d, retained %v; want %s", i, m.Topic, m.QoS, m.Retained, w)
			}
		}
		birth := c.status(t)
		var death wire.Status
		if err := json.Unmarshal(s.o.Will.Payload, &death); err != nil {
			t.Fatal(err)
		}
		if birth.State != "birth" || birth.Session == "" || death.State != "death" || death.Reason != "lost" || death.Session != birth.Session ||
			!s.o.Will.Retained || s.o.Will.QoS != 1 || s.o.Will.Topic != log[0].Topic || birth.Venue != "dal-001" || birth.Version != "test" {
			t.Fatalf("birth %+v, will %+v", birth, death)
		}
		if st, err := r.u.State(); st != Up || err != nil {
			t.Fatalf("state %v, %v", st, err)
		}
		r.stop()
		if st := c.status(t); st.State != "death" || st.Reason != "stopped" || st.Session != birth.Session {
			t.Fatalf("after the stop %+v", st)
		}
		if st, _ := r.u.State(); st != Stopped || !s.closed {
			t.Fatalf("state %v, closed %v", st, s.closed)
		}
	})
}

func TestInventoryAndChangedStatusEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		var mu sync.Mutex
		version := "1"
		r := start(t, c, func(o *Options) {
			o.Status = func() wire.Status { mu.Lock(); defer mu.Unlock(); return wire.Status{Version: version} }
		})
		time.Sleep(35 * time.Second)
		mu.Lock()
		version = "2"
		mu.Unlock()
		time.Sleep(20 * time.Second)
		if _, ch := c.deliveries(); ch["inventory"] != 6 || ch["status"] != 2 {
			t.Fatalf("%v in 55 s", ch)
		}
		r.stop()
	})
}

func TestABrokerThatNeverAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.silent = true
		r := start(t, c, nil)
		var ids []point.BatchID
		for range 600 { // ten minutes
			ids = append(ids, r.add(point.Telemetry, 1)...)
			time.Sleep(time.Second)
		}
		if st, _ := r.u.State(); st != Down {
			t.Fatalf("state %v", st)
		}
		total, _ := c.deliveries()
		if total > 150 {
			t.Fatalf("%d deliveries of 600 batches in ten silent minutes: a stall multiplies traffic", total)
		}
		if s := r.u.Stats(); s.Probes < 10 || s.Connects < 3 || s.Connects > 6 {
			t.Fatalf("%+v: want probes, and a new session every two minutes", s)
		}
		probesAt := len(c.messages(0))
		c.set(func() { c.most, c.silent = 0, false })
		time.Sleep(3 * time.Minute)
		r.settled(ids)
		if st, err := r.u.State(); st != Up {
			t.Fatalf("state %v, %v", st, err)
		}
		live := 0
		for _, m := range c.messages(probesAt) {
			if strings.HasSuffix(m.Topic, "/live") {
				live++
			}
		}
		if live > 1 { // what waited longer than spill_after goes as replay
			t.Fatalf("%d old batches went as live", live)
		}
		r.stop()
	})
}

// While the link is down one batch at a time is on its way.
func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.silent = true
		r := start(t, c, nil)
		r.add(point.Telemetry, 100)
		for st, _ := r.u.State(); st != Down; st, _ = r.u.State() {
			time.Sleep(100 * time.Millisecond)
		}
		before, _ := c.deliveries()
		for range 100 {
			time.Sleep(time.Second)
			if n := r.k.InFlight(); n > 1 {
				t.Fatalf("%d batches are in flight while the link is down", n)
			}
		}
		if after, _ := c.deliveries(); after == before || after-before > 40 {
			t.Fatalf("%d probes in 100 s", after-before)
		}
		r.stop()
	})
}

func TestABrokerThatDisconnectsAtEachPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.cutEach = true
		r := start(t, c, nil)
		ids := r.add(point.Critical, 20)
		ids = append(ids, r.add(point.Telemetry, 20)...)
		time.Sleep(10 * time.Minute)
		if dials, _ := c.figures(); dials < 20 || dials > 60 {
			t.Fatalf("%d connections in ten minutes", dials)
		}
		if st := c.status(t); st.State != "death" || st.Reason != "lost" {
			t.Fatalf("the will left %+v", st)
		}
		c.set(func() { c.cutEach = false })
		time.Sleep(2 * time.Minute)
		r.settled(ids)
		r.stop()
	})
}

func TestAcksTwiceAndHostileOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.twice, c.hostile = true, true
		r := start(t, c, nil)
		ids := append(r.add(point.Telemetry, 50), r.add(point.Critical, 10)...)
		time.Sleep(5 * time.Second)
		r.settled(ids)
		if s := r.u.Stats(); s.Malformed == 0 || s.Late != 0 {
			t.Fatalf("%+v", s)
		}
		if s := r.k.Stats(); s.ForeignAcks == 0 || s.ImpossibleAcks == 0 || s.Acked.Batches != 60 {
			t.Fatalf("%+v", s)
		}
		// Lies alone bring no link up and let nothing go.
		c.set(func() { c.silent = true })
		r.add(point.Telemetry, 5)
		for range 120 {
			time.Sleep(time.Second)
			if s := c.newest(); s.Err() == nil {
				c.set(func() { s.lie(r.k.Epoch()) })
			}
		}
		if st, _ := r.u.State(); st == Up {
			t.Fatal("lies brought the link up")
		}
		if n := r.k.Counts(point.Telemetry); n.RAM.Batches+n.Stored.Batches != 5 {
			t.Fatalf("%+v is held, want 5", n)
		}
		r.stop()
	})
}

func TestLinkCutInTheMiddleOfAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.trip = 50 * time.Millisecond
		r := start(t, c, nil)
		var ids []point.BatchID
		for i := range 200 {
			ids = append(ids, r.add(point.Telemetry, 5)...)
			ids = append(ids, r.add(point.Critical, 1)...)
			time.Sleep(30 * time.Millisecond)
			if i%20 == 7 {
				c.cut()
				synctest.Wait()
				if n := r.k.InFlight(); n != 0 {
					t.Fatalf("%d batches are in flight without a link", n)
				}
			}
		}
		time.Sleep(2 * time.Minute)
		r.settled(ids)
		if s := r.u.Stats(); s.Lost != 10 || s.Replay == 0 {
			t.Fatalf("%+v", s)
		}
		r.stop()
	})
}

// A link that takes 100 ms a batch: live batches go first, and nothing is sent over and over.
func TestSlowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.refuse = errors.New("no route to host")
		r := start(t, c, nil)
		ids := r.add(point.Telemetry, 300)
		time.Sleep(time.Minute) // all of it is stored
		c.set(func() { c.refuse, c.write = nil, 100*time.Millisecond })
		for st, _ := r.u.State(); st != Up; st, _ = r.u.State() {
			time.Sleep(time.Second)
		}
		for range 50 {
			begin := time.Now()
			id := r.add(point.Telemetry, 1)
			ids = append(ids, id...)
			for arrived := false; !arrived; c.set(func() { arrived = c.got[id[0]] > 0 }) {
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(begin); took > 250*time.Millisecond {
				t.Fatalf("a live batch waited %v behind the backlog", took)
			}
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		r.settled(ids)
		if total, _ := c.deliveries(); total > len(ids)+5 {
			t.Fatalf("%d deliveries of %d batches", total, len(ids))
		}
		r.stop()
	})
}

func TestAcksThatTakeLongerThanTheFirstTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.trip = 2 * time.Second // four from publish to ack
		r := start(t, c, nil)
		var ids []point.BatchID
		for range 100 {
			ids = append(ids, r.add(point.Telemetry, 1)...)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		r.settled(ids)
		if total, _ := c.deliveries(); total > len(ids)+20 {
			t.Fatalf("%d deliveries of %d batches: the timeout does not learn", total, len(ids))
		}
		r.stop()
	})
}

func TestTheWindowBoundsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.trip = time.Second
		r := start(t, c, func(o *Options) { o.Window = 20_000 })
		ids := r.add(point.Telemetry, 200) // of about 700 bytes
		time.Sleep(5 * time.Minute)
		r.settled(ids)
		if _, most := c.figures(); most > 32 || most < 10 {
			t.Fatalf("%d batches were in flight at once", most)
		}
		r.stop()
	})
}

func TestStopDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.refuse = errors.New("no route to host")
		r := start(t, c, nil)
		r.add(point.Telemetry, 5)
		time.Sleep(time.Minute)
		begin := time.Now()
		r.stop()
		if took := time.Since(begin); took != 0 {
			t.Fatalf("it took %v", took)
		}
		if n := r.tele.Held(); n != 5 {
			t.Fatalf("%d batches are stored", n)
		}
		if dials, _ := c.figures(); dials < 4 || dials > 20 {
			t.Fatalf("%d attempts in a minute", dials)
		}
	})
}

func TestStopFlushesAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.trip = 100 * time.Millisecond
		r := start(t, c, nil)
		time.Sleep(time.Second)
		ids := append(r.add(point.Telemetry, 20), r.add(point.Critical, 3)...)
		r.stop()
		r.settled(ids)

		c = newCloud()
		c.silent = true
		r = start(t, c, nil)
		r.add(point.Telemetry, 20)
		time.Sleep(time.Second)
		begin := time.Now()
		r.stop()
		if took := time.Since(begin); took < StopPatience || took > StopPatience+farewell+100*time.Millisecond {
			t.Fatalf("without acks it took %v", took)
		}
		if st := c.status(t); st.Reason != "stopped" {
			t.Fatalf("status %+v", st)
		}

		c = newCloud()
		r = start(t, c, nil)
		r.add(point.Telemetry, 20)
		time.Sleep(time.Second)
		c.set(func() { c.write = time.Hour }) // the link swallows everything
		r.add(point.Telemetry, 20)
		time.Sleep(100 * time.Millisecond)
		begin = time.Now()
		r.stop()
		if took := time.Since(begin); took > StopPatience+farewell {
			t.Fatalf("on a stuck link it took %v", took)
		}
	})
}

// identity is credentials that change when the test says so.
type fakeIdentity struct {
	mu       sync.Mutex
	updated  chan struct{}
	notAfter time.Time
}

func (i *fakeIdentity) Updated() <-chan struct{} { i.mu.Lock(); defer i.mu.Unlock(); return i.updated }
func (i *fakeIdentity) NotAfter() time.Time      { i.mu.Lock(); defer i.mu.Unlock(); return i.notAfter }
func (i *fakeIdentity) rotate(tell bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.notAfter = time.Now().Add(15 * time.Minute)
	if tell {
		close(i.updated)
		i.updated = make(chan struct{})
	}
}

func TestRotationUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.trip = 20 * time.Millisecond
		id := &fakeIdentity{updated: make(chan struct{})}
		id.rotate(false)
		r := start(t, c, func(o *Options) { o.Identity = id })
		var ids []point.BatchID
		for i := range 300 {
			ids = append(ids, r.add(point.Telemetry, 2)...)
			ids = append(ids, r.add(point.Critical, 1)...)
			time.Sleep(10 * time.Millisecond)
			if i%100 == 50 {
				id.rotate(true)
			}
		}
		time.Sleep(10 * time.Second)
		r.settled(ids)
		if total, _ := c.deliveries(); total != len(ids) {
			t.Fatalf("%d deliveries of %d batches: draining should leave nothing to send again", total, len(ids))
		}
		if s := r.u.Stats(); s.Rotations != 3 || s.Lost != 0 || s.Connects != 4 {
			t.Fatalf("%+v", s)
		}
		for _, s := range c.sessions[:3] {
			if !s.closed || !errors.Is(s.Err(), mqtt.ErrClosed) {
				t.Fatalf("an old session ended with %v", s.Err())
			}
		}
		if st := c.status(t); st.State != "birth" {
			t.Fatalf("status %+v: an old will fired", st)
		}
		r.stop()
	})
}

func TestRotationWithoutAcksIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		id := &fakeIdentity{updated: make(chan struct{})}
		id.rotate(false)
		r := start(t, c, func(o *Options) { o.Identity = id })
		time.Sleep(time.Second)
		c.set(func() { c.silent = true })
		ids := r.add(point.Telemetry, 3)
		time.Sleep(time.Second)
		id.rotate(true)
		time.Sleep(DrainPatience + 100*time.Millisecond)
		if s := r.u.Stats(); s.Rotations != 1 || s.Connects != 2 {
			t.Fatalf("%+v", s)
		}
		c.set(func() { c.silent = false })
		time.Sleep(time.Minute)
		r.settled(ids)
		// One that was not told of is found at half of the SVID's life; without a fresh one nothing is gained by a new session.
		id.rotate(false)
		time.Sleep(8 * time.Minute)
		if s := r.u.Stats(); s.Rotations != 2 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(time.Hour)
		if s := r.u.Stats(); s.Rotations != 2 {
			t.Fatalf("%+v", s)
		}
		r.stop()
	})
}

func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, nil)
		time.Sleep(time.Second)
		send := func(cmd wire.Command) (wire.Reply, map[string]int) {
			t.Helper()
			n := len(c.messages(0))
			c.newest().deliver(wire.CommandCh, wire.EncodeCommand(cmd))
			time.Sleep(time.Second)
			ch := map[string]int{}
			var reply wire.Reply
			for _, m := range c.messages(n) {
				ch[m.Topic[strings.LastIndex(m.Topic, "/")+1:]]++
				if strings.HasSuffix(m.Topic, "/reply") {
					var err error
					if reply, err = wire.DecodeReply(m.Payload); err != nil {
						t.Fatal(err)
					}
				}
			}
			if reply.ID != cmd.ID {
				t.Fatalf("reply %+v to %+v", reply, cmd)
			}
			return reply, ch
		}
		soon := time.Now().Add(time.Hour)
		if re, ch := send(wire.Command{ID: "a", Kind: wire.TableWanted, Table: spooltest.TableHash(), Expires: soon}); re.Error != "" || ch["0"] != 1 || ch["1"] != 1 || ch["status"] != 0 {
			t.Fatalf("table wanted: %+v, %v", re, ch)
		}
		if re, ch := send(wire.Command{ID: "b", Kind: wire.TableWanted, Table: point.TableHash{1}, Expires: soon}); re.Error == "" || ch["0"] != 0 {
			t.Fatalf("unknown table wanted: %+v, %v", re, ch)
		}
		if re, ch := send(wire.Command{ID: "c", Kind: wire.Rebirth, Expires: soon}); re.Error != "" || ch["status"] != 1 || ch["inventory"] != 1 || ch["0"] != 1 {
			t.Fatalf("rebirth: %+v, %v", re, ch)
		}
		if re, ch := send(wire.Command{ID: "d", Kind: wire.Rebirth, Expires: time.Now().Add(-time.Second)}); re.Error == "" || ch["status"] != 0 {
			t.Fatalf("expired: %+v, %v", re, ch)
		}
		if s := r.u.Stats(); s.Commands != 2 || s.Expired != 1 {
			t.Fatalf("%+v", s)
		}
		// A flood is dropped, not queued without end.
		for i := range 500 {
			c.newest().deliver(wire.CommandCh, wire.EncodeCommand(wire.Command{ID: fmt.Sprint(i), Kind: wire.Rebirth, Expires: soon}))
		}
		time.Sleep(10 * time.Second)
		if s := r.u.Stats(); s.Commands+s.Overflow != 502 {
			t.Fatalf("%+v", s)
		}
		r.stop()
	})
}

// An order to update is handed on only while it can be told that it has not expired.
func TestAnOrderToUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		known := true
		var got []wire.UpdateOrder
		answer := error(nil)
		r := start(t, c, func(o *Options) {
			o.Now = func() (time.Time, bool) { return time.Now(), known }
			o.Update = func(w wire.UpdateOrder) error { got = append(got, w); return answer }
		})
		time.Sleep(time.Second)
		id := 0
		order := func(expires time.Time) string {
			t.Helper()
			id++
			n := len(c.messages(0))
			cmd := wire.Command{ID: fmt.Sprint("u", id), Kind: wire.Update, Expires: expires, Order: wire.UpdateOrder{URL: "https://a:8884/x.raucb", Version: "7", Reboot: true}}
			c.newest().deliver(wire.CommandCh, wire.EncodeCommand(cmd))
			time.Sleep(time.Second)
			for _, m := range c.messages(n) {
				if strings.HasSuffix(m.Topic, "/reply") {
					reply, err := wire.DecodeReply(m.Payload)
					if err != nil || reply.ID != cmd.ID {
						t.Fatalf("%+v, %v", reply, err)
					}
					return reply.Error
				}
			}
			return "no reply"
		}
		soon := time.Now().Add(time.Hour)
		if said := order(soon); said != "" || len(got) != 1 || got[0] != (wire.UpdateOrder{URL: "https://a:8884/x.raucb", Version: "7", Reboot: true}) {
			t.Errorf("%q, %+v", said, got)
		}
		answer = errors.New("an event is on")
		if said := order(soon); said != "an event is on" || len(got) != 2 {
			t.Errorf("%q, %+v", said, got)
		}
		if said := order(time.Time{}); said != errNoTime.Error() {
			t.Errorf("one that never expires: %q", said)
		}
		if said := order(time.Now().Add(-time.Second)); said != errExpired.Error() {
			t.Errorf("one that has expired: %q", said)
		}
		known = false
		if said := order(soon); said != errNoTime.Error() || len(got) != 2 {
			t.Errorf("without the time: %q, %+v", said, got)
		}
		r.stop()
	})
}

func TestReplayCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.refuse = errors.New("no route to host")
		c.credit = 7000 // about ten batches a second
		r := start(t, c, nil)
		ids := r.add(point.Telemetry, 300)
		time.Sleep(time.Minute)
		c.set(func() { c.refuse = nil })
		for st, _ := r.u.State(); st != Up; st, _ = r.u.State() {
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		_, ch := c.deliveries()
		ids = append(ids, r.add(point.Telemetry, 10)...)
		time.Sleep(200 * time.Millisecond)
		if _, now := c.deliveries(); now["live"] != 10 {
			t.Fatalf("%v: live batches do not depend on credit", now)
		}
		if ch["replay"] < 80 || ch["replay"] > 130 {
			t.Fatalf("%d batches were replayed in 10 s", ch["replay"])
		}
		time.Sleep(time.Minute)
		r.settled(ids)
		r.stop()
	})
}

func TestATableThatNobodyNeedsIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, nil)
		ids := r.add(point.Telemetry, 3)
		time.Sleep(time.Second)
		r.settled(ids)
		r.k.UseTable(point.TableHash{2}, [][]byte{[]byte("new")})
		r.k.UseTable(point.TableHash{3}, [][]byte{[]byte("newer")}) // the one before the present one stays
		c.newest().deliver(wire.AckCh, wire.EncodeAck(wire.Ack{Tables: []point.TableHash{spooltest.TableHash()}}))
		time.Sleep(time.Second)
		cleared := 0
		c.set(func() {
			for topic, payload := range c.retained {
				if strings.Contains(topic, spooltest.TableHash().String()) && len(payload) == 0 {
					cleared++
				}
			}
		})
		if cleared != 2 {
			t.Fatalf("%d parts are cleared", cleared)
		}
		r.stop()
	})
}

func TestATableThatCameLaterGoesBeforeItsFirstBatchOnEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, nil)
		time.Sleep(time.Second)
		later := point.TableHash{7}
		r.k.UseTable(later, [][]byte{[]byte("later")})
		var ids []point.BatchID
		for i := range uint64(4) {
			id, err := r.k.Append(spooltest.Frame(point.Telemetry, later, 1, 2, 3, spooltest.Body{Content: i}), nil, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
			time.Sleep(time.Second)
			if i == 1 {
				c.cut()
			}
		}
		time.Sleep(time.Minute)
		r.settled(ids)
		if _, ch := c.deliveries(); ch["0"] != 4 { // both tables on both connections
			t.Fatalf("%v", ch)
		}
		r.stop()
	})
}

func TestStopWhileTheLinkIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.silent = true
		r := start(t, c, nil)
		r.add(point.Telemetry, 5)
		for st, _ := r.u.State(); st != Down; st, _ = r.u.State() {
			time.Sleep(time.Second)
		}
		begin := time.Now()
		r.stop()
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Fatalf("it took %v", took)
		}
		if st := c.status(t); st.Reason != "stopped" {
			t.Fatalf("status %+v", st)
		}
	})
}

func TestARefusedSubscriptionIsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.noSubs = errors.New("the broker refuses the subscription")
		r := start(t, c, nil)
		r.add(point.Telemetry, 3)
		time.Sleep(time.Minute)
		if _, ch := c.deliveries(); ch["live"]+ch["replay"]+ch["status"] != 0 {
			t.Fatalf("published %v without hearing acks", ch)
		}
		if st, err := r.u.State(); st != Connecting || err == nil || r.u.Stats().Failed == 0 {
			t.Fatalf("state %v, %v", st, err)
		}
		r.stop()
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Fatal("an uplink of nothing")
	}
}

// TestWhatTheCloudSetsAsideIsKnown until the next session, or until nobody has said so for a while.
func TestWhatTheCloudSetsAsideIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		r := start(t, c, nil)
		time.Sleep(time.Second)
		why := wire.Notice{Reason: "device-not-granted", Detail: "point table names device plc-9"}
		n := 0
		tell := func() {
			n++
			c.newest().deliver(wire.CommandCh, wire.EncodeCommand(wire.Command{ID: fmt.Sprint("n", n), Kind: wire.SetAside, Notice: why, Expires: time.Now().Add(time.Minute)}))
			time.Sleep(time.Second)
		}
		if got := r.u.SetAside(); got != (wire.Notice{}) {
			t.Fatalf("before anything was said: %+v", got)
		}
		tell()
		if got := r.u.SetAside(); got != why {
			t.Fatalf("%+v, want %+v", got, why)
		}
		time.Sleep(20 * time.Minute)
		if got := r.u.SetAside(); got != (wire.Notice{}) {
			t.Fatalf("20 minutes later: %+v", got)
		}
		tell()
		c.newest().deliver(wire.CommandCh, wire.EncodeCommand(wire.Command{ID: "t", Kind: wire.TableWanted, Table: spooltest.TableHash(), Expires: time.Now().Add(time.Minute)}))
		time.Sleep(time.Second)
		if got := r.u.SetAside(); got != (wire.Notice{}) {
			t.Fatalf("after a point table went out: %+v", got)
		}
		tell()
		c.cut()
		time.Sleep(time.Minute)
		if got, state := r.u.SetAside(), r.u.Stats().Connects; got != (wire.Notice{}) || state != 2 {
			t.Fatalf("in session %d: %+v", state, got)
		}
		r.stop()
	})
}
