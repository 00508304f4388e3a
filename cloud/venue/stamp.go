package venue

import (
	"bytes"

	"github.com/courtside-edge/courtside/sync/point"
)

// stamp orders samples: (time, epoch, lane, seq, index), the last four only to break ties the same way for everybody.
type stamp struct {
	wall  int64 // Unix ns; 0 for "never"
	epoch *point.Epoch
	seq   uint64
	index uint32
	lane  point.Lane
}

// after reports whether s comes later than o.
func (s *stamp) after(o *stamp) bool {
	if s.wall != o.wall {
		return s.wall > o.wall
	}
	if o.epoch == nil || s.epoch == nil {
		return s.epoch != nil
	}
	if s.epoch != o.epoch {
		if c := bytes.Compare(s.epoch[:], o.epoch[:]); c != 0 {
			return c > 0
		}
	}
	if s.lane != o.lane {
		return s.lane > o.lane
	}
	if s.seq != o.seq {
		return s.seq > o.seq
	}
	return s.index > o.index
}
