package model

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

// message is something on its way to the cloud.
type message struct {
	channel wire.Channel
	payload []byte
}

type laneKey struct {
	epoch point.Epoch
	lane  point.Lane
}

// faults are what is wrong with a world on purpose, so that the model can be seen to fail.
type faults struct {
	logLies    bool // the log calls synced what is not
	diskLies   bool // the critical store does
	noCursors  bool // cursors do not reach the disk
	losesAcked bool // the gateway lets go of what was only published
}

// bounds limit an exploration.
type bounds struct{ telemetry, critical, gatewayCrashes, cloudCrashes, losses, doubles, inventories int }

// world is one gateway's spool, one link and the cloud. Every method named after an event makes it happen if it can.
type world struct {
	bad        faults
	left       bounds
	crit, tele *spooltest.Store
	sp         *spool.Spool
	job        [2]*spool.Job
	now        int64
	content    uint64
	draws      byte
	up         []message
	down       [][]byte
	cloud      *cloud

	published map[point.BatchID][]byte
	given     map[laneKey]uint64
	released  map[point.BatchID]bool // the spool let go of it after an ack
	told      map[uint64]bool        // critical contents told durable
	order     []point.Epoch
	ended     map[laneKey]uint64 // next of epochs that ended, as told first
	listed    map[point.Epoch]bool
	answered  []string // opening and number of the inventories answered
	failure   string
}

func newWorld(bad faults, left bounds) *world {
	w := &world{bad: bad, left: left, crit: spooltest.New(), tele: spooltest.New(), now: 1_000_000, published: map[point.BatchID][]byte{},
		given: map[laneKey]uint64{}, released: map[point.BatchID]bool{}, told: map[uint64]bool{}, ended: map[laneKey]uint64{}, listed: map[point.Epoch]bool{}}
	l := newMemoryLog()
	l.lies = bad.logLies
	w.cloud = newCloud(l)
	w.open()
	return w
}

func (w *world) close() { w.cloud.stop() }

func (w *world) failed(format string, a ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, a...)
	}
}

// critical returns the store under the spool, which may be one that does not keep what it should.
func (w *world) critical() spool.Store {
	if w.bad.diskLies || w.bad.noCursors {
		return faultyStore{w.crit, w.bad}
	}
	return w.crit
}

type faultyStore struct {
	*spooltest.Store
	bad faults
}

func (s faultyStore) Append(tx spool.Tx) (uint64, error) {
	if s.bad.noCursors && len(tx.Records) > 0 {
		tx.Set = nil
	}
	return s.Store.Append(tx)
}

func (s faultyStore) Sync() (uint64, error) {
	if s.bad.diskLies && s.Store.Held() > 0 {
		_, next := s.Store.Bounds()
		return next, nil
	}
	return s.Store.Sync()
}

func (w *world) open() {
	w.draws++
	sp, err := spool.Open(spool.Options{Critical: w.critical(), Telemetry: w.tele, SpillAfter: 100, Retry: 10,
		Draw: func() point.Epoch { return point.Epoch{w.draws, w.draws} }})
	if err != nil {
		w.failed("opening: %v", err)
		return
	}
	if n := len(w.order); n > 0 && (sp.Recovery().Predecessor != w.order[n-1] || !sp.Recovery().Unclean) {
		w.failed("I8: predecessor %v unclean %v after %v", sp.Recovery().Predecessor, sp.Recovery().Unclean, w.order[n-1])
	}
	w.sp, w.job = sp, [2]*spool.Job{}
	w.order = append(w.order, sp.Epoch())
	w.sp.UseTable(spooltest.TableHash(), [][]byte{[]byte("part")})
	w.checkCursor()
}

// append makes a batch; a critical one carries a cursor and the gaps that wait.
func (w *world) append(l point.Lane) bool {
	left := &w.left.telemetry
	if l == point.Critical {
		left = &w.left.critical
	}
	if *left == 0 {
		return false
	}
	*left--
	w.add(l)
	return true
}

