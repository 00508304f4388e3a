package venue

import (
	"cmp"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// SetAside is a record that stays in the log but not in the state.
type SetAside struct {
	Offset   uint64    `json:"offset" doc:"of the record in the aggregator's log"`
	Gateway  point.ID  `json:"gateway"`
	Received time.Time `json:"received"`
	Bytes    int       `json:"bytes" doc:"of the payload"`
	Reason   string    `json:"reason" doc:"short, stable word"`
	Detail   string    `json:"detail"`
}

// asideFrame is a SetAside with the batch that it is, the zero one when it is none.
type asideFrame struct {
	SetAside
	batch point.BatchID
}

// shelf lists what was set aside of one gateway, the oldest first. It is bounded in number and bytes.
type shelf struct {
	frames []asideFrame
	bytes  int
}

// put lists a frame, and returns those that had to be forgotten for it. One that is listed already stays as it is.
func (s *shelf) put(f asideFrame) (forgotten []asideFrame) {
	for i := range s.frames {
		if s.frames[i].Offset == f.Offset {
			return nil
		}
	}
	s.frames = append(s.frames, f)
	s.bytes += f.Bytes
	n := 0
	for len(s.frames)-n > maxAside || s.bytes > maxAsideBytes && len(s.frames)-n > 1 {
		s.bytes -= s.frames[n].Bytes
		n++
	}
	forgotten = append(forgotten, s.frames[:n]...)
	s.frames = append(s.frames[:0], s.frames[n:]...)
	return forgotten
}

// take removes the frame at an offset and returns it.
func (s *shelf) take(offset uint64) (asideFrame, bool) {
	for i, f := range s.frames {
		if f.Offset == offset {
			s.frames = append(s.frames[:i], s.frames[i+1:]...)
			s.bytes -= f.Bytes
			return f, true
		}
	}
	return asideFrame{}, false
}

// setAside lists a record that cannot be used. g is nil for a stranger's.
func (v *Venue) setAside(g *gateway, r log.Record, reason, detail string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shelve(g, r, point.BatchID{}, reason, detail)
}

// setBatchAside lists a batch that cannot be used. It is durable all the same, so it is in no gap.
func (v *Venue) setBatchAside(g *gateway, e *epoch, r log.Record, id point.BatchID, print fingerprint.Print, reason, detail string) {
	v.notice = wire.Notice{Reason: reason, Detail: detail}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shelve(g, r, id, reason, detail)
	v.logged(g, e, id, print)
}

// shelve lists a record. The caller holds the lock.
func (v *Venue) shelve(g *gateway, r log.Record, id point.BatchID, reason, detail string) {
	if v.count.SetAside[reason]++; v.count.SetAside[reason] == 1 {
		v.o.Log.Warn("frame set aside", "gateway", r.Gateway, "offset", r.Offset, "reason", reason, "detail", detail)
	}
	s := &v.strangers
	if g != nil {
		s = &g.aside
	}
	for _, f := range s.put(asideFrame{SetAside{r.Offset, r.Gateway, r.Received, len(r.Payload), reason, detail}, id}) {
		v.forget(g, f)
	}
}

// forget gives up a frame that was set aside: from now on its batch counts as lost. The caller holds the lock.
func (v *Venue) forget(g *gateway, f asideFrame) {
	if v.count.Forgotten++; v.count.Forgotten == 1 {
		v.o.Log.Error("more frames are set aside than are kept; the oldest are given up", "gateway", f.Gateway, "offset", f.Offset)
	}
	if g == nil || f.batch.Epoch.IsZero() {
		return
	}
	if e := g.epochs[f.batch.Epoch]; e != nil && e.lanes[f.batch.Lane-1].logged.Remove(intervalOf(f.batch.Seq, f.batch.Seq+1)) > 0 {
		g.touched(e)
	}
}

// SetAside lists the records that are set aside, by offset.
func (v *Venue) SetAside() []SetAside {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := []SetAside{}
	for _, f := range v.strangers.frames {
		out = append(out, f.SetAside)
	}
	for _, g := range v.order {
		for _, f := range g.aside.frames {
			out = append(out, f.SetAside)
		}
	}
	slices.SortFunc(out, func(a, b SetAside) int { return cmp.Compare(a.Offset, b.Offset) })
	return out
}
