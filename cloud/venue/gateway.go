package venue

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Limits of what one gateway may make a venue keep. Beyond each, frames are set aside with the limit's name.
const (
	maxEpochs       = 4096    // of one gateway; a gateway that restarts every 20 minutes for two months
	maxTables       = 1024    // of one gateway
	maxWaiting      = 1 << 20 // frames waiting for tables, of one gateway; 8 bytes each
	rememberedFrame = 1 << 16 // frame hashes kept a lane, to tell a duplicate from a conflict; 8 bytes each
)

// gateway is what a venue knows of one of its gateways.
type gateway struct {
	id        point.ID
	rank      int // position in the configuration; smaller is better
	granted   map[point.ID]bool
	epochs    map[point.Epoch]*epoch
	tables    map[point.TableHash]*table
	assembler wire.TableAssembler
	waiting   map[point.TableHash][]uint64 // log offsets of frames whose table is not known yet
	waitCount int
	gaps      []gapSpan
	inventory wire.Inventory
	invAt     time.Time
	status    wire.Status
	statusAt  time.Time
	applied   time.Time // received time of the newest applied batch
	newest    int64     // Unix ns of the newest sample
	clock     string
}

// gapSpan is a declared loss, dated.
type gapSpan struct {
	gap         point.Gap
	declared    time.Time
	first, last int64 // Unix ns; 0 when not known
}

type epoch struct {
	id    point.Epoch
	lanes [2]laneState
}

type laneState struct {
	seen   interval.Set
	hashes map[uint64]uint64 // seq → first 8 bytes of the frame's hash
	oldest uint64            // hashes below are forgotten
}

// table is a point table bound to the venue's series.
type table struct {
	points  []point.Point
	series  []*series
	refused string // why its frames are set aside; empty for none
}

func newGateway(id point.ID, rank int, devices []point.ID) *gateway {
	g := &gateway{id: id, rank: rank, granted: map[point.ID]bool{}, epochs: map[point.Epoch]*epoch{},
		tables:  map[point.TableHash]*table{},
		waiting: map[point.TableHash][]uint64{}}
	for _, d := range devices {
		g.granted[d] = true
	}
	return g
}

// lane returns the state of one lane of one epoch, or an error when the gateway has too many epochs.
func (g *gateway) lane(id point.Epoch, l point.Lane) (*epoch, *laneState, error) {
	e := g.epochs[id]
	if e == nil {
		if len(g.epochs) >= maxEpochs {
			return nil, nil, fmt.Errorf("gateway %s has %d epochs, its limit", g.id, maxEpochs)
		}
		e = &epoch{id: id}
		g.epochs[id] = e
	}
	ls := &e.lanes[l-1]
	if ls.hashes == nil {
		ls.hashes = map[uint64]uint64{}
	}
	return e, ls, nil
}

// known says whether seq was applied, and if so whether with another content.
func (ls *laneState) known(seq uint64, frame []byte) (seen, conflict bool) {
	if !ls.seen.Has(seq) {
		return false, false
	}
	have, ok := ls.hashes[seq]
	return true, ok && have != shortHash(frame)
}

// mark remembers seq as applied with this content.
func (ls *laneState) mark(seq uint64, frame []byte) {
	ls.seen.AddOne(seq)
	ls.hashes[seq] = shortHash(frame)
	for len(ls.hashes) > rememberedFrame {
		delete(ls.hashes, ls.oldest)
		ls.oldest++
	}
}

func shortHash(frame []byte) uint64 {
	h := wire.FrameHash(frame)
	return binary.LittleEndian.Uint64(h[:8])
}

// ungranted returns the first device of points that g may not report, or "".
func (g *gateway) ungranted(points []point.Point) point.ID {
	for i := range points {
		if !g.granted[points[i].Device] {
			return points[i].Device
		}
	}
	return ""
}
