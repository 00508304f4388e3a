package spool_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/spool/spooltest"
	"github.com/courtside-edge/courtside/sync/wire"
)

// The machine drives a spool through random events, with crashes at each step, beside a model that remembers
// everything that was ever published, acknowledged, declared or told to a device. The invariants are checked after each step.

type laneKey struct {
	epoch point.Epoch
	lane  point.Lane
}

type machine struct {
	t          *rapid.T
	crit, tele *spooltest.Store
	sp         *spool.Spool
	jobs       map[point.Lane]*spool.Job // out; ran or not
	ran        map[point.Lane]bool
	now        int64
	content    uint64
	draws      byte
	pages      int // batches of a page

	published map[point.BatchID][]byte  // I1: what a number named when it first left
	given     map[laneKey]uint64        // seqs below were given, as far as Append told
	acked     map[laneKey]*interval.Set // named by an ack while they were held
	declared  map[laneKey]*interval.Set // in gaps that the spool handed out
	openGap   map[laneKey]bool          // an open gap was handed out
	durable   map[uint64]point.BatchID  // critical content told durable
	cursorOf  map[uint64]uint64         // critical content → cursor that came with it
	clean     map[point.Epoch]bool      // closed cleanly
	order     []point.Epoch             // of openings
	frozen    map[laneKey]uint64        // I8: next of epochs that ended, as inventories tell
	taken     map[point.BatchID]bool
	carriers  map[uint64][]point.Gap // critical content → gaps that it carries
}

func newMachine(t *rapid.T) *machine {
	m := &machine{t: t, pages: rapid.SampledFrom([]int{0, 1, 2, 3, 5}).Draw(t, "batches of a page"), crit: spooltest.New(), tele: spooltest.New(), now: int64(time.Hour),
		published: map[point.BatchID][]byte{}, given: map[laneKey]uint64{}, acked: map[laneKey]*interval.Set{},
		declared: map[laneKey]*interval.Set{}, openGap: map[laneKey]bool{}, durable: map[uint64]point.BatchID{},
		cursorOf: map[uint64]uint64{}, clean: map[point.Epoch]bool{}, frozen: map[laneKey]uint64{}, carriers: map[uint64][]point.Gap{}}
	m.open()
	return m
}

func (m *machine) open() {
	m.draws++
	sp, err := spool.Open(spool.Options{Critical: m.crit, Telemetry: m.tele, Window: 700, SpillAfter: 100, Limit: 900, CriticalLimit: 1 << 20,
		Retry: 10, PageBatches: m.pages, Draw: func() point.Epoch { return point.Epoch{m.draws} }})
	if err != nil {
		m.t.Fatalf("opening: %v", err)
	}
	rec := sp.Recovery()
	if n := len(m.order); n > 0 {
		last := m.order[n-1]
		if rec.Predecessor != last {
			m.t.Fatalf("I8: predecessor %v, want %v", rec.Predecessor, last)
		}
		if rec.Unclean == m.clean[last] {
			m.t.Fatalf("I8: unclean %v of epoch %v that closed clean %v", rec.Unclean, last, m.clean[last])
		}
	}
	m.sp, m.jobs, m.ran, m.taken = sp, map[point.Lane]*spool.Job{}, map[point.Lane]bool{}, map[point.BatchID]bool{}
	m.order = append(m.order, sp.Epoch())
	m.sp.UseTable(spooltest.TableHash(), [][]byte{[]byte("table part 0"), []byte("table part 1")})
	m.checkDurable()
}

func set(of map[laneKey]*interval.Set, k laneKey) *interval.Set {
	if of[k] == nil {
		of[k] = new(interval.Set)
	}
	return of[k]
}

