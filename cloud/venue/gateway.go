package venue

import (
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Limits of what one gateway may make a venue keep. Beyond each, frames are set aside with the limit's name.
const (
	maxEpochs     = 1024    // that are not settled for longer than the horizon
	maxEpochsADay = 256     // a gateway that restarts every six minutes
	maxTombs      = 1 << 14 // settled epochs that are remembered; the oldest are forgotten; 64 bytes each
	maxStretches  = 4096    // of one lane of an epoch, the holes between them; 32 bytes each
	maxDeclared   = 4096    // losses declared of one lane of an epoch; beyond, neighbours become one
	maxPointGaps  = 4096    // losses declared of points; the oldest are forgotten
	maxTables     = 1024
	maxWaiting    = 1 << 17 // frames that wait for tables; 56 bytes each
	maxAside      = 1000    // frames set aside; the oldest is forgotten, and is a gap from then on
	maxAsideBytes = 64 << 20
	maxRuns       = 4096 // counter runs of one point; the oldest are added up
	maxBoots      = 64   // boots whose time maps are remembered
	dayOfEpochs   = 24 * time.Hour
)

// gateway is what a venue knows of one of its gateways.
type gateway struct {
	id        point.ID
	order     int   // position in the configuration
	bucket    int64 // ns of the venue's history
	granted   map[point.ID]bool
	ranks     map[point.ID]int // by device; smaller is better
	epochs    map[point.Epoch]*epoch
	names     map[point.Epoch]*point.Epoch
	tombs     map[point.Epoch]*tomb
	buriedIDs []point.Epoch // of tombs, the oldest first
	buried    [2]int64      // Unix ns: the end of the holes that were forgotten with their epochs
	successor map[point.Epoch]point.Epoch
	day       time.Time // when the count of new epochs began
	drawn     int       // new epochs since day
	stale     []*epoch
	holed     map[point.Epoch]*epoch
	behind    map[point.Epoch]*epoch // those with pending batches
	hidden    shades                 // by holes
	waits     shades                 // by pending batches
	early     bool                   // a hole begins ahead of the venue's time
	inquiry   *inquiry
	settled   uint64 // batches of tombs
	prints    fingerprint.Book
	pointGaps []pointGap
	boots     map[clock.BootID]clock.Map
	tables    map[point.TableHash]*table
	assembler wire.TableAssembler
	parts     []uint64                      // log offsets of the parts of tables that are not complete
	waiting   map[point.TableHash][]waiting // frames whose table is not known yet
	waitCount int
	aside     shelf
	inventory wire.Inventory
	invAt     time.Time
	status    wire.Status
	statusAt  time.Time
	applied   time.Time // received time of the newest applied batch
	newest    int64     // Unix ns of the newest sample
	clock     string
}

// waiting is a frame in the log that waits for its table.
type waiting struct {
	offset   uint64
	id       point.BatchID
	received int64 // Unix ns
}

// table is a point table bound to the venue's series.
type table struct {
	points  []point.Point
	series  []*series
	refused string // why its frames are set aside; empty for none
	order   int    // of the venue's tables, in which they came
}

func newGateway(order int, bucket time.Duration, o *Gateway) *gateway {
	g := &gateway{id: o.ID, order: order, bucket: int64(bucket), granted: map[point.ID]bool{}, ranks: o.Ranks, epochs: map[point.Epoch]*epoch{}, names: map[point.Epoch]*point.Epoch{}, tombs: map[point.Epoch]*tomb{},
		successor: map[point.Epoch]point.Epoch{}, holed: map[point.Epoch]*epoch{}, behind: map[point.Epoch]*epoch{},
		boots: map[clock.BootID]clock.Map{}, tables: map[point.TableHash]*table{}, waiting: map[point.TableHash][]waiting{}}
	for _, d := range o.Devices {
		g.granted[d] = true
	}
	return g
}

// rank says how good the gateway is for a device; smaller is better, and no two gateways share one.
func (g *gateway) rank(device point.ID) [2]int { return [2]int{g.ranks[device], g.order} }

// epoch returns the state of an epoch, making it, or an error when the gateway has too many.
func (g *gateway) epoch(id point.Epoch, received time.Time) (*epoch, error) {
	e := g.epochs[id]
	if e != nil {
		return e, nil
	}
	if len(g.epochs) >= maxEpochs {
		return nil, fmt.Errorf("gateway %s has %d epochs that are not settled, its limit", g.id, maxEpochs)
	}
	if received.Sub(g.day) >= dayOfEpochs || received.Before(g.day) {
		g.day, g.drawn = received, 0
	}
	if g.drawn >= maxEpochsADay {
		return nil, fmt.Errorf("gateway %s began %d epochs since %s, its limit for a day", g.id, maxEpochsADay, g.day.UTC().Format(time.RFC3339))
	}
	g.drawn++
	e = &epoch{id: id, name: g.nameOf(id), born: received}
	g.epochs[id] = e
	return e, nil
}

// nameOf returns the pointer by which stamps name an epoch.
func (g *gateway) nameOf(id point.Epoch) *point.Epoch {
	if e := g.epochs[id]; e != nil {
		return e.name
	}
	n := g.names[id]
	if n == nil {
		n = &id
		g.names[id] = n
	}
	return n
}

// remembers takes over the time map of a batch, to date what other batches say of its boot.
func (g *gateway) remembers(m clock.Map) {
	have, ok := g.boots[m.Boot]
	switch {
	case !ok && len(g.boots) >= maxBoots:
		oldest := m
		for _, b := range g.boots {
			if b.Wall(b.From) < oldest.Wall(oldest.From) {
				oldest = b
			}
		}
		delete(g.boots, oldest.Boot)
		fallthrough
	case !ok, m.From > have.From, m.From == have.From && m.Offset > have.Offset:
		g.boots[m.Boot] = m
	}
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

// bury forgets the details of an epoch that has been settled for longer than the horizon. What a late duplicate of it needs stays.
func (g *gateway) bury(e *epoch) {
	t := &tomb{id: e.id}
	for l := range e.lanes {
		ls := &e.lanes[l]
		t.next[l], t.first[l] = ls.known(), ls.held.begin()
		g.settled += ls.held.count()
		for _, h := range ls.holes {
			g.buried[l] = max(g.buried[l], h.last)
		}
	}
	delete(g.epochs, e.id)
	delete(g.holed, e.id)
	g.tombs[e.id] = t
	g.buriedIDs = append(g.buriedIDs, e.id)
	if len(g.buriedIDs) > maxTombs {
		old := g.buriedIDs[0]
		delete(g.tombs, old)
		delete(g.names, old)
		delete(g.successor, old)
		g.buriedIDs = append(g.buriedIDs[:0], g.buriedIDs[1:]...)
	}
}
