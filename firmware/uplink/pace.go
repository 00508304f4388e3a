package uplink

import (
	"slices"
	"time"
)

const (
	firstPace  = 64 << 10 // bytes of backlog in flight at the beginning of a session
	leastPace  = 16 << 10 // and at least; a lone batch may always go, however large
	paceStep   = 64 << 10 // by which it grows once the live ones have waited
	paceEvery  = 200 * time.Millisecond
	paceSlack  = 20 * time.Millisecond // by which live batches may be later than at best, or by as much again as that took
	paceLooks  = time.Second           // how far back live batches count
	paceKeeps  = 256                   // of them at most
	bestLooks  = 30 * time.Second      // the best is that of the last one to two of these; each begins with a rest
	paceRest   = 400 * time.Millisecond
	percentile = 95
)

// pace decides how much of a backlog may be in flight: as much as live batches do not feel. It doubles until they do, halves whenever
// 95 % of them come later than bound, and grows by addition from then on. Without live batches nobody is in the way, and it grows. Now and
// then the backlog rests for a moment, so that the best is measured without it: else what it delays would become normal. It is
// a state machine: the time is passed in.
type pace struct {
	allow, most int64
	cautious    bool // live batches have waited: no more doubling

	live         []lateness    // oldest first
	best, before time.Duration // from publish to ack, of any batch; in this stretch of bestLooks and in the one before
	bestSince    time.Time
	judged       time.Time
	filled       bool // the backlog used all that it may since then
}

// lateness is how long one live batch took from the batcher to its ack.
type lateness struct {
	at   time.Time
	took time.Duration
}

func newPace(now time.Time, window int64) pace {
	most := max(window/4*3, leastPace)
	return pace{allow: min(firstPace, most), most: most, judged: now, bestSince: now}
}

// observe takes in a live batch that was acknowledged.
func (p *pace) observe(now time.Time, took time.Duration) {
	if len(p.live) == paceKeeps {
		p.live = p.live[:copy(p.live, p.live[1:])]
	}
	p.live = append(p.live, lateness{now, took})
}

// measure takes in the round trip of any batch.
func (p *pace) measure(trip time.Duration) {
	if p.best == 0 || trip < p.best {
		p.best = max(trip, 1)
	}
}

// bound is how late live batches may be: best is what the way to the cloud and its disk cost at least.
func (p *pace) bound() time.Duration {
	best := p.best
	if p.before > 0 && (best == 0 || p.before < best) {
		best = p.before
	}
	return best + max(best, paceSlack)
}

// backlog returns how many bytes of the backlog may be in flight, of which inFlight are.
func (p *pace) backlog(now time.Time, inFlight int64) int64 {
	if now.Sub(p.bestSince) >= bestLooks {
		p.before, p.best, p.bestSince = p.best, 0, now
	}
	if now.Sub(p.bestSince) < paceRest && p.before > 0 {
		p.judged = now
		return min(leastPace, p.allow)
	}
	p.filled = p.filled || inFlight >= p.allow
	if now.Sub(p.judged) < paceEvery {
		return p.allow
	}
	p.judged = now
	late, any := p.late(now)
	switch {
	case any && late > p.bound():
		p.cautious = true
		p.allow = max(p.allow/2, leastPace)
		p.live = p.live[:0] // those under way now say whether it was enough
	case !p.filled:
	case p.cautious:
		p.allow = min(p.allow+paceStep, p.most)
	default:
		p.allow = min(2*p.allow, p.most)
	}
	p.filled = false
	return p.allow
}

// late returns the percentile of how long live batches took lately, if there were any.
func (p *pace) late(now time.Time) (time.Duration, bool) {
	var took []time.Duration
	for _, l := range p.live {
		if now.Sub(l.at) <= paceLooks {
			took = append(took, l.took)
		}
	}
	if len(took) == 0 {
		return 0, false
	}
	slices.Sort(took)
	return took[(len(took)*percentile+99)/100-1], true
}

// limit is the rate limit of a metered link. Live batches are held to the rate alone, so that none waits for what the backlog has used;
// the backlog goes while both together are within it.
type limit struct{ live, all credit }

func newLimit(now time.Time, rate int64) limit {
	c := credit{rate: uint32(min(rate, maxRate)), at: now}
	return limit{c, c}
}

// maxRate is the largest rate that is counted; what is faster is no limit that a link knows.
const maxRate = 1 << 30

// any says whether something may go, and whether something of the backlog.
func (l *limit) any(now time.Time) (some, backlog bool) { return l.live.any(now), l.all.any(now) }

func (l *limit) use(size int, backlog bool) {
	l.all.use(size)
	if !backlog {
		l.live.use(size)
	}
}
