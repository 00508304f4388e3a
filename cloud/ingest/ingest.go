package ingest

import (
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/notify"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Publisher sends to gateways; a broker is one.
type Publisher interface {
	Publish(topic string, payload []byte, qos byte, retained bool) error
}

// Gateway names one gateway of one venue.
type Gateway struct{ Venue, Gateway point.ID }

// Options describe an Ingest.
type Options struct {
	Log       log.Log
	Publisher Publisher
	Gateways  []Gateway // those that the configuration knows
	Limits    wire.Limits
	// Signatures judges the signatures that batches carry; nil overlooks them.
	Signatures Signatures
	// RequireSigned refuses batches without a signature.
	RequireSigned bool
	// Reached returns the offset below which the venues have applied the log; what is late there slows backlogs down, and keeps them out of
	// the log until it is their turn: Applied has to be called then. Nil for no limit.
	Reached func() uint64
	Now     func() time.Time // nil for time.Now
	Logger  *slog.Logger     // nil for none
}

// Limits of what is kept in memory for one gateway.
const (
	maxStatusBytes = 64 << 10
	maxEpochs      = 4096
	maxHoles       = 1 << 14 // in what is durable of one lane of an epoch; 16 bytes each
	maxTables      = 1024
	wantAgain      = 5 * time.Second
	commandLife    = 30 * time.Second
	warnAgain      = time.Minute
)

// Ingest is the door of the aggregator. Handle is safe for concurrent use.
type Ingest struct {
	o        Options
	failed   chan struct{}
	credits  credits
	backlogs backlogs
	pulse    notify.Pulse // of Run

	mu       sync.Mutex
	gateways map[Gateway]*gateway
	pending  []pending // ascending by offset
	stats    Stats
	warned   map[string]time.Time
	wanted   map[want]time.Time // until when it is not said again
	commands uint64
	err      error
}

// Stats are totals since the process started.
type Stats struct {
	Appended   uint64            // records that went into the log
	Bytes      uint64            // their payloads
	Duplicates uint64            // batches left out because the same content was durable already, or waited for its turn
	Acked      uint64            // batches named by an ack, repetitions included
	Refused    map[string]uint64 // by reason
	Replaying  int               // gateways that sent a backlog lately
	ReplayRate uint64            // bytes a second that they may send together; 0 before the first
	Waiting    int               // batches of backlogs that wait for their turn, in memory
}

type gateway struct {
	key       Gateway
	lanes     map[laneKey]*interval.Set // durable
	prints    fingerprint.Book
	tables    map[point.TableHash]bool // durable
	assembler wire.TableAssembler
}

type laneKey struct {
	epoch point.Epoch
	lane  point.Lane
}

type pending struct {
	offset uint64
	gw     *gateway
	batch  point.BatchID
	print  fingerprint.Print
	listed map[point.Epoch]bool // by an inventory; nil when there may be others
	table  point.TableHash      // when kind is a complete table
	kind   log.Kind
	number uint64 // of an inventory
	ask    []wire.Range
}

// want is what a gateway was asked for, or told.
type want struct {
	gw   Gateway
	hash point.TableHash
	told string
}

// New returns an Ingest. Feed it what the log holds with Recover, then call Run and Handle.
func New(o Options) *Ingest {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	in := &Ingest{o: o, failed: make(chan struct{}), gateways: map[Gateway]*gateway{},
		warned: map[string]time.Time{}, wanted: map[want]time.Time{}}
	in.stats.Refused = map[string]uint64{}
	for _, g := range o.Gateways {
		in.gateways[g] = &gateway{key: g, lanes: map[laneKey]*interval.Set{}, tables: map[point.TableHash]bool{}}
	}
	return in
}

// Failed is closed when the log failed; Err says why. The process must end.
func (in *Ingest) Failed() <-chan struct{} { return in.failed }

// Err returns why the log failed, nil when it did not.
func (in *Ingest) Err() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

// Stats returns the totals.
func (in *Ingest) Stats() Stats {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.stats
	rate, n := in.credits.state()
	s.ReplayRate, s.Replaying = uint64(rate), n
	s.Waiting, _ = in.backlogs.held()
	s.Refused = make(map[string]uint64, len(in.stats.Refused))
	maps.Copy(s.Refused, in.stats.Refused)
	return s
}

// Recover learns from a record that the log held when the process started, and which is therefore durable.
func (in *Ingest) Recover(r log.Record) {
	in.mu.Lock()
	defer in.mu.Unlock()
	gw := in.gateways[Gateway{r.Venue, r.Gateway}]
	if gw == nil {
		return
	}
	switch r.Kind {
	case log.Batch:
		if h, err := wire.ParseHeader(r.Payload); err == nil {
			gw.mark(h.ID(), fingerprint.Of(r.Payload))
		}
	case log.Table:
		if _, hash, done, err := gw.assembler.Add(r.Payload); err == nil && done {
			gw.tables[hash] = true
		}
	}
}

// Handle takes one message of a gateway; the broker vouches for the topic's venue and gateway. It does not keep payload.
func (in *Ingest) Handle(t wire.Topic, payload []byte, received time.Time) {
	in.mu.Lock()
	gw := in.gateways[Gateway{t.Venue, t.Gateway}]
	in.mu.Unlock()
	if gw == nil {
		in.refuse(t, "unknown-gateway", fmt.Errorf("gateway %s of venue %s is not configured", t.Gateway, t.Venue))
		return
	}
	switch t.Channel {
	case wire.Live, wire.Replay, wire.Critical:
		in.handleBatch(gw, t, payload, received)
	case wire.Table:
		in.handleTable(gw, t, payload, received)
	case wire.InvCh:
		in.handleInventory(gw, t, payload, received)
	case wire.StatusCh:
		in.handleStatus(gw, t, payload, received)
	case wire.ReplyCh:
		in.handleReply(t, payload)
	default:
		in.refuse(t, "wrong-channel", fmt.Errorf("a gateway does not publish on %s", t.Channel))
	}
}

func (in *Ingest) handleBatch(gw *gateway, t wire.Topic, payload []byte, received time.Time) {
	h, reason, err := in.formed(t, payload)
	if err == nil {
		reason, err = in.vouched(t, payload)
	}
	if err != nil {
		in.refuse(t, reason, err)
		return
	}
	d := delayed{gw: gw, topic: t, header: h, print: fingerprint.Of(payload), payload: payload, received: received}
	if t.Channel == wire.Replay {
		in.credits.replayed(gw.key, len(payload), in.o.Now())
		if in.o.Reached != nil {
			in.handleBacklog(d)
			return
		}
	}
	if _, _, reason, err = in.takeBatch(d); err != nil {
		in.refuse(t, reason, err)
	}
}

// handleBacklog takes a batch of a backlog into the log when its turn comes. One that is durable is acked at once.
func (in *Ingest) handleBacklog(d delayed) {
	if in.repeated(&d) {
		return
	}
	switch in.backlogs.put(d) {
	case now:
		in.takeTurn(&d)
		in.takeTurns()
	case later:
		in.takeTurns() // what was under way may have ended since
	case again:
		in.mu.Lock()
		in.stats.Duplicates++
		in.mu.Unlock()
	}
}

// Applied says that the venues have applied the log's records below an offset: what waits behind them is taken into the log.
func (in *Ingest) Applied(below uint64) {
	if in.backlogs.applied(below) {
		in.takeTurns()
	}
}

// takeTurns takes in what waits, as far as it may go.
func (in *Ingest) takeTurns() {
	for d := in.backlogs.next(); d != nil; d = in.backlogs.next() {
		in.takeTurn(d)
	}
}

func (in *Ingest) takeTurn(d *delayed) {
	at, fresh, reason, err := in.takeBatch(*d)
	if err != nil {
		in.refuse(d.topic, reason, err)
	}
	if fresh {
		in.backlogs.lands(d.header, at)
	} else {
		in.backlogs.drops(d.header)
	}
}

// formed reports why a batch is refused for its form, with the reason's label.
func (in *Ingest) formed(t wire.Topic, payload []byte) (h wire.Header, reason string, err error) {
	if h, err = wire.Verify(payload, in.o.Limits); err != nil {
		return h, wire.Reason(err), err
	}
	if (t.Channel == wire.Critical) != (h.Lane == point.Critical) {
		return h, "wrong-lane", fmt.Errorf("a batch of lane %s came on %s", h.Lane, t.Channel)
	}
	return h, "", nil
}

// takeBatch puts a batch that somebody vouched for into the log, at the offset that it returns, or acks it again if that very content is
// durable. A refusal comes with its label.
func (in *Ingest) takeBatch(d delayed) (at uint64, fresh bool, reason string, err error) {
	if in.repeated(&d) {
		return 0, false, "", nil
	}
	in.mu.Lock()
	l := d.gw.lane(d.header.Epoch, d.header.Lane)
	in.mu.Unlock()
	if l == nil {
		return 0, false, "too-many-epochs", fmt.Errorf("gateway %s has %d epochs, its limit", d.topic.Gateway, maxEpochs)
	}
	at, fresh = in.append(d.gw, log.Batch, d.payload, d.received, pending{batch: d.header.ID(), print: d.print})
	return at, fresh, "", nil
}

// repeated acks a batch again whose very content is durable, and reports whether it is.
func (in *Ingest) repeated(d *delayed) bool {
	in.mu.Lock()
	durable := d.gw.holds(d.header.ID(), d.print)
	if durable {
		in.stats.Duplicates++
	}
	in.mu.Unlock()
	if durable {
		h := &d.header
		in.ack(d.gw, wire.Ack{Durable: []wire.Range{{Epoch: h.Epoch, Lane: h.Lane, From: h.Seq, To: h.Seq + 1}}})
	}
	return durable
}

func (in *Ingest) handleTable(gw *gateway, t wire.Topic, payload []byte, received time.Time) {
	if len(payload) > in.o.Limits.MaxFrameBytes && in.o.Limits.MaxFrameBytes > 0 {
		in.refuse(t, "too-large", fmt.Errorf("part of %d bytes, at most %d are allowed", len(payload), in.o.Limits.MaxFrameBytes))
		return
	}
	if len(payload) == 0 {
		return // a released table's retained message is cleared
	}
	in.mu.Lock()
	if gw.tables[t.Hash] {
		in.mu.Unlock()
		in.ack(gw, wire.Ack{Tables: []point.TableHash{t.Hash}})
		return
	}
	if len(gw.tables) >= maxTables {
		in.mu.Unlock()
		in.refuse(t, "too-many-tables", fmt.Errorf("gateway %s has %d point tables, its limit", t.Gateway, maxTables))
		return
	}
	_, hash, done, err := gw.assembler.AddFrom(t, payload)
	in.mu.Unlock()
	if err != nil {
		in.refuse(t, wire.Reason(err), err)
		return
	}
	p := pending{}
	if done {
		p.table = hash
	}
	in.append(gw, log.Table, payload, received, p)
}

func (in *Ingest) handleInventory(gw *gateway, t wire.Topic, payload []byte, received time.Time) {
	if len(payload) > wire.MaxInventoryBytes {
		in.refuse(t, "too-large", fmt.Errorf("inventory of %d bytes, at most %d are allowed", len(payload), wire.MaxInventoryBytes))
		return
	}
	inv, err := wire.DecodeInventory(payload)
	if err != nil {
		in.refuse(t, wire.Reason(err), err)
		return
	}
	p := pending{number: inv.Number, listed: listed(&inv)}
	for _, e := range inv.Epochs {
		for _, l := range e.Lanes {
			for _, r := range l.Pending {
				p.ask = append(p.ask, wire.Range{Epoch: e.Epoch, Lane: l.Lane, From: r.From, To: r.To})
			}
		}
	}
	in.append(gw, log.Inventory, payload, received, p)
}

func (in *Ingest) handleStatus(gw *gateway, t wire.Topic, payload []byte, received time.Time) {
	if len(payload) > maxStatusBytes {
		in.refuse(t, "too-large", fmt.Errorf("status of %d bytes, at most %d are allowed", len(payload), maxStatusBytes))
		return
	}
	if len(payload) > 0 {
		in.learn(t, payload)
		in.append(gw, log.Status, payload, received, pending{})
	}
}

func (in *Ingest) handleReply(t wire.Topic, payload []byte) {
	r, err := wire.DecodeReply(payload)
	if err != nil {
		in.refuse(t, wire.Reason(err), err)
		return
	}
	if r.Error != "" {
		in.o.Logger.Warn("a gateway could not do what it was asked", "venue", t.Venue, "gateway", t.Gateway, "command", r.ID, "err", r.Error)
	}
}

// append puts a record into the log and remembers what to say once it is synced. It returns where, unless the log has failed.
func (in *Ingest) append(gw *gateway, kind log.Kind, payload []byte, received time.Time, p pending) (at uint64, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return 0, false
	}
	off, err := in.o.Log.Append(log.Record{Kind: kind, Venue: gw.key.Venue, Gateway: gw.key.Gateway, Received: received, Payload: payload})
	if err != nil {
		in.err = fmt.Errorf("appending to the log: %w", err)
		close(in.failed)
		return 0, false
	}
	p.offset, p.gw, p.kind = off, gw, kind
	in.pending = append(in.pending, p)
	in.stats.Appended++
	in.stats.Bytes += uint64(len(payload))
	return off, true
}

// refuse counts a refusal and logs it once a minute for each gateway and reason.
func (in *Ingest) refuse(t wire.Topic, reason string, err error) {
	now := in.o.Now()
	key := string(t.Venue) + "/" + string(t.Gateway) + "/" + reason
	in.mu.Lock()
	in.stats.Refused[reason]++
	say := now.Sub(in.warned[key]) >= warnAgain
	if say {
		in.warned[key] = now
	}
	in.mu.Unlock()
	if say {
		in.o.Logger.Warn("refused what a gateway sent", "venue", t.Venue, "gateway", t.Gateway, "channel", t.Channel, "reason", reason, "err", err)
	}
}
