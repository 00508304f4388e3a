package spool

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

const epochPrefix = "epoch/"

// epoch is one opening of the spool that is not settled yet.
type epoch struct {
	id, predecessor point.Epoch
	order           uint64 // ascending with each opening
	clean, open     bool
	settled         bool // the cloud knows that nothing is pending; kept while the stores may still hold its records
	at              clock.Map
	seen            int64      // latest monotonic time of the batches that were ever here; of an earlier process as far as they still were, or seen was kept
	kept            int64      // the seen that the record holds
	hold            [2]holding // at laneAt
}

// epochRecord is an epoch as the critical store's state keeps it, under epoch/{id}.
type epochRecord struct {
	Version     int    `json:"v"`
	Order       uint64 `json:"order"`
	Predecessor string `json:"predecessor,omitempty"`
	Clean       bool   `json:"clean"`
	Settled     bool   `json:"settled,omitempty"`
	Boot        string `json:"boot"`
	From        int64  `json:"from"`
	Offset      int64  `json:"offset"`
	Uncertainty int64  `json:"uncertainty"`
	Source      uint8  `json:"source"`
	// NextTelemetry and NextCritical are exact for a clean epoch and 0 for an open one.
	NextTelemetry uint64 `json:"next_telemetry"`
	NextCritical  uint64 `json:"next_critical"`
	// Seen is what of an epoch that nothing has dated yet must not be forgotten with its batches.
	Seen int64 `json:"seen,omitempty"`
}

const recordVersion = 1

func (e *epoch) key() string { return epochPrefix + e.id.String() }

func (e *epoch) encode() []byte {
	r := epochRecord{Version: recordVersion, Order: e.order, Clean: e.clean, Settled: e.settled, Boot: e.at.Boot.String(), From: e.at.From,
		Offset: int64(e.at.Offset), Uncertainty: int64(e.at.Uncertainty), Source: uint8(e.at.Source), Seen: e.seen}
	if !e.predecessor.IsZero() {
		r.Predecessor = e.predecessor.String()
	}
	if e.clean {
		r.NextTelemetry, r.NextCritical = e.hold[laneAt(point.Telemetry)].next, e.hold[laneAt(point.Critical)].next
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // a struct of numbers and strings always marshals
	}
	return b
}

func decodeEpoch(key string, b []byte) (*epoch, error) {
	id, err := point.ParseEpoch(key[len(epochPrefix):])
	if err != nil {
		return nil, fmt.Errorf("state %q: %w", key, err)
	}
	var r epochRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("state %q: %w", key, err)
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("state %q: version %d, %d is known here", key, r.Version, recordVersion)
	}
	e := &epoch{id: id, order: r.Order, clean: r.Clean, settled: r.Settled, seen: r.Seen, kept: r.Seen}
	boot, err := point.ParseEpoch(r.Boot)
	if err != nil {
		return nil, fmt.Errorf("state %q: boot: %w", key, err)
	}
	e.at = clock.Map{Boot: clock.BootID(boot), From: r.From, Offset: time.Duration(r.Offset),
		Uncertainty: time.Duration(r.Uncertainty), Source: clock.Source(r.Source)}
	if r.Predecessor != "" {
		if e.predecessor, err = point.ParseEpoch(r.Predecessor); err != nil {
			return nil, fmt.Errorf("state %q: predecessor: %w", key, err)
		}
	}
	e.hold[laneAt(point.Telemetry)].next, e.hold[laneAt(point.Critical)].next = r.NextTelemetry, r.NextCritical
	return e, nil
}

func (s *Spool) epochOf(id point.Epoch) *epoch {
	for i := len(s.epochs) - 1; i >= 0; i-- {
		if s.epochs[i].id == id {
			return s.epochs[i]
		}
	}
	return nil
}

func (s *Spool) sortEpochs() {
	sort.SliceStable(s.epochs, func(i, k int) bool { return s.epochs[i].order < s.epochs[k].order })
}

// settle ends the account of earlier epochs of which the cloud knows that nothing is pending. Their records go at a later
// opening that finds no batch of them: a store may forget a release, and what comes back must not be taken for unclean.
func (s *Spool) settle(ids []point.Epoch) {
	for _, id := range ids {
		if e := s.epochOf(id); e != nil && !e.open && !e.settled && e.held() == 0 {
			e.settled = true
			s.lane(point.Critical).put(e.key(), e.encode())
		}
	}
}

// forgetSettled removes the settled epochs that opening found nothing of. The last one stays: it is the predecessor.
func (s *Spool) forgetSettled(found map[point.Epoch]bool) {
	keep := s.epochs[:0]
	for i, e := range s.epochs {
		if e.settled && !found[e.id] && i < len(s.epochs)-1 {
			s.lane(point.Critical).put(e.key(), nil)
			continue
		}
		keep = append(keep, e)
	}
	s.epochs = keep
}

// held returns how many batches of the epoch are here.
func (e *epoch) held() uint64 { return e.hold[0].held.Count() + e.hold[1].held.Count() }
