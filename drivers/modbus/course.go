package modbus

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/sync/point"
)

// course is how one scan class is read: what Prepare laid out, changed by what the device refuses.
// It outlives connections. It is safe for concurrent use, so that a plan can be printed beside a poll.
type course struct {
	limits limits
	packer packer
	items  []item // all points of the class, in order

	took atomic.Int64 // ns of the last whole scan

	mu        sync.Mutex
	version   int // rises when requests or refusals change
	requests  []*request
	refusals  []*refusal
	cuts      map[place]bool // learned: the device refuses requests that span them
	unsettled int            // splits whose parts have not all been answered yet
	changed   bool           // requests and refusals wait for settle
}

// refusal is a request that cannot be made smaller and that the device does not answer.
type refusal struct {
	request *request
	quality point.Quality
	asked   time.Duration // when it was asked for last, on the connection's clock
	conn    uint64        // the connection that asked
}

// split is a refused request that was made into two.
type split struct {
	parent *split
	at     place // the first address of the second part
	open   int   // parts without a final answer
	blamed bool  // a part holds the address that explains why the whole was refused
}

func newCourse(items []item, l limits, p packer) (*course, error) {
	slices.SortFunc(items, order)
	c := &course{limits: l, packer: p, items: items, cuts: map[place]bool{}, version: 1}
	var err error
	c.requests, err = cover(items, l, nil, p)
	return c, err
}

// refuse notes that the device refused r, and returns the two halves to ask for instead, or nil when r
// cannot be made smaller: then its points are bad until it is asked for again.
func (c *course) refuse(r *request, code byte, now time.Duration, conn uint64) []*request {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := middle(r.items); at > 0 && code != goburrow.ExceptionCodeIllegalFunction {
		low, errLow := newRequest(r.items[:at:at], c.packer)
		high, errHigh := newRequest(r.items[at:], c.packer)
		if errLow == nil && errHigh == nil {
			s := &split{parent: r.split, at: place{r.unit, r.table, high.address}, open: 2}
			low.split, high.split = s, s
			c.replace(r, low, high)
			c.unsettled++
			return []*request{low, high}
		}
	}
	c.refusals = append(c.refusals, &refusal{request: r, quality: exceptionQuality(code), asked: now, conn: conn})
	c.replace(r)
	c.answered(r.split, true)
	return nil
}

// accept notes that the device answered r, a part of a refused request.
func (c *course) accept(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered(r.split, false)
	r.split = nil
}

// answered settles the splits that wait for one of their parts. A split whose two parts are fine by
// themselves was refused because of what lies between them, or of its size: it becomes a cut.
func (c *course) answered(s *split, blamed bool) {
	for ; s != nil; s = s.parent {
		s.blamed = s.blamed || blamed
		if s.open--; s.open > 0 {
			return
		}
		if !s.blamed {
			c.cuts[s.at] = true
		}
		c.unsettled--
		c.changed = true
		blamed = true // whatever the reason, it lies within this part of the parent
	}
}

// replace takes r out of the requests and puts parts in.
func (c *course) replace(r *request, parts ...*request) {
	c.requests = slices.DeleteFunc(slices.Clone(c.requests), func(o *request) bool { return o == r })
	c.requests = append(c.requests, parts...)
	c.changed = true
}

// restore takes back a refusal, because the device answers it now.
func (c *course) restore(f *refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = slices.DeleteFunc(slices.Clone(c.refusals), func(o *refusal) bool { return o == f })
	f.request.split = nil
	c.requests = append(slices.Clone(c.requests), f.request)
	c.changed = true
}

// settle makes what was learned the requests of the next scan. Once everything is known, they are
// the fewest that leave out what was refused.
func (c *course) settle() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.changed {
		return nil
	}
	c.changed = false
	c.version++
	if c.unsettled > 0 {
		return nil
	}
	refused := map[item]bool{}
	for _, f := range c.refusals {
		for _, i := range f.request.items {
			refused[i] = true
		}
	}
	live := make([]item, 0, len(c.items))
	cuts := map[place]bool{}
	for at := range c.cuts {
		cuts[at] = true
	}
	behind := false // a refused point: what follows must not be read together with what came before
	for _, i := range c.items {
		if refused[i] {
			behind = true
			continue
		}
		if behind {
			cuts[i.place()] = true
			behind = false
		}
		live = append(live, i)
	}
	requests, err := cover(live, c.limits, cuts, c.packer)
	if err == nil {
		c.requests = requests
	}
	return err
}

// current returns the requests and refusals in force, and the version that they are.
func (c *course) current() ([]*request, []*refusal, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, c.refusals, c.version
}

// middle returns the position in items nearest to the middle where they can be split, or 0 when they all
// lie at the same addresses.
func middle(items []item) int {
	half := len(items) / 2
	for d := 0; d <= half; d++ {
		for _, at := range [2]int{half - d, half + d} {
			if at > 0 && at < len(items) && (items[at].address != items[at-1].address || items[at].end() != items[at-1].end()) {
				return at
			}
		}
	}
	return 0
}
