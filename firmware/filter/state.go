package filter

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// State is what the filter holds of one point: what it last reported, and what it waits for. It is a copy.
type State struct {
	Index    uint32
	Started  bool // something was reported since the start
	Bits     uint64
	Text     string
	Quality  point.Quality
	Reported int64  // monotonic ns of the last report
	Next     int64  // monotonic ns from which MaxSilence makes any reading a report; 0 for never
	Held     bool   // a change waits for the interval of a reduction
	Low      uint64 // for numbers: readings from Low to High are no news
	High     uint64
	Bounded  bool // Low and High say something
	// Of a counter: its register at the last good read, its run, and whether anything was read since the start.
	Raw  uint64
	Run  uint64
	Read bool // something was read since the start
	// Resets is how many runs of it began since the start because the register went back, or further than MaxRate allows.
	Resets uint64
}

// States appends the state of each point that pick takes to into and returns it. A nil pick takes all. It must not run beside Apply.
func (f *Filter) States(into []State, pick func(index uint32) bool) []State {
	for k := range f.slots {
		s, c := &f.slots[k], &f.cells[k]
		if pick != nil && !pick(s.index) {
			continue
		}
		st := State{Index: s.index, Started: s.started, Bits: s.last, Text: s.lastText, Quality: c.quality, Reported: s.reported, Held: s.held}
		if s.next != never {
			st.Next = s.next
		}
		if s.nature == number && s.started && !c.quality.IsBad() {
			st.Low, st.High, st.Bounded = unkey(c.lo, c.float), unkey(c.lo+c.width, c.float), true
		}
		if s.counter != nil {
			st.Bits, st.Raw, st.Run, st.Read, st.Resets = s.counter.total, s.counter.raw, s.counter.run.Run, s.counter.read, s.counter.resets
		}
		into = append(into, st)
	}
	return into
}

// unkey is the inverse of key.
func unkey(k uint64, float uint8) uint64 {
	if float == 1 && k&sign == 0 {
		return ^k
	}
	return k ^ sign
}

// Rebase moves the filter to another table in which its points, unchanged and in the same order, stand at own. Readings go on
// naming the positions that New was given; reports name the new ones. It must not run beside Apply.
func (f *Filter) Rebase(table []point.Point, own []uint32) error {
	if len(own) != len(f.slots) {
		return fmt.Errorf("rebasing a filter of %d points to %d", len(f.slots), len(own))
	}
	for k := range f.slots {
		if was, is := &f.table[f.slots[k].index], &table[own[k]]; *was != *is {
			return fmt.Errorf("rebasing a filter: %s is now %s, or differs", was.Qualified(), is.Qualified())
		}
	}
	for k := range f.slots {
		f.slots[k].index = own[k]
		if c := f.slots[k].counter; c != nil {
			c.run.Index = own[k]
		}
	}
	f.table = table
	return nil
}

// Why says in a sentence what the filter does with a reading of p, of value bits and quality q, at monotonic time now: whether it
// passes, and if not, why.
func (s State) Why(p *point.Point, bits uint64, text string, q point.Quality, now int64) string {
	switch {
	case !s.Started:
		return "passes: the first reading since the start always does"
	case q != s.Quality:
		return fmt.Sprintf("passes: its quality changed from %s to %s", s.Quality, q)
	case p.Class == point.Event:
		return "passes: every occurrence does"
	case s.Next != 0 && now >= s.Next:
		return "passes: max_silence " + p.MaxSilence.String() + " is over"
	case q.IsBad():
		return "held back: it is " + q.String() + " as before, and the value of a bad reading says nothing" + s.silence(now)
	case p.Class == point.Counter && bits == s.Raw:
		return "held back: the register did not move" + s.silence(now)
	case p.Class == point.Counter:
		return fmt.Sprintf("passes: the register moved from %d to %d", s.Raw, bits)
	case p.Type == point.Text && text == s.Text:
		return "held back: the text is as reported" + s.silence(now)
	case p.Type == point.Text:
		return "passes: the text changed"
	}
	return s.whyNumber(p, canonical(p.Type, bits), now)
}

func (s State) whyNumber(p *point.Point, bits uint64, now int64) string {
	var float uint8
	if p.Type == point.Float {
		float = 1
	}
	at := key(bits, float)
	switch {
	case !s.Bounded || at < key(s.Low, float) || at > key(s.High, float):
		if s.Held {
			return "waits: the gateway saves space and reports this point less often"
		}
		return fmt.Sprintf("passes: %s differs enough from the reported %s", show(p, bits), show(p, s.Bits))
	case bits == s.Bits:
		return "held back: it is as reported" + s.silence(now)
	}
	return fmt.Sprintf("held back: %s is within the deadband %s of the reported %s%s", show(p, bits), brief(p.Deadband), show(p, s.Bits), s.silence(now))
}

func (s State) silence(now int64) string {
	if s.Next == 0 {
		return ""
	}
	return "; max_silence repeats it in " + time.Duration(s.Next-now).Round(100*time.Millisecond).String()
}

func show(p *point.Point, bits uint64) string {
	if p.Type == point.Bool {
		return strconv.FormatBool(bits != 0)
	}
	return brief(p.Number(bits))
}

// brief writes a number as short as its float allows, without the noise of a scale's rounding.
func brief(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e15) {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}
