package spool

import (
	"math"
	"sort"

	"github.com/courtside-edge/courtside/sync/interval"
)

// placed is a stored batch that is in no page yet.
type placed struct{ seq, offset uint64 }

// tail is what a lane has stored of one epoch and table since its newest page.
type tail struct {
	epoch *epoch
	table *table
	bytes int64
	list  []placed // ascending
}

// place notes that a batch is stored at an offset, and folds what came before into a page when it is enough.
func (s *Spool) place(l *lane, ep *epoch, seq uint64, e *entry) {
	t := &l.tail
	if n := len(t.list); n > 0 && (t.epoch != ep || t.table != e.table || t.list[n-1].seq >= seq || t.list[n-1].offset >= e.offset) {
		s.fold(l)
	}
	t.epoch, t.table, t.bytes = ep, e.table, t.bytes+int64(e.size)
	t.list = append(t.list, placed{seq, e.offset})
	if t.bytes >= s.opt.PageBytes || len(t.list) >= s.opt.PageBatches {
		s.fold(l)
	}
}

// fold makes pages of the tail. A tail of a few batches is not worth one: they keep their entries.
func (s *Spool) fold(l *lane) {
	t := &l.tail
	ep, hold := t.epoch, (*holding)(nil)
	if ep != nil {
		hold = &ep.hold[laneAt(l.lane)]
	}
	if (t.bytes >= s.opt.PageBytes || len(t.list) >= min(s.opt.PageBatches, worthwhile)) && (len(hold.pages) == 0 || hold.pages[len(hold.pages)-1].to() <= t.list[0].seq) {
		p := &page{epoch: ep.id, hash: t.table.hash, table: t.table}
		for _, at := range t.list {
			if hold.get(at.seq) == nil {
				continue // it has left already
			}
			if !p.add(at.seq, at.offset) {
				s.keep(l, hold, p)
				p = &page{epoch: ep.id, hash: t.table.hash, table: t.table}
				p.add(at.seq, at.offset)
			}
		}
		s.keep(l, hold, p)
	}
	*t = tail{list: t.list[:0]}
	if l.pages > maxPages {
		s.mergePages(l)
	}
}

// worthwhile is how many batches make a page that is not full of bytes.
const worthwhile = 32

// keep adds a page of batches that have entries so far, and lets go of the entries of those that nobody uses.
func (s *Spool) keep(l *lane, hold *holding, p *page) {
	if len(p.spans) == 0 {
		return
	}
	for _, sp := range p.spans {
		for seq := sp.seq; seq < sp.seq+sp.n; seq++ {
			e := hold.get(seq)
			p.made.add(e)
			if e.count > 0 {
				p.first, p.last = joinFirst(p.first, e.first), max(p.last, e.last)
			}
		}
	}
	p.here = p.made.batches
	hold.pages = append(hold.pages, p)
	l.pages++
	s.savePage(l, p)
	for _, sp := range p.spans {
		for seq := sp.seq; seq < sp.seq+sp.n; seq++ {
			s.cool(hold, seq, hold.get(seq))
		}
	}
}

// savePage puts the page's record into the lane's state, as long as there is room for it.
func (s *Spool) savePage(l *lane, p *page) {
	b := p.encode()
	if l.pageState+len(b) > maxPageState {
		return
	}
	p.saved = len(b)
	l.pageState += p.saved
	l.put(p.key(), b)
}

func (l *lane) unsavePage(p *page) {
	if p.saved > 0 {
		l.pageState -= p.saved
		p.saved = 0
		l.put(p.key(), nil)
	}
}

// mergePages makes one of every two neighbours that allow it.
func (s *Spool) mergePages(l *lane) {
	l.warm = nil // it will be wanted again
	for _, ep := range s.epochs {
		hold := &ep.hold[laneAt(l.lane)]
		kept := hold.pages[:0]
		for i := 0; i < len(hold.pages); i++ {
			a := hold.pages[i]
			kept = append(kept, a)
			if i+1 == len(hold.pages) {
				break
			}
			if b := hold.pages[i+1]; a.takes(b) {
				l.unsavePage(a)
				l.unsavePage(b)
				a.join(b)
				s.savePage(l, a)
				l.pages--
				i++
			}
		}
		clear(hold.pages[len(kept):])
		hold.pages = kept
	}
}

// takes reports whether b, which is the page behind a, may become a part of it.
func (p *page) takes(b *page) bool {
	last := p.spans[len(p.spans)-1]
	return p.table == b.table && len(p.spans)+len(b.spans) <= maxSpans && last.offset+last.n <= b.spans[0].offset &&
		p.made.batches+b.made.batches <= math.MaxUint32
}

func (p *page) join(b *page) {
	last := &p.spans[len(p.spans)-1]
	rest := b.spans
	if last.seq+last.n == rest[0].seq && last.offset+last.n == rest[0].offset {
		last.n += rest[0].n
		rest = rest[1:]
	}
	p.spans = append(p.spans, rest...)
	p.made.join(b.made)
	p.cold.join(b.cold)
	p.here += b.here
	p.first, p.last = joinFirst(p.first, b.first), max(p.last, b.last)
}

func (f *figures) join(o figures) {
	f.batches, f.bytes, f.samples = f.batches+o.batches, f.bytes+o.bytes, f.samples+o.samples
}

// page returns the page that has a seq, or nil.
func (h *holding) page(seq uint64) *page {
	i := sort.Search(len(h.pages), func(i int) bool { return h.pages[i].to() > seq })
	if i == len(h.pages) {
		return nil
	}
	if _, ok := h.pages[i].offset(seq); !ok {
		return nil
	}
	return h.pages[i]
}

