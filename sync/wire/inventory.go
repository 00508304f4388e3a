package wire

import (
	"fmt"
	"math"

	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

func inventoryShape() shape {
	// Lanes are bounded by their number, of which each epoch may name each once.
	lane := shape{3: {what: "pending ranges", max: MaxRanges}}
	epoch := shape{6: {what: "lanes", max: 2 * MaxEpochs, sub: lane}}
	return shape{3: {what: "epochs", max: MaxEpochs, sub: epoch}, 4: {what: "gaps", max: MaxNotes}}
}

// EncodeInventory returns the payload of inv. Pending ranges beyond MaxRanges are joined with their neighbours, so that the
// seqs between them count as pending too; of more than MaxEpochs epochs the first are left out, of more than MaxNotes gaps the last.
func EncodeInventory(inv Inventory) []byte {
	c := &contract.Inventory{Number: inv.Number, Session: text(inv.Session)}
	epochs := inv.Epochs[max(0, len(inv.Epochs)-MaxEpochs):]
	total := 0
	for _, e := range epochs {
		for _, l := range e.Lanes {
			total += len(l.Pending)
		}
	}
	join := 1                                                     // how many neighbours become one
	for total > MaxRanges && total/join+2*MaxEpochs > MaxRanges { // a lane's last few may be fewer
		join *= 2
	}
	for _, e := range epochs {
		ce := &contract.EpochInventory{Epoch: e.Epoch[:], Predecessor: bytes16(e.Predecessor), Clean: e.Clean, Open: e.Open, TimeMap: mapTo(e.Map)}
		for _, l := range e.Lanes {
			ce.Lanes = append(ce.Lanes, &contract.LaneInventory{Lane: contract.Lane(l.Lane), Next: l.Next, Pending: pendingTo(l.Pending, join)})
		}
		c.Epochs = append(c.Epochs, ce)
	}
	for i := range inv.Gaps[:min(len(inv.Gaps), MaxNotes)] {
		if !inv.Gaps[i].PointKnown { // of points only a batch can tell, which has their table
			c.Gaps = append(c.Gaps, gapTo(&inv.Gaps[i]))
		}
	}
	return encodeControl(c)
}

func gapTo(g *point.Gap) *contract.Gap {
	return &contract.Gap{Epoch: bytes16(g.Epoch), Lane: contract.Lane(g.Lane), From: g.From, To: g.To, FirstMono: g.First, LastMono: g.Last,
		BootId: bytes16(g.Boot), Count: g.Count, Reason: contract.GapReason(g.Reason)}
}

// gapOf reads a gap of batches.
func gapOf(c *contract.Gap) (g point.Gap, err error) {
	if c.Point != nil {
		return g, fmt.Errorf("%w: a gap of point %d outside a batch", ErrInvalid, *c.Point)
	}
	if g.Epoch, err = epochOf("epoch", c.Epoch); err != nil {
		return g, err
	}
	if g.Lane, err = laneOf(c.Lane); err != nil {
		return g, err
	}
	if len(c.BootId) > 0 {
		if g.Boot, err = from16("boot id", c.BootId); err != nil {
			return g, err
		}
	}
	if c.Reason < 0 || c.Reason > math.MaxUint8 {
		return g, fmt.Errorf("%w: gap of the unknown reason %d", ErrInvalid, c.Reason)
	}
	g.From, g.To, g.First, g.Last, g.Count, g.Reason = c.From, c.To, c.FirstMono, c.LastMono, c.Count, point.GapReason(c.Reason)
	return g, checkGap(&g, 0)
}

func pendingTo(ranges []PendingRange, join int) (out []*contract.PendingRange) {
	for i := 0; i < len(ranges); i += join {
		p := ranges[i]
		for _, q := range ranges[i+1 : min(i+join, len(ranges))] {
			p.To, p.First, p.Last = max(p.To, q.To), min(p.First, q.First), max(p.Last, q.Last)
		}
		out = append(out, &contract.PendingRange{From: p.From, To: p.To, FirstMono: p.First, LastMono: p.Last})
	}
	return out
}

// DecodeInventory reads an inventory, whole or not at all. No epoch is zero or comes twice, one at most is open, no lane
// comes twice within an epoch, and pending ranges ascend, do not overlap and end at or below the lane's next.
func DecodeInventory(payload []byte) (Inventory, error) {
	var c contract.Inventory
	if err := decodeControl(payload, inventoryShape(), &c); err != nil {
		return Inventory{}, fmt.Errorf("decoding an inventory: %w", err)
	}
	inv := Inventory{Number: c.Number, Session: c.Session}
	if err := checkText("session", inv.Session, MaxTextBytes); err != nil {
		return Inventory{}, fmt.Errorf("decoding an inventory: %w", err)
	}
	open, met := 0, map[point.Epoch]bool{}
	for i, ce := range c.Epochs {
		e, err := epochInventoryOf(ce)
		if err == nil && met[e.Epoch] {
			err = fmt.Errorf("%w: it comes twice", ErrInvalid)
		}
		if e.Open {
			open++
		}
		if err == nil && open > 1 {
			err = fmt.Errorf("%w: a second open one", ErrInvalid)
		}
		if err != nil {
			return Inventory{}, fmt.Errorf("decoding an inventory: epoch %d: %w", i, err)
		}
		met[e.Epoch] = true
		inv.Epochs = append(inv.Epochs, e)
	}
	for i, cg := range c.Gaps {
		g, err := gapOf(cg)
		if err != nil {
			return Inventory{}, fmt.Errorf("decoding an inventory: gap %d: %w", i, err)
		}
		inv.Gaps = append(inv.Gaps, g)
	}
	return inv, nil
}

func epochInventoryOf(c *contract.EpochInventory) (e EpochInventory, err error) {
	if e.Epoch, err = epochOf("epoch", c.Epoch); err != nil {
		return e, err
	}
	if len(c.Predecessor) > 0 {
		if e.Predecessor, err = epochOf("predecessor", c.Predecessor); err != nil {
			return e, err
		}
	}
	if e.Predecessor == e.Epoch {
		return e, fmt.Errorf("%w: it is its own predecessor", ErrInvalid)
	}
	if e.Map, err = mapOf(c.TimeMap); err != nil {
		return e, err
	}
	e.Clean, e.Open = c.Clean, c.Open
	var met [3]bool
	for _, cl := range c.Lanes {
		l, err := laneInventoryOf(cl)
		if err != nil {
			return e, err
		}
		if met[l.Lane] {
			return e, fmt.Errorf("%w: lane %v comes twice", ErrInvalid, l.Lane)
		}
		met[l.Lane] = true
		e.Lanes = append(e.Lanes, l)
	}
	return e, nil
}

func laneInventoryOf(c *contract.LaneInventory) (l LaneInventory, err error) {
	if l.Lane, err = laneOf(c.Lane); err != nil {
		return l, err
	}
	l.Next = c.Next
	at := uint64(0)
	for i, p := range c.Pending {
		switch {
		case p.From >= p.To || p.From < at || p.To > l.Next:
			return l, fmt.Errorf("%w: lane %v: pending range %d of seqs %d to %d, after %d, below %d", ErrInvalid, l.Lane, i, p.From, p.To, at, l.Next)
		case p.FirstMono < 0 || p.LastMono < p.FirstMono:
			return l, fmt.Errorf("%w: lane %v: pending range %d of times %d to %d", ErrInvalid, l.Lane, i, p.FirstMono, p.LastMono)
		}
		l.Pending = append(l.Pending, PendingRange{From: p.From, To: p.To, First: p.FirstMono, Last: p.LastMono})
		at = p.To
	}
	return l, nil
}