func (w *world) add(l point.Lane) {
	w.content++
	body := spooltest.Body{Content: w.content}
	var cursors []point.Cursor
	if l == point.Critical {
		cursors = []point.Cursor{{Device: "plc-1", Name: "ring", Bytes: binary.BigEndian.AppendUint64(nil, w.content)}}
		body.Gaps = w.sp.Gaps()
	}
	id, err := w.sp.Append(w.now, spooltest.Frame(l, spooltest.TableHash(), w.now, w.now+1, 1, body), cursors, len(body.Gaps) > 0)
	k := laneKey{id.Epoch, id.Lane}
	if err != nil || id.Epoch != w.sp.Epoch() || id.Seq != w.given[k] {
		w.failed("I8: appended as %v, %v; want seq %d of the open epoch", id, err, w.given[k])
		return
	}
	w.given[k]++
}

// disk moves a lane's disk work one step: begin and run it, then take in its result.
func (w *world) disk(l point.Lane) bool {
	at := int(l - point.Telemetry)
	if j := w.job[at]; j != nil {
		w.job[at] = nil
		for _, id := range w.sp.Finish(w.now, j).Durable {
			w.told[w.contentOf(id)] = true
		}
		w.checkCursor()
		return true
	}
	j := w.sp.Next(w.now, l)
	if j == nil {
		return false
	}
	j.Run()
	w.job[at] = j
	return true
}

func (w *world) contentOf(id point.BatchID) uint64 {
	for rec, err := range w.crit.Scan(0) {
		if h, herr := wire.Verify(rec.Bytes, wire.DefaultLimits()); err == nil && herr == nil && h.ID() == id {
			if b, err := spooltest.Open(rec.Bytes); err == nil {
				return b.Content
			}
		}
	}
	w.failed("I5: batch %v was told durable and is not in the store", id)
	return 0
}

// checkCursor is I5: the durable cursor is at least as far as the last batch told durable.
func (w *world) checkCursor() {
	top := uint64(0)
	for c := range w.told {
		top = max(top, c)
	}
	b, ok := w.sp.Cursor("plc-1", "ring")
	if top > 0 && (!ok || binary.BigEndian.Uint64(b) < top) {
		w.failed("I5: the cursor is %v (%v), batches up to %d were told durable", b, ok, top)
	}
}

// age lets SpillAfter pass.
func (w *world) age() bool {
	if w.sp.Counts(point.Telemetry).RAM.Batches == 0 {
		return false
	}
	w.now += 100
	return true
}

// publish takes the next batch and puts it on the link.
func (w *world) publish() bool {
	t, ok := w.sp.Take(w.now, spool.Grant{Window: 1 << 30})
	if !ok {
		return false
	}
	if err := t.Load(); err != nil {
		w.failed("loading %v: %v", t.ID, err)
		return true
	}
	if before, again := w.published[t.ID]; again && !bytes.Equal(before, t.Frame) {
		w.failed("I1: %v was published with another content", t.ID)
	}
	w.published[t.ID] = bytes.Clone(t.Frame)
	w.up = append(w.up, message{t.Channel, w.published[t.ID]})
	w.sp.Commit(t.ID)
	if w.bad.losesAcked {
		w.letGo(wire.Ack{Durable: []wire.Range{{Epoch: t.ID.Epoch, Lane: t.ID.Lane, From: t.ID.Seq, To: t.ID.Seq + 1}}})
	}
	return true
}

// report sends an inventory.
func (w *world) report() bool {
	if w.left.inventories == 0 {
		return false
	}
	w.left.inventories--
	w.inventory()
	return true
}

func (w *world) inventory() {
	inv := w.sp.Inventory()
	now := map[point.Epoch]bool{}
	for _, e := range inv.Epochs {
		now[e.Epoch] = true
		for _, l := range e.Lanes {
			k := laneKey{e.Epoch, l.Lane}
			if before, ok := w.ended[k]; ok && l.Next > before {
				w.failed("I8: ended epoch %v lane %v grew from %d to %d", k.epoch, k.lane, before, l.Next)
			}
			if !e.Open {
				w.ended[k] = max(l.Next, w.given[k])
			}
		}
	}
	for e := range w.listed {
		if !now[e] && !w.cloudKnowsEnd(e) {
			w.failed("I10: epoch %v is not in the inventory any more, and no durable one in the cloud says how it ended", e)
		}
	}
	for e := range now {
		w.listed[e] = true
	}
	w.up = append(w.up, message{wire.InvCh, wire.EncodeInventory(inv)})
}

