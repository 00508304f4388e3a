package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/firmware/store"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud is a broker and an aggregator in memory, in virtual time. What it does to messages may be changed at any moment.
type cloud struct {
	mu       sync.Mutex
	refuse   error         // of Dial
	trip     time.Duration // from publish to PUBACK, and from there to the ack
	write    time.Duration // that a Publish takes
	speed    int64         // of the link, bytes a second; 0 for no limit
	free     time.Time     // when the link has sent what it was given
	acked    map[point.BatchID]time.Time
	silent   bool // the aggregator acknowledges nothing
	cutEach  bool // the broker disconnects at each batch
	twice    bool // acks come twice
	hostile  bool // each ack is followed by lies
	credit   uint32
	noSubs   error
	sessions []*fakeSession
	log      []mqtt.Message
	retained map[string][]byte
	got      map[point.BatchID]int // deliveries
	frames   map[point.BatchID]string
	dials    int
	inFlight int // batches published, neither acknowledged nor lost
	most     int
	early    int // batches that came before their table
}

func newCloud() *cloud {
	return &cloud{trip: 5 * time.Millisecond, retained: map[string][]byte{}, acked: map[point.BatchID]time.Time{}, got: map[point.BatchID]int{}, frames: map[point.BatchID]string{}}
}

func (c *cloud) set(f func()) { c.mu.Lock(); defer c.mu.Unlock(); f() }

var errCut = errors.New("connection reset")

// fakeSession is one connection.
type fakeSession struct {
	c       *cloud
	o       mqtt.Options
	lost    chan struct{}
	inbound chan mqtt.Message
	work    sync.WaitGroup
	subs    []string
	tables  map[string]bool
	flights map[point.BatchID]bool

	mu     sync.Mutex
	over   bool
	err    error
	closed bool
}

func (c *cloud) dial(ctx context.Context, o mqtt.Options) (Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials++
	if c.refuse != nil {
		return nil, c.refuse
	}
	s := &fakeSession{c: c, o: o, lost: make(chan struct{}), inbound: make(chan mqtt.Message, 1000), tables: map[string]bool{}, flights: map[point.BatchID]bool{}}
	s.work.Go(func() {
		for {
			select {
			case m := <-s.inbound:
				o.OnMessage(m)
			case <-s.lost:
				return
			}
		}
	})
	c.sessions = append(c.sessions, s)
	return s, nil
}

func (s *fakeSession) end(err error, will bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over, s.err = true, err
	close(s.lost)
	if will && s.o.Will != nil {
		s.c.retained[s.o.Will.Topic] = s.o.Will.Payload
	}
	s.c.inFlight -= len(s.flights)
	clear(s.flights)
}

// cut cuts the link of the newest session.
func (c *cloud) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.sessions); n > 0 {
		c.sessions[n-1].end(errCut, true)
	}
}

func (s *fakeSession) Lost() <-chan struct{} { return s.lost }
func (s *fakeSession) Err() error            { s.mu.Lock(); defer s.mu.Unlock(); return s.err }

func (s *fakeSession) Close() error {
	s.c.mu.Lock()
	s.end(mqtt.ErrClosed, false)
	s.c.mu.Unlock()
	s.work.Wait()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return nil
}

func (s *fakeSession) Subscribe(_ context.Context, filters ...string) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.subs = append(s.subs, filters...)
	return s.c.noSubs
}

func (s *fakeSession) Publish(m mqtt.Message, done func(error)) error {
	s.c.mu.Lock()
	queue := s.c.send(len(m.Payload))
	wait := max(s.c.write, queue-buffered)
	s.c.mu.Unlock()
	if queue = min(queue, buffered); wait > 0 {
		select {
		case <-time.After(wait):
		case <-s.lost:
		}
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if err := s.Err(); err != nil {
		return err
	}
	s.c.log = append(s.c.log, m)
	channel := m.Topic[strings.LastIndex(m.Topic, "/")+1:]
	batch := channel == "live" || channel == "replay" || channel == "critical"
	if batch && s.c.cutEach {
		s.end(errCut, true)
		return errCut
	}
	if m.Retained {
		s.c.retained[m.Topic] = m.Payload
		if strings.Contains(m.Topic, "/table/") {
			s.tables[m.Topic] = len(m.Payload) > 0
		}
	}
	var id point.BatchID
	if batch {
		id = s.arrive(m)
	}
	trip := s.c.trip + queue
	s.work.Go(func() {
		ok := s.after(trip)
		if done != nil {
			if ok {
				done(nil)
			} else {
				done(errCut)
			}
		}
		if ok && (batch || channel == "inventory") && s.after(trip) {
			s.answer(m, id, batch)
		}
	})
	return nil
}

func (s *fakeSession) after(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.lost:
		return false
	}
}

// buffered is how much of a slow link's queue a writer does not wait for.
const buffered = 100 * time.Millisecond

// send returns when the link will have sent n bytes more. The caller holds the lock.
func (c *cloud) send(n int) time.Duration {
	if c.speed == 0 {
		return 0
	}
	now := time.Now()
	if c.free.Before(now) {
		c.free = now
	}
	c.free = c.free.Add(time.Duration(n) * time.Second / time.Duration(c.speed))
	return c.free.Sub(now)
}

// arrive notes a batch. The caller holds the cloud's lock.
func (s *fakeSession) arrive(m mqtt.Message) point.BatchID {
	h, err := wire.Verify(m.Payload, wire.Limits{})
	if err != nil {
		panic(err)
	}
	id, c := h.ID(), s.c
	if f, ok := c.frames[id]; ok && f != string(m.Payload) {
		panic("I1: " + id.String() + " has another content")
	}
	c.frames[id] = string(m.Payload)
	c.got[id]++
	if !s.tables[wire.TableTopic("dal-001", "gw-north", h.Table, 0)] {
		c.early++
	}
	if !s.flights[id] {
		s.flights[id] = true
		c.inFlight++
		c.most = max(c.most, c.inFlight)
	}
	return id
}

