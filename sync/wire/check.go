package wire

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// What both sides check: an encoder so that nobody is sent what he has to refuse, a decoder because the sender may
// be anybody. Every error wraps ErrInvalid or ErrTooLarge.

// maxTrace bounds a W3C traceparent: 55 characters today, with room for what a later version appends.
const maxTrace = 256

func checkIDs(b *Batch) error {
	if _, err := point.ParseID(string(b.Venue)); err != nil {
		return fmt.Errorf("%w: venue: %w", ErrInvalid, err)
	}
	if _, err := point.ParseID(string(b.Gateway)); err != nil {
		return fmt.Errorf("%w: gateway: %w", ErrInvalid, err)
	}
	return checkText("trace parent", b.Trace, maxTrace)
}

// checkText refuses what is no UTF-8 or longer than limit bytes.
func checkText(what, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%w: %s of %d bytes, at most %d are allowed", ErrTooLarge, what, len(s), limit)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, what)
	}
	return nil
}

func checkMap(m clock.Map) error {
	switch {
	case m.Source > clock.Bounds:
		return fmt.Errorf("%w: time map: unknown source %d", ErrInvalid, m.Source)
	case m.From < 0:
		return fmt.Errorf("%w: time map: it holds from %d", ErrInvalid, m.From)
	case m.Uncertainty < 0:
		return fmt.Errorf("%w: time map: uncertainty %v", ErrInvalid, m.Uncertainty)
	}
	return nil
}

// checkRun refuses a counter run that no counter of the table can have.
func checkRun(r *point.CounterRun, kinds []uint8) error {
	switch {
	case int64(r.Index) >= int64(len(kinds)):
		return fmt.Errorf("%w: counter run of point %d of %d", ErrInvalid, r.Index, len(kinds))
	case kinds[r.Index]&counterPoint == 0:
		return fmt.Errorf("%w: counter run of point %d, which is no counter", ErrInvalid, r.Index)
	case r.Run == 0:
		return fmt.Errorf("%w: counter run of point %d has no id", ErrInvalid, r.Index)
	case r.Bits != 16 && r.Bits != 32 && r.Bits != 64:
		return fmt.Errorf("%w: counter run of point %d has a register of %d bits", ErrInvalid, r.Index, r.Bits)
	case r.Bits < 64 && r.First>>r.Bits != 0:
		return fmt.Errorf("%w: counter run of point %d begins at %d, beyond %d bits", ErrInvalid, r.Index, r.First, r.Bits)
	case r.Reason < point.RunFirst || r.Reason > point.RunDevice:
		return fmt.Errorf("%w: counter run of point %d has the unknown reason %d", ErrInvalid, r.Index, r.Reason)
	case r.Start < 0:
		return fmt.Errorf("%w: counter run of point %d starts at %d", ErrInvalid, r.Index, r.Start)
	}
	return nil
}

// checkGap refuses a gap that covers nothing or that nobody can place.
func checkGap(g *point.Gap, points int) error {
	switch {
	case g.Reason < point.GapPowerCut || g.Reason > point.GapUnaccounted:
		return fmt.Errorf("%w: gap of the unknown reason %d", ErrInvalid, g.Reason)
	case g.First < 0 || g.Last < 0 || g.Last != 0 && g.Last < g.First:
		return fmt.Errorf("%w: gap from time %d to %d", ErrInvalid, g.First, g.Last)
	case g.To != 0 && g.To <= g.From:
		return fmt.Errorf("%w: gap from seq %d to %d", ErrInvalid, g.From, g.To)
	case g.PointKnown && int64(g.Index) >= int64(points):
		return fmt.Errorf("%w: gap of point %d of %d", ErrInvalid, g.Index, points)
	case !g.PointKnown && (g.Epoch.IsZero() || !g.Lane.Valid()):
		return fmt.Errorf("%w: gap of batches in epoch %v, %v", ErrInvalid, g.Epoch, g.Lane)
	case g.Lane != 0 && !g.Lane.Valid():
		return fmt.Errorf("%w: gap in the unknown lane %d", ErrInvalid, g.Lane)
	}
	return nil
}

func checkReduced(r *point.Reduced) error {
	if r.Since < 0 || r.MinInterval < 0 || math.IsNaN(r.DeadbandFactor) || math.IsInf(r.DeadbandFactor, 0) || r.DeadbandFactor < 0 {
		return fmt.Errorf("%w: reduced since %d by %v, %v", ErrInvalid, r.Since, r.DeadbandFactor, r.MinInterval)
	}
	return nil
}

// checkClasses refuses samples of counters without a run, and keys that do not belong to a sample of an event point each.
// seen is every kind that the samples have, counts the counters of which the batch holds a run.
func checkClasses(kinds []uint8, counts bitset, seen uint8, b *Batch) error {
	if seen&(counterPoint|eventPoint) == 0 && len(b.Events) == 0 {
		return nil
	}
	keys := 0
	for i := range b.Samples {
		s := &b.Samples[i]
		k := kinds[s.Index]
		if k&(counterPoint|eventPoint) == 0 {
			continue
		}
		hasKey := keys < len(b.Events) && int64(b.Events[keys].Position) == int64(i)
		switch {
		case k&counterPoint != 0 && !s.Quality.IsBad() && !counts.has(s.Index):
			return fmt.Errorf("%w: sample %d is of counter %d, whose run is missing", ErrInvalid, i, s.Index)
		case k&eventPoint == 0:
		case hasKey:
			keys++
		case !s.Quality.IsBad() && s.Quality != point.GoodNoData:
			return fmt.Errorf("%w: sample %d is of event point %d and has no key", ErrInvalid, i, s.Index)
		}
	}
	if keys < len(b.Events) {
		return fmt.Errorf("%w: event key %d, at position %d, is of no event sample or out of order", ErrInvalid, keys, b.Events[keys].Position)
	}
	return nil
}

// quality returns q as the wire carries it: OPC UA reserves the severity 11 and has readers take it for bad.
func quality(q point.Quality) point.Quality {
	if q>>30 == 3 {
		return q &^ 0x40000000
	}
	return q
}