// cloudKnowsEnd reports whether the durable log has an inventory that shows the epoch as ended with nothing pending.
func (w *world) cloudKnowsEnd(id point.Epoch) bool {
	for _, r := range w.cloud.log.records[:w.cloud.log.synced] {
		inv, err := wire.DecodeInventory(r.Payload)
		if r.Kind != log.Inventory || err != nil {
			continue
		}
		for _, e := range inv.Epochs {
			if e.Epoch == id && !e.Open && len(e.Lanes[0].Pending)+len(e.Lanes[1].Pending) == 0 {
				return true
			}
		}
	}
	return false
}

// deliver brings the i-th message of the link to the cloud; keep leaves a copy on the way.
func (w *world) deliver(i int, keep bool) bool {
	if i >= len(w.up) {
		return false
	}
	if keep {
		if w.left.doubles == 0 {
			return false
		}
		w.left.doubles--
	}
	m := w.up[i]
	if !keep {
		w.up = append(append([]message{}, w.up[:i]...), w.up[i+1:]...)
	}
	w.down = append(w.down, w.cloud.take(m)...)
	return true
}

func (w *world) loseMessage() bool {
	if len(w.up) == 0 || w.left.losses == 0 {
		return false
	}
	w.left.losses--
	w.up = w.up[1:]
	return true
}

func (w *world) sync() bool {
	l := w.cloud.log
	if l.synced == len(l.records) {
		return false
	}
	l.sync()
	w.down = append(w.down, w.cloud.answers()...)
	return true
}

// answer brings the i-th ack to the gateway, or loses it.
func (w *world) answer(i int, lose bool) bool {
	if i >= len(w.down) || lose && w.left.losses == 0 {
		return false
	}
	payload := w.down[i]
	w.down = append(append([][]byte{}, w.down[:i]...), w.down[i+1:]...)
	if lose {
		w.left.losses--
		return true
	}
	a, err := wire.DecodeAck(payload)
	if err != nil {
		w.failed("an ack cannot be read: %v", err)
		return true
	}
	w.letGo(a)
	return true
}

// letGo hands an ack to the spool. What it names and was published counts as released from here on.
func (w *world) letGo(a wire.Ack) {
	w.sp.Ack(a)
	if a.Inventory != 0 {
		w.answered = append(w.answered, fmt.Sprint(len(w.order), a.Inventory))
	}
	for _, r := range a.Durable {
		for seq := r.From; seq < r.To; seq++ {
			w.released[point.BatchID{Epoch: r.Epoch, Lane: r.Lane, Seq: seq}] = true
		}
	}
}

// breakLink returns everything in flight to the spool; what is under way may still arrive.
func (w *world) breakLink() bool {
	if w.sp.InFlight() == 0 {
		return false
	}
	w.sp.FailAll()
	return true
}

// crashGateway is a power cut of which the unsynced transactions survive or not; torn makes it fall between append and sync.
func (w *world) crashGateway(survive int, torn bool) bool {
	if w.left.gatewayCrashes == 0 {
		return false
	}
	if torn {
		j := w.sp.Next(w.now, point.Critical)
		if j == nil {
			return false
		}
		w.crit.FailSync(errTorn)
		j.Run()
	}
	w.left.gatewayCrashes--
	w.crit, w.tele = w.crit.Crash(survive, true), w.tele.Crash(survive, true)
	w.open()
	return true
}

var errTorn = fmt.Errorf("the power was cut before the sync was done")

func (w *world) crashCloud() bool {
	if w.left.cloudCrashes == 0 {
		return false
	}
	w.left.cloudCrashes--
	w.cloud = w.cloud.crash()
	return true
}

// durable returns what the cloud is sure to hold.
func (w *world) durable() (held map[laneKey]*interval.Set, gaps map[laneKey]*interval.Set, open map[laneKey]uint64) {
	held, gaps, open = map[laneKey]*interval.Set{}, map[laneKey]*interval.Set{}, map[laneKey]uint64{}
	contents := map[point.BatchID][]byte{}
	for _, r := range w.cloud.log.records[:w.cloud.log.synced] {
		if r.Kind != log.Batch {
			continue
		}
		h, err := wire.Verify(r.Payload, wire.DefaultLimits())
		if err != nil {
			w.failed("the log holds what is no batch: %v", err)
			continue
		}
		if before, twice := contents[h.ID()]; twice && !bytes.Equal(before, r.Payload) {
			w.failed("I2: %v has two contents in the log", h.ID())
		}
		contents[h.ID()] = r.Payload
		setOf(held, laneKey{h.Epoch, h.Lane}).AddOne(h.Seq)
		b, err := spooltest.Open(r.Payload)
		if err != nil {
			w.failed("reading %v: %v", h.ID(), err)
		}
		for _, g := range b.Gaps {
			k := laneKey{g.Epoch, g.Lane}
			if g.To == 0 {
				open[k] = g.From
			} else {
				setOf(gaps, k).Add(interval.Interval{From: g.From, To: g.To})
			}
		}
	}
	return held, gaps, open
}

