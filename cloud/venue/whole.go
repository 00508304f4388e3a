package venue

import (
	"math"
	"slices"

	"github.com/courtside-edge/courtside/sync/point"
)

// pointState is one point of the venue, whichever gateways report it.
type pointState struct {
	key    pointKey
	series []*series          // best rank first
	events map[[16]byte]int64 // Unix ns by event key, of all gateways
	// settledEvents were forgotten because they are older than the horizon; what is dated before eventsFrom is not counted any more.
	settledEvents uint64
	eventsFrom    int64
	// base is the count of a shared counter up to baseTo, Unix ns, before which marks are forgotten.
	base   stand
	baseTo int64
}

// include adds a series at its rank.
func (p *pointState) include(s *series) {
	at := slices.IndexFunc(p.series, s.before)
	if at < 0 {
		at = len(p.series)
	}
	p.series = slices.Insert(p.series, at, s)
}

// before reports whether s has the better rank of two series of one device.
func (s *series) before(o *series) bool {
	x, y := s.gateway.rank(s.point.key.device), o.gateway.rank(o.point.key.device)
	return x[0] < y[0] || x[0] == y[0] && x[1] < y[1]
}

// chosen returns the series that speaks for the point now: of those that know the value the best-ranked one whose gateway is there and
// holds nothing newer back, then the best-ranked one that knows it, then the best-ranked one that ever reported. Nil when none did.
func (p *pointState) chosen(now int64) *series {
	if len(p.series) == 1 {
		if s := p.series[0]; s.last.wall != 0 {
			return s
		}
		return nil
	}
	var pick *series
	class := 3
	for _, s := range p.series {
		c := 2
		switch {
		case s.last.wall == 0:
			continue
		case s.unknown(now) != "":
		case s.gateway.status.State == "death" || s.behind():
			c = 1
		default:
			c = 0
		}
		if c < class {
			pick, class = s, c
		}
	}
	return pick
}

// latest is a bucket behind all others.
const latest = math.MaxInt64

// passages returns how many passages the point counted, and whether some between two gateways are not known.
func (p *pointState) passages() (n uint64, broken bool) {
	n = p.settledEvents + uint64(len(p.events))
	if len(p.series) == 1 {
		return n + p.series[0].counted(), false
	}
	t := p.shared(latest)
	return n + t.passages, t.broken
}

// passagesAt returns how many passages the point had counted at the end of bucket.
func (p *pointState) passagesAt(bucket, bucketEnd int64) uint64 {
	n := p.settledEvents
	for _, at := range p.events {
		if at < bucketEnd {
			n++
		}
	}
	if len(p.series) == 1 {
		return n + p.series[0].countedAt(bucket)
	}
	return n + p.shared(bucket).passages
}

// runs returns how many uninterrupted stretches the counter had, of the gateway that has most of them.
func (p *pointState) runs() (n int) {
	for _, s := range p.series {
		n = max(n, len(s.runs)+s.summedRuns)
	}
	return n
}

// addEvent folds in an occurrence; of one key the earliest time counts, whichever gateway saw it. It reports false for one that is older
// than what is remembered.
func (p *pointState) addEvent(key [16]byte, wall int64) bool {
	if key == ([16]byte{}) {
		return true
	}
	if wall < p.eventsFrom {
		return false
	}
	if p.events == nil {
		p.events = map[[16]byte]int64{}
	}
	if have, ok := p.events[key]; !ok || wall < have {
		p.events[key] = wall
	}
	return true
}

// prune forgets what lies before bucket, which begins at from.
func (p *pointState) prune(bucket, from int64) {
	for key, at := range p.events {
		if at < from {
			delete(p.events, key)
			p.settledEvents++
		}
	}
	p.eventsFrom = max(p.eventsFrom, from)
	if len(p.series) > 1 && p.isCounter() {
		p.base, p.baseTo = p.shared(bucket-1), max(p.baseTo, from-1)
	}
	for _, s := range p.series {
		s.prune(bucket)
	}
}

func (p *pointState) isCounter() bool {
	for _, s := range p.series {
		if s.last.wall != 0 && s.last.point.Class == point.Counter {
			return true
		}
	}
	return false
}