func (m *machine) append(lane point.Lane) {
	m.content++
	c := m.content
	count := uint32(rapid.IntRange(1, 60).Draw(m.t, "count"))
	body := spooltest.Body{Content: c}
	var cursors []point.Cursor
	gaps := false
	if lane == point.Critical {
		cursors = []point.Cursor{{Device: "plc-1", Name: "ring", Bytes: binary.BigEndian.AppendUint64(nil, c)}}
		if rapid.Bool().Draw(m.t, "carry gaps") {
			body.Gaps = m.sp.Gaps()
			gaps = len(body.Gaps) > 0
			count = 0
		}
	}
	first, last := m.now, m.now+1
	if count == 0 {
		first, last = 0, 0
	}
	id, err := m.sp.Append(m.now, spooltest.Frame(lane, spooltest.TableHash(), first, last, count, body), cursors, gaps)
	if errors.Is(err, spool.ErrBacklogged) && lane == point.Critical {
		if m.sp.ReturnGaps(); m.sp.Counts(lane).Queued.Batches == 0 {
			m.t.Fatalf("backlogged with nothing queued")
		}
		return
	}
	if err != nil {
		m.t.Fatalf("appending: %v", err)
	}
	k := laneKey{id.Epoch, id.Lane}
	if id.Epoch != m.sp.Epoch() || id.Seq != m.given[k] {
		m.t.Fatalf("I8: batch %v, want seq %d of the open epoch", id, m.given[k])
	}
	m.given[k]++
	if lane == point.Critical {
		m.cursorOf[c] = c
		if gaps {
			m.carriers[c] = body.Gaps
		}
	}
}

// job moves the disk work of a lane one step on: out, run, finished.
func (m *machine) job(lane point.Lane) {
	switch j := m.jobs[lane]; {
	case j == nil:
		if j := m.sp.Next(m.now, lane); j != nil {
			m.jobs[lane] = j
		}
	case !m.ran[lane]:
		j.Run()
		m.ran[lane] = true
	default:
		fx := m.sp.Finish(m.now, j)
		delete(m.jobs, lane)
		m.ran[lane] = false
		for _, id := range fx.Durable {
			m.durable[m.contentOf(id)] = id
		}
		m.checkDurable()
	}
}

func (m *machine) contentOf(id point.BatchID) uint64 {
	b, err := spooltest.Open(m.stored(m.crit, id))
	if err != nil {
		m.t.Fatalf("durable batch %v: %v", id, err)
	}
	return b.Content
}

func (m *machine) stored(st *spooltest.Store, id point.BatchID) []byte {
	first, _ := st.Bounds()
	for rec, err := range st.Scan(first) {
		if h, herr := wire.Verify(rec.Bytes, wire.Limits{}); err == nil && herr == nil && h.ID() == id {
			return rec.Bytes
		}
	}
	m.t.Fatalf("batch %v is not in the store", id)
	return nil
}

// checkDurable is I5 and the promise to devices: a critical batch told durable is held or acknowledged, and the cursor is at
// least as far as it was told.
func (m *machine) checkDurable() {
	top := uint64(0)
	for c, id := range m.durable {
		k := laneKey{id.Epoch, id.Lane}
		if !m.held(id) && !set(m.acked, k).Has(id.Seq) {
			m.t.Fatalf("durable batch %v is neither held nor acknowledged", id)
		}
		top = max(top, m.cursorOf[c])
	}
	b, ok := m.sp.Cursor("plc-1", "ring")
	if top == 0 {
		return
	}
	if !ok || binary.BigEndian.Uint64(b) < top {
		m.t.Fatalf("I5: the cursor is %v, batches up to %d were told durable", b, top)
	}
}

func (m *machine) held(id point.BatchID) bool {
	for _, e := range m.sp.Inventory().Epochs {
		for _, l := range e.Lanes {
			for _, p := range l.Pending {
				if e.Epoch == id.Epoch && l.Lane == id.Lane && p.From <= id.Seq && id.Seq < p.To {
					return true
				}
			}
		}
	}
	return false
}