func setOf(of map[laneKey]*interval.Set, k laneKey) *interval.Set {
	if of[k] == nil {
		of[k] = new(interval.Set)
	}
	return of[k]
}

// check is what must hold after each step: I3 and I4.
func (w *world) check() {
	held, _, _ := w.durable()
	for id := range w.released {
		if !setOf(held, laneKey{id.Epoch, id.Lane}).Has(id.Seq) {
			w.failed("I4: %v was acknowledged and is not durable in the cloud", id)
		}
	}
}

// peace lets everything work until nothing is left to do, and wants every seq accounted for (I10).
func (w *world) peace() {
	w.sp.FailAll()
	for round := 0; ; round++ {
		if round == 50 {
			w.failed("I10: after %d rounds of peace batches are still pending", round)
			return
		}
		if w.sp.GapsWaiting() {
			w.add(point.Critical)
		}
		w.now += 100
		for w.disk(point.Critical) || w.disk(point.Telemetry) || w.publish() {
		}
		w.inventory()
		for w.deliver(0, false) {
		}
		w.sync()
		for w.answer(0, false) {
		}
		c, t := w.sp.Counts(point.Critical), w.sp.Counts(point.Telemetry)
		if c.RAM.Batches+c.Stored.Batches+t.RAM.Batches+t.Stored.Batches == 0 && len(w.sp.Undeclared()) == 0 {
			break
		}
		w.sp.FailAll()
	}
	w.check()
	held, gaps, open := w.durable()
	for k, next := range w.given {
		for seq := range next {
			from, isOpen := open[k]
			if !setOf(held, k).Has(seq) && !setOf(gaps, k).Has(seq) && (!isOpen || seq < from) {
				w.failed("I10: %v/%v/%d is neither in the cloud nor in a gap", k.epoch, k.lane, seq)
			}
		}
	}
	for id, frame := range w.published {
		if h, err := wire.Verify(frame, wire.DefaultLimits()); err != nil || h.ID() != id {
			w.failed("I1: what was published as %v is %v now", id, h.ID())
		}
	}
	for c := range w.told {
		if !w.cloudHas(c) {
			w.failed("I5: the critical content %d was told durable and is not in the cloud", c)
		}
	}
}

func (w *world) cloudHas(content uint64) bool {
	for _, r := range w.cloud.log.records[:w.cloud.log.synced] {
		if r.Kind != log.Batch {
			continue
		}
		if b, err := spooltest.Open(r.Payload); err == nil && b.Content == content {
			return true
		}
	}
	return false
}

// fingerprint tells states apart as far as their future can differ.
func (w *world) fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v|%d|%v|%v|", w.left, w.now, w.sp.Undeclared(), w.answered)
	for _, l := range []point.Lane{point.Critical, point.Telemetry} {
		fmt.Fprintf(&b, "%+v %v|", w.sp.Counts(l), w.job[l-point.Telemetry] != nil)
	}
	for _, st := range []*spooltest.Store{w.crit, w.tele} {
		fmt.Fprintf(&b, "%d %d %d|", st.Written(), st.Unsynced(), st.Held())
	}
	for _, m := range w.up {
		fmt.Fprintf(&b, "%s%x,", m.channel, summary(m.payload))
	}
	for _, a := range w.down {
		fmt.Fprintf(&b, "ack%x,", a)
	}
	for i, r := range w.cloud.log.records {
		fmt.Fprintf(&b, "%d%x%v,", r.Kind, summary(r.Payload), i < w.cloud.log.synced)
	}
	ids := make([]string, 0, len(w.released))
	for id := range w.released {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	fmt.Fprint(&b, ids)
	return b.String()
}

// summary names a payload: a frame by its identity, everything else in full.
func summary(payload []byte) string {
	if h, err := wire.ParseHeader(payload); err == nil {
		return h.ID().String()
	}
	return string(payload)
}
