package spool

import (
	"fmt"

	"github.com/courtside-edge/courtside/sync/point"
)

// Count is a number of batches and the bytes of their frames.
type Count struct {
	Batches uint64
	Bytes   int64
}

func (c *Count) add(e *entry) { c.Batches++; c.Bytes += int64(e.size) }
func (c *Count) sub(e *entry) { c.Batches--; c.Bytes -= int64(e.size) }

// Counts says what is held of one lane, by place and by state. RAM + Stored is everything; so is the sum of the states.
type Counts struct {
	RAM, Stored Count // not stored yet · durable
	Queued      Count // critical, not durable yet
	Live        Count // waiting for the first publish
	Backlog     Count // waiting otherwise
	Taken       Count // handed out, with no word from the broker
	Sent        Count // the broker took it, the cloud has not acknowledged it
	Refused     Count // the cloud will not have it
}

// Stats are totals since opening.
type Stats struct {
	Acked          Count
	Dropped        Count  // with a gap, by the drop policy
	DroppedSamples uint64 // in Dropped
	Spilled        Count  // telemetry written to the store
	Corrupt        uint64 // stored batches that could not be read back
	Refused        uint64 // batches that the cloud refused
	ForeignAcks    uint64 // ranges of acks for an epoch that is not here
	ImpossibleAcks uint64 // ranges of acks for what was never given or never offered
	Backlogged     uint64 // critical batches refused by Append
	StoreErrors    uint64
}

// Stats returns totals since opening.
func (s *Spool) Stats() Stats { return s.stats }

// Counts returns what is held of a lane. It walks over what is in RAM and in flight only.
func (s *Spool) Counts(l point.Lane) Counts {
	ln := s.lane(l)
	c := Counts{RAM: ln.ram, Stored: ln.stored, Refused: ln.refused}
	for id := range s.inFlight {
		if id.Lane != l {
			continue
		}
		_, _, e := s.find(id)
		if e.state == sent {
			c.Sent.add(e)
		} else {
			c.Taken.add(e)
		}
	}
	hold := &s.open.hold[laneAt(l)]
	for iv := range hold.live.All() {
		for seq := iv.From; seq < iv.To; seq++ {
			c.Live.add(hold.get(seq))
		}
	}
	if l == point.Critical {
		for iv := range hold.unstored.All() {
			for seq := iv.From; seq < iv.To; seq++ {
				c.Queued.add(hold.get(seq))
			}
		}
	}
	c.Backlog = Count{
		Batches: c.RAM.Batches + c.Stored.Batches - c.Refused.Batches - c.Sent.Batches - c.Taken.Batches - c.Live.Batches - c.Queued.Batches,
		Bytes:   c.RAM.Bytes + c.Stored.Bytes - c.Refused.Bytes - c.Sent.Bytes - c.Taken.Bytes - c.Live.Bytes - c.Queued.Bytes,
	}
	return c
}

// LiveWaiting returns how many batches of a lane wait for their first publish, queued critical ones included. It is cheap.
func (s *Spool) LiveWaiting(l point.Lane) uint64 {
	hold := &s.open.hold[laneAt(l)]
	if l == point.Critical {
		return hold.live.Count() + hold.unstored.Count()
	}
	return hold.live.Count()
}

// Oldest returns when the first sample of the oldest batch that is held was taken, as the epochs' time maps date it; false when nothing is held.
func (s *Spool) Oldest() (unixNano int64, held bool) {
	for _, ep := range s.epochs {
		for at := range ep.hold {
			first, ok := ep.hold[at].held.First()
			if !ok {
				continue
			}
			if e := ep.hold[at].get(first.From); e != nil {
				if wall := ep.at.Wall(e.first); !held || wall < unixNano {
					unixNano, held = wall, true
				}
			}
		}
	}
	return unixNano, held
}

// Trouble returns why a lane does not do what it promises, or nil: the last disk work failed, or the last critical batch was refused.
func (s *Spool) Trouble(l point.Lane) error {
	if err := s.lane(l).err; err != nil || l != point.Critical || !s.refusing {
		return err
	}
	return fmt.Errorf("%w: %d bytes are stored of at most %d", ErrBacklogged, s.lane(l).stored.Bytes, s.opt.CriticalLimit)
}

// StoreErr returns why the last disk work of a lane failed, or nil when it went well.
func (s *Spool) StoreErr(l point.Lane) error { return s.lane(l).err }