func (m *machine) take() {
	tk, ok := m.sp.Take(m.now, spool.Grant{Window: int64(rapid.IntRange(1, 2000).Draw(m.t, "window")),
		LiveOnly: rapid.IntRange(0, 9).Draw(m.t, "live only") == 0, NoReplay: rapid.IntRange(0, 9).Draw(m.t, "no replay") == 0})
	if !ok {
		return
	}
	if m.taken[tk.ID] {
		m.t.Fatalf("batch %v was taken twice", tk.ID)
	}
	if err := tk.Load(); err != nil {
		m.t.Fatalf("loading: %v", err)
	}
	if rapid.Bool().Draw(m.t, "told what was loaded") {
		m.sp.Loaded(&tk)
	}
	h, err := wire.Verify(tk.Frame, wire.Limits{})
	if err != nil || h.ID() != tk.ID {
		m.t.Fatalf("batch %v is sealed as %v: %v", tk.ID, h.ID(), err)
	}
	if before, ok := m.published[tk.ID]; ok && !bytes.Equal(before, tk.Frame) {
		m.t.Fatalf("I1: batch %v has another content", tk.ID)
	}
	m.published[tk.ID] = bytes.Clone(tk.Frame)
	if tk.ID.Lane == point.Critical {
		m.stored(m.crit, tk.ID) // durable before it is offered
		if m.crit.Unsynced() > 0 && m.jobs[point.Critical] == nil {
			m.t.Fatalf("critical batch %v is offered with unsynced transactions", tk.ID)
		}
	}
	if tk.Channel == wire.Live && tk.Backlog || tk.ID.Lane == point.Critical && tk.Channel != wire.Critical {
		m.t.Fatalf("batch %v goes on %s", tk.ID, tk.Channel)
	}
	m.taken[tk.ID] = true
}

func (m *machine) anyTaken() (point.BatchID, bool) {
	var ids []point.BatchID
	for id := range m.taken {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return point.BatchID{}, false
	}
	low := ids[0]
	for _, id := range ids { // deterministic
		if fmt.Sprint(id) < fmt.Sprint(low) {
			low = id
		}
	}
	return low, true
}

// ack acknowledges what the cloud may truthfully acknowledge: a run of what was published.
func (m *machine) ack() {
	var ids []point.BatchID
	for _, ep := range m.order {
		for _, l := range []point.Lane{point.Critical, point.Telemetry} {
			for seq := range m.given[laneKey{ep, l}] {
				if id := (point.BatchID{Epoch: ep, Lane: l, Seq: seq}); m.published[id] != nil {
					ids = append(ids, id)
				}
			}
		}
	}
	if len(ids) == 0 {
		return
	}
	id := rapid.SampledFrom(ids).Draw(m.t, "acked")
	to := id.Seq + 1
	for m.published[point.BatchID{Epoch: id.Epoch, Lane: id.Lane, Seq: to}] != nil && rapid.Bool().Draw(m.t, "longer") {
		to++
	}
	set(m.acked, laneKey{id.Epoch, id.Lane}).Add(interval.Interval{From: id.Seq, To: to})
	a := wire.Ack{Durable: []wire.Range{{Epoch: id.Epoch, Lane: id.Lane, From: id.Seq, To: to}}}
	if rapid.IntRange(0, 3).Draw(m.t, "tables too") == 0 {
		a.Tables = []point.TableHash{spooltest.TableHash()}
	}
	m.sp.Ack(a)
	for seq := id.Seq; seq < to; seq++ {
		delete(m.taken, point.BatchID{Epoch: id.Epoch, Lane: id.Lane, Seq: seq})
		if m.held(point.BatchID{Epoch: id.Epoch, Lane: id.Lane, Seq: seq}) {
			m.t.Fatalf("%v/%d is held after its ack", id, seq)
		}
	}
}

