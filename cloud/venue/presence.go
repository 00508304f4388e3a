package venue

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// PresenceWindow is how far back Presence looks: a body counts where it was within the last minute.
const PresenceWindow = time.Minute

// maxFixes is how many samples one axis keeps: a tracker of 100 Hz fills half of it in a window. Of more, the newest stay.
const maxFixes = 12_000

// Spot is a place on the floor, metres from the centre spot.
type Spot struct{ X, Y float64 }

// Track is where one tracked body, a player or the ball, was within PresenceWindow.
type Track struct {
	Body  string // "device/name", without the axis
	Spots []Spot // in order of time; never empty
}

// fix is one sample of one axis.
type fix struct {
	stamp
	value float64
	bad   bool
}

// track is a body's two axes as each gateway reports them.
type track struct {
	body  string
	pairs []axes // by gateway
}

type axes struct {
	gateway *gateway
	x, y    *series
}

// tracks are the tracked bodies in the order in which tables first named them.
type tracks struct {
	byBody map[string]*track
	list   []*track
}

// bind makes a position point an axis of its body: its name ends with the axis, as in "player/7/x". Other position points are no
// axis, and stay ordinary points.
func (ts *tracks) bind(p *point.Point, s *series) {
	name := p.Qualified()
	body, axis := name[:max(0, len(name)-2)], name[max(0, len(name)-2):]
	if p.Type == point.Text || p.Class != point.State || (axis != "/x" && axis != "/y") || !strings.Contains(body, "/") {
		return
	}
	if ts.byBody == nil {
		ts.byBody = make(map[string]*track)
	}
	t := ts.byBody[body]
	if t == nil {
		t = &track{body: body}
		ts.byBody[body] = t
		ts.list = append(ts.list, t)
	}
	at := slices.IndexFunc(t.pairs, func(a axes) bool { return a.gateway == s.gateway })
	if at < 0 {
		at = len(t.pairs)
		t.pairs = append(t.pairs, axes{gateway: s.gateway})
	}
	if axis == "/x" {
		t.pairs[at].x = s
	} else {
		t.pairs[at].y = s
	}
}

// observeFix folds in a sample of a position. Of one time, the last by stamp counts. What no window from now on can hold is left out.
func (s *series) observeFix(o *observation, now time.Time) {
	s.observe(o)
	start := now.Add(-PresenceWindow).UnixNano()
	f := fix{stamp: o.stamp, value: o.point.Number(o.bits), bad: o.quality.IsBad()}
	at := len(s.fixes)
	if at > 0 && s.fixes[at-1].wall >= f.wall {
		at = sort.Search(at, func(k int) bool { return s.fixes[k].wall >= f.wall })
	}
	switch {
	case at < len(s.fixes) && s.fixes[at].wall == f.wall:
		if f.after(&s.fixes[at].stamp) {
			s.fixes[at] = f
		}
		return
	case at < len(s.fixes) && s.fixes[at].wall <= start:
		return // a later one stands for it when the window begins
	}
	s.fixes = slices.Insert(s.fixes, at, f)
	drop := max(0, len(s.fixes)-maxFixes)
	for drop+1 < len(s.fixes) && s.fixes[drop+1].wall <= start {
		drop++
	}
	s.fixes = s.fixes[drop:] // the memory before goes with the next growth
}

// Presence returns where every tracked body was within PresenceWindow, of the best gateway that reports both of its axes.
// A body is at (x, y) from a sample of either axis to the next one; bad quality, twice max_silence and gaps end that.
func (v *Venue) Presence() (Basis, []Track) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	now := v.o.Now()
	var out []Track
	for _, t := range v.tracks.list {
		if a := t.best(); a != nil {
			if spots := a.spots(now); len(spots) > 0 {
				out = append(out, Track{Body: t.body, Spots: spots})
			}
		}
	}
	return v.basis(now), out
}

func (t *track) best() *axes {
	var pick *axes
	for i := range t.pairs {
		a := &t.pairs[i]
		if a.x == nil || a.y == nil || len(a.x.fixes) == 0 || len(a.y.fixes) == 0 {
			continue
		}
		if pick == nil || a.x.before(pick.x) {
			pick = a
		}
	}
	return pick
}

// spots walks through both axes at once.
func (a *axes) spots(now time.Time) []Spot {
	start, end := now.Add(-PresenceWindow).UnixNano(), now.Add(LateBy).UnixNano()
	x, y := reader{series: a.x, end: end}, reader{series: a.y, end: end}
	x.to(start)
	y.to(start)
	var out []Spot
	for at := start; ; at = min(x.next(), y.next()) {
		if at > end {
			return out
		}
		x.to(at)
		y.to(at)
		if x.known(at) && y.known(at) {
			if s := (Spot{x.fix().value, y.fix().value}); len(out) == 0 || out[len(out)-1] != s {
				out = append(out, s)
			}
		}
	}
}

// reader steps through one axis.
type reader struct {
	series *series
	n      int // fixes passed
	end    int64
}

// to passes every fix up to and including time at.
func (r *reader) to(at int64) {
	for r.n < len(r.series.fixes) && r.series.fixes[r.n].wall <= at {
		r.n++
	}
}

// next returns the time of the next fix, one after end when there is none.
func (r *reader) next() int64 {
	if r.n == len(r.series.fixes) {
		return r.end + 1
	}
	return r.series.fixes[r.n].wall
}

func (r *reader) fix() *fix { return &r.series.fixes[r.n-1] }

// known reports whether the last fix passed still stands at a time.
func (r *reader) known(at int64) bool {
	if r.n == 0 || r.fix().bad {
		return false
	}
	f, silence := r.fix(), int64(r.series.last.point.MaxSilence)
	return (silence == 0 || at-f.wall <= 2*silence) && (at == f.wall || !r.series.gateway.lostBy(&f.stamp, at))
}