// answer acknowledges a batch or an inventory, unless the aggregator is silent.
func (s *fakeSession) answer(m mqtt.Message, id point.BatchID, batch bool) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent || s.Err() != nil {
		return
	}
	a := wire.Ack{Incarnation: "log-1", Credit: c.credit}
	if batch {
		a.Durable = []wire.Range{{Epoch: id.Epoch, Lane: id.Lane, From: id.Seq, To: id.Seq + 1}}
		delete(s.flights, id)
		c.inFlight--
		if _, again := c.acked[id]; !again {
			c.acked[id] = time.Now()
		}
	} else {
		inv, err := wire.DecodeInventory(m.Payload)
		if err != nil {
			panic(err)
		}
		a.Inventory = inv.Number
	}
	s.deliver(wire.AckCh, wire.EncodeAck(a))
	if c.twice {
		s.deliver(wire.AckCh, wire.EncodeAck(a))
	}
	if c.hostile {
		s.lie(id.Epoch)
	}
}

func (s *fakeSession) lie(epoch point.Epoch) {
	s.deliver(wire.AckCh, wire.EncodeAck(wire.Ack{Incarnation: "evil", Inventory: 1 << 50, Durable: []wire.Range{
		{Epoch: point.Epoch{0xEE}, Lane: point.Telemetry, From: 0, To: 1 << 62},
		{Epoch: epoch, Lane: point.Telemetry, From: 0, To: 1 << 62},
		{Epoch: epoch, Lane: point.Critical, From: 0, To: 1 << 62}}}))
	s.deliver(wire.AckCh, []byte("no ack at all"))
	s.deliver(wire.CommandCh, []byte{0x28, 0xB5})
}

func (s *fakeSession) deliver(ch wire.Channel, payload []byte) {
	select {
	case s.inbound <- mqtt.Message{Topic: wire.GatewayTopic("dal-001", "gw-north", ch), Payload: payload}:
	default:
	}
}

// rig is an uplink between a keeper over stores in memory and a cloud.
type rig struct {
	*testing.T
	c          *cloud
	crit, tele *spooltest.Store
	k          *store.Keeper
	u          *Uplink
	stopUp     func()
	stopStore  func()
	content    uint64
}

func start(t *testing.T, c *cloud, change func(*Options)) *rig {
	t.Helper()
	r := &rig{T: t, c: c, crit: spooltest.New(), tele: spooltest.New()}
	begin := time.Now().Add(-time.Hour)
	sp, err := spool.Open(spool.Options{Critical: r.crit, Telemetry: r.tele, Window: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r.k = store.New(store.Options{Spool: sp, Mono: func() int64 { return int64(time.Since(begin)) }})
	r.k.UseTable(spooltest.TableHash(), [][]byte{[]byte("part 0"), []byte("part 1")})
	o := Options{Venue: "dal-001", Gateway: "gw-north", Dial: c.dial, Spool: r.k,
		Status: func() wire.Status { return wire.Status{Version: "test"} },
		Jitter: func(d time.Duration) time.Duration { return d / 2 }}
	if change != nil {
		change(&o)
	}
	if r.u, err = New(o); err != nil {
		t.Fatal(err)
	}
	r.stopStore = background(r.k.Run)
	r.stopUp = background(r.u.Run)
	t.Cleanup(r.stop)
	return r
}

func background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = run(ctx) })
	return func() { cancel(); wg.Wait() }
}

func (r *rig) stop() { r.stopUp(); r.stopStore() }

// add appends batches of 200 samples.
func (r *rig) add(l point.Lane, n int) (ids []point.BatchID) {
	r.Helper()
	for range n {
		r.content++
		id, err := r.k.Append(spooltest.Frame(l, spooltest.TableHash(), 1, 2, 200, spooltest.Body{Content: r.content}), nil, false, nil)
		if err != nil {
			r.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// settled checks that every batch ever appended arrived, and that nothing is held any more.
func (r *rig) settled(ids []point.BatchID) {
	r.Helper()
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for _, id := range ids {
		if r.c.got[id] == 0 {
			r.Fatalf("batch %v never arrived", id)
		}
	}
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		if c := r.k.Counts(l); c.RAM.Batches+c.Stored.Batches != 0 {
			r.Fatalf("still held of %s: %+v", l, c)
		}
	}
	if s := r.k.Stats(); s.Dropped.Batches != 0 || s.Corrupt != 0 {
		r.Fatalf("lost on the way: %+v", s)
	}
	if r.c.early > 0 {
		r.Fatalf("%d batches came before their table", r.c.early)
	}
}

func (c *cloud) deliveries() (total int, channels map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	channels = map[string]int{}
	for _, m := range c.log {
		channels[m.Topic[strings.LastIndex(m.Topic, "/")+1:]]++
	}
	for _, n := range c.got {
		total += n
	}
	return total, channels
}

// status returns the retained status, as a subscriber finds it.
func (c *cloud) status(t *testing.T) (st wire.Status) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := json.Unmarshal(c.retained[wire.GatewayTopic("dal-001", "gw-north", wire.StatusCh)], &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func (c *cloud) newest() *fakeSession {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[len(c.sessions)-1]
}

// messages returns what was published from the n-th message on.
func (c *cloud) messages(n int) []mqtt.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log[n:])
}

// figures returns how often the gateway dialled, and how many batches were in flight at once at most.
func (c *cloud) figures() (dials, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dials, c.most
}
