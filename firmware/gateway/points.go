package gateway

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/filter"
	"github.com/courtside-edge/courtside/firmware/scan"
	"github.com/courtside-edge/courtside/sync/point"
)

// Points implements diag.Gateway.
func (g *Gateway) Points(ctx context.Context, q diag.Query) (diag.Points, error) {
	var looks []*look
	for _, m := range g.crew.list() {
		looks = append(looks, newLook(g, m, q.Search))
	}
	if q.Look > 0 {
		watchAll(ctx, looks, q.Look)
	}
	var out diag.Points
	limit := q.Limit
	if limit <= 0 {
		limit = diag.DefaultLimit
	}
	for _, l := range looks {
		for _, st := range l.member.worker.Look(nil, l.picks) {
			p := l.describe(st)
			if q.Bad && !isSuspect(p) {
				continue
			}
			if out.Total++; len(out.Points) < limit {
				out.Points = append(out.Points, p)
			}
		}
	}
	if out.Total == 0 && q.Search != "" && !q.Bad {
		return out, fmt.Errorf("point %q: %w; `gwctl points` lists all", q.Search, diag.ErrNotFound)
	}
	return out, nil
}

func isSuspect(p diag.Point) bool {
	for _, v := range []*diag.Value{p.Reported, p.Read} {
		if v != nil && v.Quality != point.Good.String() && v.Quality != point.GoodNoData.String() {
			return true
		}
	}
	return p.Reported == nil && p.Class != point.Event.String()
}

// look is what is seen of one device's points.
type look struct {
	g      *Gateway
	member *member
	table  []point.Point
	search []string
	local  map[uint32]uint32 // positions that the device's readings name → positions in the table

	want int           // points that the search takes
	all  chan struct{} // closed once each of them was read

	mu   sync.Mutex
	read map[uint32]reading // by position in the table
}

// reading is what a device gave last.
type reading struct {
	at      int64
	bits    uint64
	text    string
	quality point.Quality
}

func newLook(g *Gateway, m *member, search string) *look {
	l := &look{g: g, member: m, table: m.table(), search: strings.Fields(strings.ToLower(search)), local: m.positions(),
		read: make(map[uint32]reading), all: make(chan struct{})}
	for _, index := range l.local {
		if l.picks(index) {
			l.want++
		}
	}
	return l
}

// picks reports whether the search takes the point at a position in the table.
func (l *look) picks(index uint32) bool {
	name := l.table[index].Qualified()
	for _, part := range l.search {
		if !occurs(name, part) {
			return false
		}
	}
	return true
}

// occurs reports whether part, in which '*' stands for anything, occurs in name.
func occurs(name, part string) bool {
	for piece := range strings.SplitSeq(part, "*") {
		at := strings.Index(name, piece)
		if at < 0 {
			return false
		}
		name = name[at+len(piece):]
	}
	return true
}

// see takes in a block. It runs on the path of samples while somebody looks.
func (l *look) see(b *drivers.Block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range b.Readings {
		index, ok := l.local[r.Index]
		if !ok || !l.picks(index) {
			continue
		}
		v := reading{at: b.Time, bits: r.Bits, quality: r.Quality}
		if l.table[index].Type == point.Text && r.Bits < uint64(len(b.Texts)) {
			v.text = b.Texts[r.Bits]
		}
		if l.read[index] = v; len(l.read) == l.want {
			l.seenAll()
		}
	}
}

// seenAll says that there is nothing more to wait for. The caller holds mu.
func (l *look) seenAll() {
	select {
	case <-l.all:
	default:
		close(l.all)
	}
}

func (l *look) last(index uint32) (reading, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.read[index]
	return r, ok
}

