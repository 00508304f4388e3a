package faults

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Audit is what the log of a scenario held.
type Audit struct {
	Records, Batches, Doubles int // doubles: batches that the log holds more than once
	Epochs, Unclean           int
	Gaps                      int
	LostBeats, Beats          int           // values of beating registers that are not in the log, of so many
	Unread                    int           // of LostBeats: the gateway was too busy to read the register meanwhile
	LongestLoss               time.Duration // of beats before a kill, measured from the first value lost
}

func (a *Audit) print(w io.Writer) {
	fmt.Fprintf(w, "  log: %d records, %d batches, %d of them twice; %d epochs, %d unclean, %d gaps; %d of %d beats lost, %d of them never read, the others declared, %v before a kill at most\n",
		a.Records, a.Batches, a.Doubles, a.Epochs, a.Unclean, a.Gaps, a.LostBeats, a.Beats, a.Unread, a.LongestLoss.Round(time.Millisecond))
}

// ledger is what the aggregator's log says, read without the venue's code.
type ledger struct{ gateways map[point.ID]*account }

type laneKey struct {
	epoch point.Epoch
	lane  point.Lane
}

// account is everything that one gateway sent.
type account struct {
	id        point.ID
	assembler wire.TableAssembler
	tables    map[point.TableHash][]point.Point
	waiting   [][]byte // frames whose table has not come

	held      map[laneKey]*interval.Set
	hashes    map[point.BatchID][32]byte
	gaps      map[laneKey]*interval.Set
	openFrom  map[laneKey]uint64 // open gaps
	next      map[laneKey]uint64 // as the newest inventory said
	pending   map[laneKey]*interval.Set
	order     []point.Epoch // as inventories tell
	clean     map[point.Epoch]bool
	known     map[point.Epoch]bool
	first     map[point.Epoch]time.Time // of the epoch's samples
	last      map[point.Epoch]time.Time
	totals    map[string]map[uint64]uint64 // point → run → largest total
	passed    map[string]map[[16]byte]bool // event point → keys seen
	lost      map[string]uint64            // event point's device → events that gaps declare lost
	unknown   int                          // gaps of points that do not say how many
	beaten    map[string]map[uint16]bool   // beating register → values seen
	bad       []time.Time                  // when a beating register went bad
	reads     []time.Time                  // source times of counters' samples: when the device was read, about
	conflicts []string
}

func newAccount(id point.ID) *account {
	return &account{id: id, tables: map[point.TableHash][]point.Point{}, held: map[laneKey]*interval.Set{}, hashes: map[point.BatchID][32]byte{},
		gaps: map[laneKey]*interval.Set{}, openFrom: map[laneKey]uint64{}, next: map[laneKey]uint64{}, pending: map[laneKey]*interval.Set{},
		clean: map[point.Epoch]bool{}, known: map[point.Epoch]bool{}, first: map[point.Epoch]time.Time{}, last: map[point.Epoch]time.Time{},
		totals: map[string]map[uint64]uint64{}, passed: map[string]map[[16]byte]bool{}, lost: map[string]uint64{}, beaten: map[string]map[uint16]bool{}}
}

func setOf(of map[laneKey]*interval.Set, k laneKey) *interval.Set {
	if of[k] == nil {
		of[k] = new(interval.Set)
	}
	return of[k]
}