// lie sends acks that no honest cloud sends; nothing may leave for them.
func (m *machine) lie() {
	before := m.heldSet()
	ep := m.sp.Epoch()
	next := m.given[laneKey{ep, point.Telemetry}]
	m.sp.Ack(wire.Ack{Durable: []wire.Range{
		{Epoch: point.Epoch{0xFF}, Lane: point.Critical, From: 0, To: 1 << 60},
		{Epoch: ep, Lane: point.Telemetry, From: 0, To: next + 1},
		{Epoch: ep, Lane: point.Lane(9), From: 0, To: 1},
		{Epoch: ep, Lane: point.Critical, From: 5, To: 5},
	}, Refused: []wire.Refused{{BatchID: point.BatchID{Epoch: point.Epoch{0xFE}, Lane: point.Critical}}},
		Inventory: 1 << 60})
	if after := m.heldSet(); before != after {
		m.t.Fatalf("I3: an impossible ack changed what is held from %s to %s", before, after)
	}
}

func (m *machine) heldSet() string { return fmt.Sprint(m.sp.Inventory().Epochs) }

// answer settles what an inventory shows as settled.
func (m *machine) answer() {
	inv := m.sp.Inventory()
	m.sp.Ack(wire.Ack{Inventory: inv.Number})
}

func (m *machine) crash() {
	survive := rapid.IntRange(0, 2).Draw(m.t, "unsynced that survive")
	forget := rapid.Bool().Draw(m.t, "releases forgotten")
	m.crit, m.tele = m.crit.Crash(survive, forget), m.tele.Crash(survive, forget)
	m.forget()
	m.open()
}

// forget corrects the model for a restart: what was never published has no number any more.
func (m *machine) forget() {
	for k := range m.given {
		if k.epoch == m.sp.Epoch() {
			m.frozen[k] = m.given[k]
		}
	}
}

func (m *machine) closeClean() {
	if len(m.jobs) > 0 {
		return
	}
	if err := m.sp.CloseClean(m.now); err != nil {
		m.t.Fatalf("closing: %v", err)
	}
	m.clean[m.sp.Epoch()] = true
	m.crit, m.tele = m.crit.Crash(0, false), m.tele.Crash(0, false)
	m.forget()
	m.open()
}

// check is I1, I3, I8 and the basis of I10: every number ever given is held, acknowledged, or declared, or
// lies in an epoch whose open gap is declared or waits to be.
func (m *machine) check() {
	if err := m.sp.Audit(); err != nil {
		m.t.Fatal(err)
	}
	held := map[laneKey]*interval.Set{}
	for _, e := range m.sp.Inventory().Epochs {
		for _, l := range e.Lanes {
			k := laneKey{e.Epoch, l.Lane}
			for _, p := range l.Pending {
				set(held, k).Add(interval.Interval{From: p.From, To: p.To})
			}
			if max, ok := m.frozen[k]; ok && l.Next > max {
				m.t.Fatalf("I8: ended epoch %v grew to %d, it had %d", k, l.Next, max)
			}
			if e.Open != (e.Epoch == m.sp.Epoch()) || e.Clean != m.clean[e.Epoch] {
				m.t.Fatalf("I8: inventory says open %v, clean %v of %v", e.Open, e.Clean, e.Epoch)
			}
		}
	}
	declared, open := m.gaps()
	for k, next := range m.given {
		if open[k] {
			continue
		}
		for seq := range next {
			if !set(held, k).Has(seq) && !set(m.acked, k).Has(seq) && !set(declared, k).Has(seq) {
				m.t.Fatalf("I3: %v/%d is neither held, acknowledged nor in a gap", k, seq)
			}
		}
	}
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		c := m.sp.Counts(l)
		if c.RAM.Batches+c.Stored.Batches != c.Queued.Batches+c.Live.Batches+c.Backlog.Batches+c.Taken.Batches+c.Sent.Batches+c.Refused.Batches ||
			int64(c.Backlog.Batches) < 0 {
			m.t.Fatalf("counts of %s do not add up: %+v", l, c)
		}
	}
	if c := m.sp.Counts(point.Telemetry); c.RAM.Bytes > 700+2000+700 {
		m.t.Fatalf("telemetry in RAM grew to %d bytes", c.RAM.Bytes)
	}
}