// watchAll lets looks see what devices give: until each point was read, for d at most. Who is not connected is not waited for.
func watchAll(ctx context.Context, looks []*look, d time.Duration) {
	for _, l := range looks {
		defer l.member.worker.Tap(l.see)()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for _, l := range looks {
		if l.want == 0 || l.member.worker.Status().State != scan.Up {
			continue
		}
		select {
		case <-l.all:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// describe writes one point out.
func (l *look) describe(st filter.State) diag.Point {
	p := &l.table[st.Index]
	out := diag.Point{Device: string(p.Device), Name: string(p.Name), Type: p.Type.String(), Kind: p.Kind.String(), Class: p.Class.String(),
		Lane: p.Lane.String(), Unit: p.Unit, Place: p.Place}
	if st.Started {
		out.Reported = l.g.value(p, reading{at: st.Reported, bits: st.Bits, text: st.Text, quality: st.Quality})
	}
	if st.Next != 0 {
		out.Due = l.g.wall(st.Next)
	}
	r, seen := l.last(st.Index)
	switch {
	case seen:
		out.Read = l.g.value(p, r)
		out.Why = st.Why(p, r.bits, r.text, r.quality, r.at)
		if p.Class == point.Counter && st.Raw == r.bits && !r.quality.IsBad() {
			out.Why = "reported, or held back since: the register stands at " + strconv.FormatUint(r.bits, 10)
		}
	case !st.Started:
		out.Why = "nothing was read since the start: " + l.state()
	case st.Quality.IsBad():
		out.Why = "reported as " + st.Quality.String() + " once; the device is " + l.state()
	case p.Class == point.Event:
		out.Why = "every occurrence is reported; none came while we looked"
	default:
		out.Why = "nothing was read while we looked: " + l.state()
	}
	return out
}

// state is the device's in a few words.
func (l *look) state() string {
	s := l.member.worker.Status()
	if s.Cause != "" {
		return s.State.String() + ", " + s.Cause
	}
	return s.State.String()
}

// value writes a reading out.
func (g *Gateway) value(p *point.Point, r reading) *diag.Value {
	at := g.wall(r.at)
	return &diag.Value{Value: engineering(p, r), Quality: r.quality.String(), At: at, Age: time.Since(at).Round(time.Millisecond)}
}

// engineering is a reading's value as people write it.
func engineering(p *point.Point, r reading) string {
	switch {
	case r.quality.IsBad():
		return "–"
	case p.Type == point.Text:
		return strconv.Quote(r.text)
	case p.Type == point.Bool:
		return strconv.FormatBool(r.bits != 0)
	case p.Type == point.Int && p.Scale == 0 && p.Offset == 0:
		return strconv.FormatInt(int64(r.bits), 10)
	}
	v := p.Number(r.bits)
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e15) {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// watchBuffer is how many readings may wait for a watcher that is slow; further ones are left out.
const watchBuffer = 256

// Watch implements diag.Gateway.
func (g *Gateway) Watch(ctx context.Context, search string, yield func(diag.Change) bool) error {
	changes := make(chan diag.Change, watchBuffer)
	found := false
	for _, m := range g.crew.list() {
		l := newLook(g, m, search)
		states := m.worker.Look(nil, l.picks)
		if len(states) == 0 {
			continue
		}
		found = true
		for _, st := range states {
			p := l.describe(st)
			if p.Reported != nil && !yield(diag.Change{Name: l.table[st.Index].Qualified(), Value: *p.Reported, Why: "reported last"}) {
				return nil
			}
		}
		defer m.worker.Tap(func(b *drivers.Block) { l.tell(b, changes) })()
	}
	if !found {
		return fmt.Errorf("point %q: %w; `gwctl points` lists all", search, diag.ErrNotFound)
	}
	for {
		select {
		case c := <-changes:
			if !yield(c) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// tell passes on the readings of b that the search takes, with what the filter is going to do with them. It never waits. The worker
// is held by its caller, so that the filter stands still.
func (l *look) tell(b *drivers.Block, changes chan<- diag.Change) {
	l.see(b)
	var picked []uint32
	for _, r := range b.Readings {
		if index, ok := l.local[r.Index]; ok && l.picks(index) {
			picked = append(picked, index)
		}
	}
	if len(picked) == 0 {
		return
	}
	for _, st := range l.member.worker.Peek(func(i uint32) bool { return slices.Contains(picked, i) }) {
		r, _ := l.last(st.Index)
		p := &l.table[st.Index]
		why := st.Why(p, r.bits, r.text, r.quality, r.at)
		select {
		case changes <- diag.Change{Name: p.Qualified(), Value: *l.g.value(p, r), Passes: strings.HasPrefix(why, "passes"), Why: why}:
		default:
		}
	}
}
