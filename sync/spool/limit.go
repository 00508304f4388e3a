package spool

import (
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

const (
	// shortAt and amplyAt are the parts of the space, in percent, at which Short begins and ends.
	shortAt = 80
	amplyAt = 60
)

// Short reports whether the space for telemetry is running out, so that less should be sampled from now on: more than 80 % of what the limit or a
// full disk allows is taken, or of the window while the store fails or there is none. It ends below 60 %.
func (s *Spool) Short() bool {
	l := s.lane(point.Telemetry)
	space, part := s.opt.Limit, int64(shortAt)
	if l.space > 0 {
		space = min(space, l.space)
	}
	if s.short {
		part = amplyAt
	}
	failing := l.store == nil || l.err != nil
	s.short = l.stored.Bytes > space/100*part || failing && l.ram.Bytes > s.opt.Window/100*part
	if !s.short && !failing {
		l.space = 0
	}
	return s.short
}

// dropStored drops the oldest stored telemetry until at most limit bytes are left. Of a page that is not whole any more it drops nothing
// before a job has read how many samples that is.
func (s *Spool) dropStored(limit int64) {
	l := s.lane(point.Telemetry)
	for _, ep := range s.epochs {
		hold := &ep.hold[laneAt(point.Telemetry)]
		for l.stored.Bytes > limit {
			if p := hold.oldestPage(); p != nil {
				if !s.dropPage(ep, l, p) {
					l.warm = &warming{epoch: ep, page: p, limit: limit}
					return
				}
				continue
			}
			seq, e := oldestStored(hold)
			if e == nil {
				break
			}
			s.countDrop(e)
			s.drop(ep, l, seq, e, point.GapDropped)
		}
	}
}

// oldestPage returns the first page that has batches without an entry.
func (h *holding) oldestPage() *page {
	for _, p := range h.pages {
		if p.cold.batches > 0 {
			return p
		}
	}
	return nil
}

// oldestStored returns the oldest stored batch that is nobody's. No page has any.
func oldestStored(hold *holding) (uint64, *entry) {
	for iv := range hold.held.All() {
		for seq := iv.From; seq < iv.To; seq++ {
			if e := hold.get(seq); e.stored && e.state != taken && e.state != sent {
				return seq, e
			}
		}
	}
	return 0, nil
}

// dropPage lets a whole page go with one gap, and reports whether that was possible.
func (s *Spool) dropPage(ep *epoch, l *lane, p *page) bool {
	if !p.untouched() {
		return false
	}
	sp, hold := p.spans[0], &ep.hold[laneAt(l.lane)]
	seqs := interval.Interval{From: sp.seq, To: sp.seq + sp.n}
	g := s.gaps.add(point.Gap{Epoch: ep.id, Lane: l.lane, From: seqs.From, To: seqs.To, First: p.first, Last: p.last,
		Boot: ep.at.Boot, Count: uint64(p.made.samples), Reason: point.GapDropped})
	g.places[laneAt(l.lane)].Add(interval.Interval{From: sp.offset, To: sp.offset + sp.n})
	s.lane(point.Critical).urgent = true
	s.stats.Dropped.Batches += p.cold.batches
	s.stats.Dropped.Bytes += p.cold.bytes
	s.stats.DroppedSamples += uint64(p.cold.samples)
	if l.stored.Batches -= p.cold.batches; l.refused.Batches > 0 {
		n := sp.n - inside(&hold.backlog, seqs)
		l.refused.Batches -= n
		l.refused.Bytes -= p.cold.bytes / int64(p.cold.batches) * int64(n)
	}
	for _, set := range []*interval.Set{&hold.held, &hold.backlog, &hold.offered} {
		set.Remove(seqs)
	}
	p.table.refs -= int(p.here)
	p.here = 1
	s.leave(l, hold, sp.seq) // takes its bytes off
	return true
}

// inside returns how many numbers of iv the set holds.
func inside(set *interval.Set, iv interval.Interval) (n uint64) {
	for part := range set.Within(iv) {
		n += part.Len()
	}
	return n
}

// warming is the reading of what a page still holds, so that it can drop with exact gaps.
type warming struct {
	epoch *epoch
	page  *page
	limit int64 // bytes that may stay; negative for none
	found []header
}

// header is what matters of a stored batch.
type header struct {
	placed
	size  int // 0 when it cannot be read
	count uint32
	times interval64
}

type interval64 struct{ first, last int64 }

// list notes what is to be read.
func (w *warming) list() {
	hold := &w.epoch.hold[laneAt(point.Telemetry)]
	for _, sp := range w.page.spans {
		for iv := range hold.held.Within(interval.Interval{From: sp.seq, To: sp.seq + sp.n}) {
			for seq := iv.From; seq < iv.To; seq++ {
				if hold.get(seq) == nil {
					w.found = append(w.found, header{placed: placed{seq, sp.offset + seq - sp.seq}})
				}
			}
		}
	}
}

// run reads. It blocks on the disk.
func (w *warming) run(from Store) {
	for i := range w.found {
		f := &w.found[i]
		frame, err := from.Get(f.offset)
		if err != nil {
			continue
		}
		h, err := wire.ParseHeader(frame)
		if err != nil || h.Epoch != w.page.epoch || h.Seq != f.seq {
			continue
		}
		f.size, f.count, f.times = len(frame), h.Count, interval64{h.First, h.Last}
	}
}

// dropWarm drops what was read, oldest first, as far as it must. What cannot be read has a gap of unknown count.
func (s *Spool) dropWarm(l *lane, w *warming) {
	hold := &w.epoch.hold[laneAt(l.lane)]
	for _, f := range w.found {
		if l.stored.Bytes <= w.limit {
			break
		}
		if !hold.held.Has(f.seq) || hold.get(f.seq) != nil {
			continue // it left meanwhile, or is under way
		}
		e := s.touch(hold, f.seq)
		if f.size > 0 {
			s.precise(hold, f.seq, e, f.size, f.count, f.times.first, f.times.last)
		} else {
			e.count = 0
		}
		s.countDrop(e)
		s.drop(w.epoch, l, f.seq, e, point.GapDropped)
	}
	s.dropStored(s.opt.Limit)
}

// dropAged drops telemetry that is older than MaxAge. Within a boot age is monotonic time. Of an earlier boot it is
// told by the wall clock only if both boots' were synchronised by NTP; else it counts from this boot's beginning, so
// that no fault of a clock makes the spool drop anything.
func (s *Spool) dropAged(now int64) {
	if s.opt.MaxAge <= 0 {
		return
	}
	l := s.lane(point.Telemetry)
	for _, ep := range s.epochs {
		hold := &ep.hold[laneAt(point.Telemetry)]
		for {
			p := hold.oldestPage()
			if p == nil {
				break
			}
			if s.elapsed(ep, p.last, now) <= s.opt.MaxAge {
				return
			}
			if !s.dropPage(ep, l, p) {
				l.warm = &warming{epoch: ep, page: p, limit: -1}
				return
			}
		}
		for seq, e := oldestWaiting(hold); e != nil; seq, e = oldestWaiting(hold) {
			if s.elapsed(ep, e.last, now) <= s.opt.MaxAge {
				return
			}
			s.countDrop(e)
			s.drop(ep, l, seq, e, point.GapDropped)
		}
	}
}

// elapsed returns how old something of that monotonic time of an epoch's boot is at least.
func (s *Spool) elapsed(ep *epoch, mono, now int64) time.Duration {
	if mono == 0 {
		mono = ep.at.From // without samples: no younger than its epoch
	}
	here := s.open.at
	if ep.at.Boot == here.Boot {
		return time.Duration(now - mono)
	}
	age := time.Duration(now)
	if ep.at.Source == clock.NTP && here.Source == clock.NTP {
		age = max(age, time.Duration(now-mono)+here.Offset-ep.at.Offset)
	}
	return age
}

// oldestWaiting returns the oldest batch that is nobody's, stored or not. No page has any.
func oldestWaiting(hold *holding) (uint64, *entry) {
	for iv := range hold.held.All() {
		for seq := iv.From; seq < iv.To; seq++ {
			if e := hold.get(seq); !e.storing && e.state != taken && e.state != sent {
				return seq, e
			}
		}
	}
	return 0, nil
}