// cool gives up the entry of a stored batch that waits or is refused, if a page has it.
func (s *Spool) cool(hold *holding, seq uint64, e *entry) {
	if !e.stored || e.state != refused && (e.state != waiting || !hold.backlog.Has(seq)) {
		return
	}
	if p := hold.page(seq); p != nil {
		p.cold.add(e)
		hold.delete(seq)
	}
}

// touch returns the entry of a held batch, or nil. One that only a page knew gets an average's size and samples, until Loaded
// tells the true ones.
func (s *Spool) touch(hold *holding, seq uint64) *entry {
	if e := hold.get(seq); e != nil || !hold.held.Has(seq) {
		return e
	}
	p := hold.page(seq)
	offset, _ := p.offset(seq)
	e := entry{offset: offset, first: p.first, last: p.last, table: p.table, state: refused, stored: true, vague: true,
		size:  uint32(min(max(p.cold.bytes/int64(p.cold.batches), 1), math.MaxUint32)),
		count: uint32(min(max(p.cold.samples/int64(p.cold.batches), 0), math.MaxUint32))}
	if hold.backlog.Has(seq) {
		e.state = waiting
	}
	p.cold.batches--
	p.cold.bytes -= int64(e.size)
	p.cold.samples -= int64(e.count)
	return hold.put(seq, e)
}

// precise corrects an entry that held averages.
func (s *Spool) precise(hold *holding, seq uint64, e *entry, size int, count uint32, first, last int64) {
	if !e.vague {
		return
	}
	p := hold.page(seq)
	p.cold.bytes -= int64(size) - int64(e.size)
	p.cold.samples -= int64(count) - int64(e.count)
	e.size, e.count, e.first, e.last, e.vague = uint32(size), count, first, last, false
}

// Loaded tells the spool what Load has found of a batch: until then it may know no more than an average.
func (s *Spool) Loaded(t *Taken) {
	ep, l, e := s.find(t.ID)
	if e == nil || !e.vague {
		return
	}
	class := s.inFlight[t.ID]
	s.flying[class].Bytes += int64(t.Size) - int64(e.size)
	s.precise(&ep.hold[laneAt(l.lane)], t.ID.Seq, e, t.Size, t.count, t.first, t.last)
}

// leave notes that a batch of the page has left for good. An empty page goes.
func (s *Spool) leave(l *lane, hold *holding, seq uint64) {
	p := hold.page(seq)
	if p == nil {
		return
	}
	if p.here--; p.here > 0 {
		return
	}
	l.stored.Bytes -= p.cold.bytes // what averages were wrong by, if anything
	l.unsavePage(p)
	l.pages--
	i := sort.Search(len(hold.pages), func(i int) bool { return hold.pages[i].to() > seq })
	hold.pages = append(hold.pages[:i], hold.pages[i+1:]...)
	if l.warm != nil && l.warm.page == p {
		l.warm = nil
	}
}

// loadPages takes in the batches that records of pages account for, without reading one. It returns the offsets that they account for.
func (s *Spool) loadPages(l *lane, unreleased *interval.Set, note func(*epoch)) (known interval.Set, faults int) {
	for key, b := range l.store.States(pagePrefix) {
		p, err := decodePage(b)
		if err != nil || p.key() != key || !s.fits(l, p, &known) {
			faults++
			l.put(key, nil)
			continue
		}
		ep := s.adopt(p.epoch)
		note(ep)
		for _, sp := range p.spans {
			known.Add(interval.Interval{From: sp.offset, To: sp.offset + sp.n})
			for iv := range unreleased.Within(interval.Interval{From: sp.offset, To: sp.offset + sp.n}) {
				if ep.settled {
					l.release.Add(iv)
					continue
				}
				ep.hold[laneAt(l.lane)].take(interval.Interval{From: sp.seq + iv.From - sp.offset, To: sp.seq + iv.To - sp.offset})
				p.here += iv.Len()
			}
		}
		if l.pageState += p.saved; p.here == 0 {
			l.unsavePage(p)
			continue
		}
		s.holdPage(l, ep, p)
	}
	return known, faults
}

// take notes held batches that wait.
func (h *holding) take(seqs interval.Interval) {
	h.held.Add(seqs)
	h.backlog.Add(seqs)
	h.offered.Add(seqs)
	h.next = max(h.next, seqs.To)
}

// holdPage adds a page whose batches are held already.
func (s *Spool) holdPage(l *lane, ep *epoch, p *page) {
	hold := &ep.hold[laneAt(l.lane)]
	p.table = s.name(p.hash)
	p.table.refs += int(p.here)
	p.cold = p.made
	if p.here != p.made.batches { // what left is not known one by one
		share := float64(p.here) / float64(p.made.batches)
		p.cold = figures{p.here, int64(share * float64(p.made.bytes)), int64(share * float64(p.made.samples))}
	}
	l.stored.Batches += p.here
	l.stored.Bytes += p.cold.bytes
	hold.pages = append(hold.pages, p)
	l.pages++
}

// fits reports whether a page lies within the store, beside what other pages know, and behind the others of its epoch.
func (s *Spool) fits(l *lane, p *page, known *interval.Set) bool {
	_, next := l.store.Bounds()
	last := p.spans[len(p.spans)-1]
	if last.offset+last.n > next || last.seq+last.n == 0 {
		return false
	}
	for _, sp := range p.spans {
		for range known.Within(interval.Interval{From: sp.offset, To: sp.offset + sp.n}) {
			return false
		}
	}
	ep := s.epochOf(p.epoch)
	if ep == nil {
		return true
	}
	hold := &ep.hold[laneAt(l.lane)]
	n := len(hold.pages)
	return !ep.open && (n == 0 || hold.pages[n-1].to() <= p.from())
}