// gaps collects what is declared: in critical batches that are held or acknowledged, or waiting in the spool.
func (m *machine) gaps() (map[laneKey]*interval.Set, map[laneKey]bool) {
	closed, open := map[laneKey]*interval.Set{}, map[laneKey]bool{}
	note := func(g point.Gap) {
		k := laneKey{g.Epoch, g.Lane}
		if g.To == 0 {
			open[k] = true
		} else {
			set(closed, k).Add(interval.Interval{From: g.From, To: g.To})
		}
	}
	for _, g := range m.sp.Undeclared() {
		note(g)
	}
	for _, frame := range m.published {
		if b, err := spooltest.Open(frame); err == nil {
			for _, g := range b.Gaps {
				note(g)
			}
		}
	}
	for _, gaps := range m.durableCarriers() {
		for _, g := range gaps {
			note(g)
		}
	}
	return closed, open
}

func (m *machine) durableCarriers() (out [][]point.Gap) {
	first, _ := m.crit.Bounds()
	for rec, err := range m.crit.Scan(first) {
		if err != nil {
			continue
		}
		if b, err := spooltest.Open(rec.Bytes); err == nil {
			out = append(out, b.Gaps)
		}
	}
	return out
}

// testModel runs the machine. Actions named in often are listed several times, so that they are drawn more often.
func testModel(t *testing.T, often ...string) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		actions := map[string]func(*rapid.T){
			"telemetry": func(*rapid.T) { m.append(point.Telemetry) },
			"burst": func(*rapid.T) {
				for range 4 {
					m.append(point.Telemetry)
				}
			},
			"late":          func(*rapid.T) { m.now += 101; m.job(point.Telemetry); m.job(point.Telemetry); m.job(point.Telemetry) },
			"critical":      func(*rapid.T) { m.append(point.Critical) },
			"critical job":  func(*rapid.T) { m.job(point.Critical) },
			"telemetry job": func(*rapid.T) { m.job(point.Telemetry) },
			"time":          func(*rapid.T) { m.now += int64(rapid.IntRange(1, 80).Draw(t, "ns")) },
			"take":          func(*rapid.T) { m.take() },
			"ack":           func(*rapid.T) { m.ack() },
			"lie":           func(*rapid.T) { m.lie() },
			"answer":        func(*rapid.T) { m.answer() },
			"commit": func(*rapid.T) {
				if id, ok := m.anyTaken(); ok {
					m.sp.Commit(id)
				}
			},
			"fail": func(*rapid.T) {
				if id, ok := m.anyTaken(); ok {
					m.sp.Fail(id)
					delete(m.taken, id)
				}
			},
			"link lost": func(*rapid.T) { m.sp.FailAll(); clear(m.taken) },
			"crash":     func(*rapid.T) { m.crash() },
			"close":     func(*rapid.T) { m.closeClean() },
		}
		for i, name := range often {
			actions[fmt.Sprintf("%s, often %d", name, i)] = actions[name]
		}
		actions[""] = func(*rapid.T) { m.check() }
		t.Repeat(actions)
	})
}

// A published number names one content for ever, whatever is sent again, stored, crashed and opened again.
func TestI1ANumberNamesOneContentForEver(t *testing.T) {
	testModel(t, "take", "take", "link lost", "telemetry", "critical", "telemetry job", "critical job")
}

// Small limits and much traffic: batches drop, and each is in a gap.
func TestI3ABatchLeavesByAnAckOrWithAGap(t *testing.T) {
	testModel(t, "burst", "burst", "burst", "late", "late", "late", "critical job", "critical job", "critical", "take", "ack", "crash")
}

// Critical batches with cursors, and power cuts at each step of their way to the disk.
func TestI5ACursorCommitsWithItsBatch(t *testing.T) {
	testModel(t, "critical", "critical", "critical job", "critical job", "critical job", "take", "ack", "crash")
}

// Openings above all.
func TestI8EveryOpeningBeginsAnEpochThatNeverGrows(t *testing.T) {
	testModel(t, "crash", "close", "answer", "answer", "telemetry", "critical job", "take", "ack")
}
