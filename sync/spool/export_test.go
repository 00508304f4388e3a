package spool

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
)

// Audit counts everything anew and compares it with what the spool keeps as sums.
func (s *Spool) Audit() error {
	refs := map[*table]int{}
	for at, l := range s.lanes {
		var ram, stored Count
		pages := 0
		state := 0
		for _, ep := range s.epochs {
			hold := &ep.hold[at]
			var hot interval.Set
			hold.each(interval.Interval{To: 1 << 62}, func(seq uint64, e *entry) {
				hot.AddOne(seq)
				refs[e.table]++
				if e.stored {
					stored.add(e)
				} else {
					ram.add(e)
				}
			})
			end := uint64(0)
			for _, p := range hold.pages {
				pages++
				state += p.saved
				if p.from() < end {
					return fmt.Errorf("page at seq %d begins before %d", p.from(), end)
				}
				end = p.to()
				here, cold := uint64(0), uint64(0)
				for _, sp := range p.spans {
					iv := interval.Interval{From: sp.seq, To: sp.seq + sp.n}
					here += inside(&hold.held, iv)
					cold += inside(&hold.held, iv) - inside(&hot, iv)
				}
				if here != p.here || cold != p.cold.batches || here == 0 {
					return fmt.Errorf("page at seq %d: %d of it are here, %d without an entry; it says %d and %d", p.from(), here, cold, p.here, p.cold.batches)
				}
				refs[p.table] += int(cold)
				stored.Batches += cold
				stored.Bytes += p.cold.bytes
			}
			for iv := range hold.held.All() {
				for seq := iv.From; seq < iv.To; seq++ {
					if hot.Remove(one(seq)) == 0 && hold.page(seq) == nil {
						return fmt.Errorf("seq %d is nowhere", seq)
					}
				}
			}
			if hot.Len() > 0 {
				return fmt.Errorf("entries that are not held: %v", hot)
			}
			if n := inside(&hold.held, interval.Interval{To: 1 << 62}); inside(&hold.offered, interval.Interval{To: 1 << 62}) > n || inside(&hold.backlog, interval.Interval{To: 1 << 62}) > n {
				return fmt.Errorf("more is offered or waits than is held")
			}
		}
		if ram != l.ram || stored != l.stored || pages != l.pages || state != l.pageState {
			return fmt.Errorf("%s: %+v in RAM, %+v stored, %d pages of %d bytes; the lane says %+v, %+v, %d of %d",
				l.lane, ram, stored, pages, state, l.ram, l.stored, l.pages, l.pageState)
		}
	}
	for _, t := range s.tables {
		if refs[t] != t.refs {
			return fmt.Errorf("table %s is named %d times, it says %d", t.hash, refs[t], t.refs)
		}
	}
	return nil
}

// AddGap has g wait for a batch to carry it.
func (s *Spool) AddGap(g point.Gap) { s.gaps.add(g) }

// Entries returns how many batches have an entry of their own.
func (s *Spool) Entries() (n int) {
	for _, ep := range s.epochs {
		for at := range ep.hold {
			ep.hold[at].each(interval.Interval{To: 1 << 62}, func(uint64, *entry) { n++ })
		}
	}
	return n
}

// DecodePage reads a page's record, whose checksum is added, and returns how it is written again.
func DecodePage(b []byte) ([]byte, error) {
	p, err := decodePage(binary.LittleEndian.AppendUint32(slices.Clip(b), pageSum(b)))
	if err != nil {
		return nil, err
	}
	return p.encode(), nil
}
