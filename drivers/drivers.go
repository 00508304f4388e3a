package drivers

import (
	"context"
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// Section is one mapping of the configuration file that a driver owns. It knows its place in the file.
type Section interface {
	// Decode fills into, a pointer to a struct with yaml tags, and refuses unknown keys. Its error names file, line,
	// column, the offending text and the fix.
	Decode(into any) error
	// Fault returns an error at the place of key, or at the section's own when key is empty or absent.
	Fault(key, format string, args ...any) error
}

// Target is one point as a driver sees it.
type Target struct {
	Index uint32 // position in the gateway's point table; what readings refer to
	Point *point.Point
}

// Group is one entry of a device's point list: a single point, or all points of a range in order.
// The n-th target of a range lies n steps after the first.
type Group struct {
	Options Section // the entry's "source" mapping, owned by the driver
	Targets []Target
	Class   int // scan class, position in Device.Classes
}

// ScanClass is a polling period shared by points.
type ScanClass struct {
	Name   string
	Period time.Duration
	Phase  time.Duration // offset of the first scan within the period
}

// Device is everything that a driver gets to know of one device.
type Device struct {
	ID      point.ID
	Options Section // the device's "options" mapping, owned by the driver
	Classes []ScanClass
	Groups  []Group
	Clock   interface{ Mono() int64 } // stamps readings
	Log     *slog.Logger              // carries venue, gateway and device
	// Cursor returns how far a point's source is durably read, as the driver put it into Block.Cursors; nil stands for
	// nothing at all. It is safe for concurrent use, and called by Open and after, never by Prepare.
	Cursor func(point.Name) ([]byte, bool)
}

// Driver is one device protocol. It is stateless and safe for concurrent use.
type Driver interface {
	// Prepare checks the device's options and points without any I/O and returns a source of
	// connections. All faults come at once, joined with errors.Join, each from Section.Fault or Section.Decode.
	Prepare(Device) (Source, error)
}

// Source opens connections to one device. It is safe for use by one goroutine at a time.
type Source interface {
	// Open connects. It returns within the device's own timeout or when ctx ends.
	Open(ctx context.Context) (Conn, error)
}

// Conn is one connection to one device, owned by one goroutine.
type Conn interface {
	// Poll reads every point of a scan class once and yields a block for each answer, in any
	// order of blocks. A block belongs to the connection and is valid only during the call of yield.
	// Points that the device refuses or fails to answer come as readings of bad quality, and
	// Poll goes on. An error means that the connection itself can be used no more.
	Poll(ctx context.Context, class int, yield func(*Block)) error
	// Close releases the connection. It may be called twice, and from another goroutine, where it ends a Poll.
	Close() error
}

// Subscriber is a Conn whose device reports by itself.
type Subscriber interface {
	Conn
	// Subscribe yields blocks until ctx ends (nil) or the connection can be used no more (the cause).
	// The first blocks hold the present value of every point. The worker does not call Poll beside it.
	Subscribe(ctx context.Context, yield func(*Block)) error
}

// Acknowledger is a Conn whose device wants to be told what is durable.
type Acknowledger interface {
	Conn
	// Acknowledge tells the device that everything up to cursor is durable. It is called by the
	// goroutine that owns the connection, with the newest cursor of each point; those of counters, which the filter makes,
	// come too and are to be passed over.
	Acknowledge(ctx context.Context, cursor point.Cursor) error
}

// Reading is one value as a device gave it. 16 bytes, no pointers.
type Reading struct {
	Index   uint32
	Quality point.Quality
	Bits    uint64 // as point.Sample.Bits: the raw value for Int, the register for a counter
}

// A reading of an event point with quality point.GoodNoData says that its source was read and held nothing new.

// Block is what one answer of a device brought, stamped once.
type Block struct {
	Time int64 // monotonic ns at which the answer arrived
	// Asked is the monotonic ns of a moment before which the device cannot have taken the values: when it was asked. 0 stands for
	// Time. Between two reads a counter had at most from the first's Asked to the second's Time to advance.
	Asked    int64
	Readings []Reading
	Texts    []string // what Bits of Text readings index; empty for others
	// DeviceTimes holds the device's own times (Unix ns; 0 for none), one a reading; nil when it gives none.
	DeviceTimes []int64
	// Events tells what makes readings of event points unique, by ascending Position. A driver that reads a log of events gives
	// one for each; a reading without one stands for an occurrence that is told by its point, time and value.
	Events []Event
	Gaps   []Gap // what the device lost before it could be read
	// Cursors says how far event sources are read with this block. They commit with it, come back through Device.Cursor after a
	// start, and go to Acknowledge once durable. Their bytes must not be written again.
	Cursors []point.Cursor
}

// Event is what makes one occurrence unique within its device, whoever reads it and however often.
type Event struct {
	Position   uint32 // of its reading in Block.Readings
	Generation uint64 // of the device's log: another one numbers its events anew
	ID         uint64 // as the device numbers it
	Time       uint64 // as the device tells it, in whatever unit; 0 for none
	Direction  uint64 // as the device tells it; 0 for none
	Ticket     []byte // what may leave the gateway of it: a keyed hash unless configured otherwise; empty for none
	// From and At are monotonic ns: not before the last good exchange, and when it occurred by the device's own clock; 0 when not known.
	From, At int64
}

// Gap is a loss that the device declares or the driver found out.
type Gap struct {
	Index       uint32 // the point
	First, Last int64  // monotonic ns: between these it happened; First 0 when not known
	Count       uint64 // events lost; 0 when not known
	Reason      point.GapReason
}

// Reset empties b and keeps its memory.
func (b *Block) Reset(mono int64) {
	b.Time, b.Asked, b.Readings, b.Texts, b.DeviceTimes = mono, 0, b.Readings[:0], b.Texts[:0], b.DeviceTimes[:0]
	b.Events, b.Gaps, b.Cursors = b.Events[:0], b.Gaps[:0], b.Cursors[:0]
}

// Registry is the drivers that a gateway has, by the name that configuration uses. It is a value:
// drivers/all lists the product's, a test passes a registry of one.
type Registry map[string]Driver
