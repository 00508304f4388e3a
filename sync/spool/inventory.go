package spool

import (
	"sort"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

const (
	// maxPending bounds the pending ranges of one lane of one epoch; beyond, neighbours are told as one. What lies
	// between is claimed as pending until the next inventories tell it apart.
	maxPending = 128
	// maxRanges bounds those of an inventory, about 24 bytes each once compressed: with maxGaps gaps it stays below
	// wire.MaxInventoryBytes. Epochs share it evenly.
	maxRanges = 3072
	// maxEpochs bounds the epochs of one inventory: the open one and the oldest others. The rest follows as they settle.
	maxEpochs = 64
	// keptInventories is how many inventories may be under way; the answer to an older one settles nothing.
	keptInventories = 8
)

// Inventory returns the account of every epoch not yet settled, with the next number. The session is the caller's to set.
func (s *Spool) Inventory() wire.Inventory {
	s.number++
	inv := wire.Inventory{Number: s.number}
	var settled []point.Epoch
	unsettled := 0
	for _, ep := range s.epochs {
		if !ep.settled {
			unsettled++
		}
	}
	most := min(maxPending, maxRanges/2/max(1, min(unsettled, maxEpochs)))
	for _, ep := range s.epochs {
		if ep.settled || len(inv.Epochs) >= maxEpochs-1 && !ep.open {
			continue
		}
		inv.Epochs = append(inv.Epochs, ep.inventory(most))
		if !ep.open && ep.held() == 0 {
			settled = append(settled, ep.id)
		}
	}
	for _, p := range s.gaps.pending {
		if !p.gap.PointKnown {
			inv.Gaps = append(inv.Gaps, p.gap)
		}
	}
	s.inventories[s.number] = settled
	delete(s.inventories, s.number-keptInventories)
	return inv
}

// inventory tells of the epoch, with at most so many pending ranges a lane.
func (e *epoch) inventory(most int) wire.EpochInventory {
	out := wire.EpochInventory{Epoch: e.id, Predecessor: e.predecessor, Clean: e.clean, Open: e.open, Map: e.at}
	for _, l := range []point.Lane{point.Critical, point.Telemetry} {
		hold := &e.hold[laneAt(l)]
		out.Lanes = append(out.Lanes, wire.LaneInventory{Lane: l, Next: hold.next, Pending: hold.pending(most)})
	}
	return out
}

// pending returns the held ranges with the times that they cover, neighbours joined where there are more than most.
func (h *holding) pending(most int) []wire.PendingRange {
	n := h.held.Len()
	if n == 0 {
		return nil
	}
	group := (n + most - 1) / most
	out := make([]wire.PendingRange, 0, (n+group-1)/group)
	i := 0
	for iv := range h.held.All() {
		first, last := h.span(iv)
		if i%group == 0 {
			out = append(out, wire.PendingRange{From: iv.From, To: iv.To, First: first, Last: last})
		} else {
			p := &out[len(out)-1]
			p.To, p.First, p.Last = iv.To, joinFirst(p.First, first), max(p.Last, last)
		}
		i++
	}
	return out
}

// span returns the times that the batches of iv cover; batches without samples have none. What is in a page counts with all of it.
func (h *holding) span(iv interval.Interval) (first, last int64) {
	at := sort.Search(len(h.pages), func(i int) bool { return h.pages[i].to() > iv.From })
	for ; at < len(h.pages) && h.pages[at].from() < iv.To; at++ {
		if p := h.pages[at]; p.cold.batches > 0 {
			first, last = joinFirst(first, p.first), max(last, p.last)
		}
	}
	h.each(iv, func(_ uint64, e *entry) {
		if e.count > 0 || e.vague {
			first, last = joinFirst(first, e.first), max(last, e.last)
		}
	})
	return first, last
}

// joinFirst returns the smaller of two times of which 0 is none.
func joinFirst(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
