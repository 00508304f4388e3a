package wire

import (
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
)

// Batch is the unit of sync, decoded. Encode and Decode reuse its slices; a Batch is not safe for concurrent use.
type Batch struct {
	Venue, Gateway point.ID
	Trace          string // W3C traceparent of the batch's close; empty for none
	Map            clock.Map
	Table          point.TableHash
	Samples        []point.Sample // in order of arrival at the batcher; times need not ascend
	Texts          []string       // what Bits of Text samples index
	DeviceTimes    []point.DeviceTime
	Runs           []point.CounterRun // of every counter point that Samples names
	Events         []point.EventKey
	Gaps           []point.Gap
	Reduced        []point.Reduced
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	*b = Batch{Samples: b.Samples[:0], Texts: b.Texts[:0], DeviceTimes: b.DeviceTimes[:0], Runs: b.Runs[:0],
		Events: b.Events[:0], Gaps: b.Gaps[:0], Reduced: b.Reduced[:0]}
}

// Range is the seqs From ≤ seq < To of one lane of one epoch.
type Range struct {
	Epoch    point.Epoch
	Lane     point.Lane
	From, To uint64
}

// Refused is a batch that the cloud will not take however often it is sent.
type Refused struct {
	point.BatchID
	Reason string
}

// Ack is what the aggregator tells one gateway.
type Ack struct {
	Incarnation string // of the aggregator's log
	Durable     []Range
	Tables      []point.TableHash // durable point tables
	Refused     []Refused
	CloudTime   time.Time
	Credit      uint32 // replay bytes a second that the gateway may use; 0 for no limit
	Inventory   uint64 // the number of the inventory that this answers; 0 when it answers none
}

// LaneInventory is a gateway's account of one lane of one epoch.
type LaneInventory struct {
	Lane    point.Lane
	Next    uint64 // seqs below were given
	Pending []PendingRange
}

// PendingRange is batches still held.
type PendingRange struct {
	From, To    uint64
	First, Last int64 // monotonic times that they cover, on the epoch's boot
}

// EpochInventory is a gateway's account of one epoch not yet settled.
type EpochInventory struct {
	Epoch       point.Epoch
	Predecessor point.Epoch // zero for the first
	Clean       bool        // closed cleanly; false for one that a power cut or kill ended
	Open        bool        // the one in use now
	Map         clock.Map   // of its boot
	Lanes       []LaneInventory
}

// Inventory is a gateway's account of every epoch not yet settled.
type Inventory struct {
	Number  uint64 // ascending within a session
	Session string
	Epochs  []EpochInventory
	Gaps    []point.Gap // losses of batches that no durable batch of the gateway carries yet; at most MaxNotes
}

// CommandKind says what a command wants.
type CommandKind uint8

// The commands. Values of the wire contract; never renumber.
const (
	TableWanted CommandKind = 1
	Rebirth     CommandKind = 2
	Update      CommandKind = 3
	SetAside    CommandKind = 4
)

// Command is what the aggregator asks of a gateway.
type Command struct {
	ID      string
	Expires time.Time
	Kind    CommandKind
	Table   point.TableHash // for TableWanted
	Order   UpdateOrder     // for Update
	Notice  Notice          // for SetAside
}

// Notice tells a gateway that the cloud has what it sent, and does not use it.
type Notice struct {
	Reason string // a word, as the aggregator lists it
	Detail string // for people
}

// UpdateOrder asks a gateway to install an update of the image that it runs on.
type UpdateOrder struct {
	URL     string // https
	Version string // that it has to have; empty for any that is newer
	Force   bool   // in spite of an event
	Reboot  bool   // when it is installed
}

// Reply answers a command.
type Reply struct {
	ID    string
	Error string // empty for done
}

// Status is what a gateway announces, retained, for people and programs. It travels as JSON.
type Status struct {
	Gateway  point.ID     `json:"gateway"`
	Venue    point.ID     `json:"venue"`
	Session  string       `json:"session" doc:"a birth or death counts for its own session only"`
	State    string       `json:"state" enum:"birth,death" doc:"birth while the session lives, death when it ended"`
	Epoch    string       `json:"epoch,omitempty"`
	Version  string       `json:"version,omitempty"`
	Platform string       `json:"platform,omitempty"`
	Since    time.Time    `json:"since,omitzero"`
	Points   int          `json:"points,omitempty"`
	Table    string       `json:"table,omitempty" doc:"hash of the point table in use"`
	Backlog  BacklogCount `json:"backlog"`
	Devices  []DeviceStat `json:"devices,omitempty"`
	Clock    string       `json:"clock,omitempty" doc:"what dates the samples: ntp, cloud, system or unknown"`
	Reason   string       `json:"reason,omitempty" doc:"of a death: stopped, or lost when the broker announces it"`
	Jumps    uint64       `json:"clock_jumps,omitempty" doc:"clock jumps seen since the gateway started"`
	Chains   []Chain      `json:"chains,omitempty" doc:"of the key that signs batches, when they are signed: base64 of DER certificates"`
}

// BacklogCount is what a gateway still holds.
type BacklogCount struct {
	Batches uint64 `json:"batches"`
	Bytes   uint64 `json:"bytes"`
}

// DeviceStat is one device's health as a status announces it.
type DeviceStat struct {
	Device point.ID `json:"device"`
	State  string   `json:"state" enum:"connecting,up,down,failed"`
	Cause  string   `json:"cause,omitempty"`
	Points int      `json:"points"`
}
