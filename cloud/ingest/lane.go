package ingest

import (
	"encoding/binary"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// lane is what is durable of one lane of one epoch.
type lane struct {
	durable interval.Set
	hashes  map[uint64]uint64
	oldest  uint64
}

// lane returns the lane's state, nil when the gateway has too many epochs. The caller holds the lock.
func (g *gateway) lane(e point.Epoch, l point.Lane) *lane {
	k := laneKey{e, l}
	s := g.lanes[k]
	if s == nil {
		if len(g.lanes) >= 2*maxEpochs {
			return nil
		}
		s = &lane{hashes: map[uint64]uint64{}}
		g.lanes[k] = s
	}
	return s
}

// holds reports whether this very content is durable.
func (l *lane) holds(seq, hash uint64) bool {
	have, ok := l.hashes[seq]
	return ok && have == hash && l.durable.Has(seq)
}

// mark remembers that seq is durable with this content.
func (l *lane) mark(seq, hash uint64) {
	if !l.durable.AddOne(seq) {
		return // the first content stays the one that counts
	}
	l.hashes[seq] = hash
	if len(l.hashes) <= rememberedFrames {
		return
	}
	for len(l.hashes) > rememberedFrames && l.oldest < seq {
		delete(l.hashes, l.oldest)
		l.oldest++
	}
}

func shortHash(frame []byte) uint64 {
	h := wire.FrameHash(frame)
	return binary.LittleEndian.Uint64(h[:8])
}