// readLog reads the whole log of an aggregator that has ended.
func readLog(dir string, a *Audit) (*ledger, error) {
	l, err := log.Open(dir, log.Options{})
	if err != nil {
		return nil, fmt.Errorf("auditing the log: %w", err)
	}
	defer l.Close() // nothing was written
	out := &ledger{gateways: map[point.ID]*account{}}
	dec, err := wire.NewDecoder(wire.DefaultLimits())
	if err != nil {
		return nil, err
	}
	first, next := l.Bounds()
	if first > 0 {
		return nil, fmt.Errorf("auditing the log: it begins at offset %d; what was trimmed cannot be judged", first)
	}
	if next == 0 {
		return out, nil
	}
	for r, err := range l.Read(context.Background(), first) {
		if err != nil {
			return nil, fmt.Errorf("auditing the log at offset %d: %w", r.Offset, err)
		}
		a.Records++
		g := out.gateways[r.Gateway]
		if g == nil {
			g = newAccount(r.Gateway)
			out.gateways[r.Gateway] = g
		}
		if err := g.take(r, dec, a); err != nil {
			return nil, fmt.Errorf("auditing the log at offset %d: %w", r.Offset, err)
		}
		if r.Offset+1 == next {
			break
		}
	}
	for _, g := range out.gateways {
		if len(g.waiting) > 0 {
			g.conflicts = append(g.conflicts, fmt.Sprintf("%s: %d batches name a table that never came", g.id, len(g.waiting)))
		}
	}
	return out, nil
}

func (g *account) take(r log.Record, dec *wire.Decoder, a *Audit) error {
	switch r.Kind {
	case log.Table:
		points, hash, done, err := g.assembler.Add(r.Payload)
		if err != nil || !done {
			return err
		}
		g.tables[hash] = points
		waiting := g.waiting
		g.waiting = nil
		for _, frame := range waiting {
			if err := g.batch(frame, dec, a); err != nil {
				return err
			}
		}
	case log.Inventory:
		inv, err := wire.DecodeInventory(r.Payload)
		if err != nil {
			return err
		}
		g.inventory(inv)
	case log.Batch:
		return g.batch(r.Payload, dec, a)
	}
	return nil
}

func (g *account) epoch(e point.Epoch) {
	if !g.known[e] {
		g.known[e] = true
		g.order = append(g.order, e)
	}
}

func (g *account) inventory(inv wire.Inventory) {
	clear(g.pending)
	for _, e := range inv.Epochs {
		g.epoch(e.Epoch)
		g.clean[e.Epoch] = e.Clean || e.Open
		for _, l := range e.Lanes {
			k := laneKey{e.Epoch, l.Lane}
			g.next[k] = max(g.next[k], l.Next)
			for _, p := range l.Pending {
				setOf(g.pending, k).Add(interval.Interval{From: p.From, To: p.To})
			}
		}
	}
}

func (g *account) batch(frame []byte, dec *wire.Decoder, a *Audit) error {
	h, err := wire.Verify(frame, wire.DefaultLimits())
	if err != nil {
		return err
	}
	table, ok := g.tables[h.Table]
	if !ok {
		g.waiting = append(g.waiting, append([]byte(nil), frame...))
		return nil
	}
	a.Batches++
	hash := wire.FrameHash(frame)
	if before, twice := g.hashes[h.ID()]; twice {
		a.Doubles++
		if before != hash {
			g.conflicts = append(g.conflicts, fmt.Sprintf("I1: %s: batch %s has two contents", g.id, h.ID()))
		}
		return nil
	}
	g.hashes[h.ID()] = hash
	g.epoch(h.Epoch)
	k := laneKey{h.Epoch, h.Lane}
	setOf(g.held, k).AddOne(h.Seq)
	var b wire.Batch
	if _, err := dec.Decode(frame, table, &b); err != nil {
		return err
	}
	g.gapsOf(&b, table, a)
	g.samples(&b, table, h.Epoch)
	return nil
}

func (g *account) gapsOf(b *wire.Batch, table []point.Point, a *Audit) {
	for _, gap := range b.Gaps {
		a.Gaps++
		if gap.PointKnown {
			if p := &table[gap.Index]; p.Class == point.Event {
				g.lost[string(p.Device)] += gap.Count
				if gap.Count == 0 {
					g.unknown++
				}
			}
			continue
		}
		k := laneKey{gap.Epoch, gap.Lane}
		if gap.To == 0 {
			if from, ok := g.openFrom[k]; !ok || gap.From < from {
				g.openFrom[k] = gap.From
			}
			continue
		}
		setOf(g.gaps, k).Add(interval.Interval{From: gap.From, To: gap.To})
	}
}
