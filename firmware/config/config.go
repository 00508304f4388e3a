package config

import (
	"log/slog"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// MaxPoints is how many points a gateway may have: what one point table holds, which is far beyond what one gateway polls.
const MaxPoints = wire.MaxTablePoints

// Config is a gateway's configuration, checked.
type Config struct {
	Venue, Gateway point.ID
	DataDir        string
	Identity       Identity
	Uplink         Uplink
	Batch          Batch
	Spool          Spool
	Diag           Diag
	Log            Log
	Trace          Trace
	Updates        Updates
	ScanClasses    []drivers.ScanClass // in the file's order
	Devices        []Device            // in the file's order
	Table          []point.Point       // every point: by device, then by entry, then by position in the range
}

// Identity says where the gateway's X.509-SVID comes from: WorkloadAPI, or the three files, or a join token. Files and token are both set when the
// configuration names neither; then the files count if CertFile is there, or if there is no token.
type Identity struct {
	TrustDomain                   string
	WorkloadAPI                   string
	CertFile, KeyFile, BundleFile string
	JoinTokenFile                 string // need not exist: a gateway that has enrolled does without
}

// Uplink says where batches go.
type Uplink struct {
	Broker    string // mqtts://host:port
	RateLimit int64  // bytes of batches a second; 0 for no limit
	// SignBatches adds a signature by the gateway's SVID key to each batch.
	SignBatches bool
}

// Batch bounds an open batch.
type Batch struct {
	Linger     time.Duration // longest wait for more samples
	MaxSamples int
	MaxBytes   int // of the encoded frame
}

// Spool bounds what waits for acks.
type Spool struct {
	Window     int64         // bytes of RAM
	SpillAfter time.Duration // unacked this long, telemetry is stored
	Limit      int64         // bytes of telemetry on disk
	MaxAge     time.Duration // telemetry that is older drops; 0 for no limit
	// CriticalLimit is how many bytes of critical batches are stored at most.
	CriticalLimit int64
	MinFree       int64 // bytes of the file system that telemetry leaves free; the critical lane may use all but a quarter of them
	Ballast       int64 // bytes held back for closing the critical store on a full disk; 0 for none
	Reduce        Reduce
}

// Reduce says how much coarser telemetry becomes while the space for it is short.
type Reduce struct {
	DeadbandFactor float64       // 1 for as it is
	MinInterval    time.Duration // between two samples of a point; 0 for none
}

// Diag is the local health and metrics server.
type Diag struct {
	Listen string // empty for none
}

// Trace says where spans of batches go.
type Trace struct {
	Endpoint string  // an OTLP collector, http://host:4318; empty for none
	Sample   float64 // the part of all batches that is recorded
}

// Log says what is logged.
type Log struct {
	Level  slog.Level
	Format string // "text" or "json"
}

// Device is one device, ready to be prepared.
type Device struct {
	drivers.Device // without Clock and Log
	Driver         string
	Own            []uint32 // its points' positions in the table, ascending

	driver drivers.Driver
}

// Prepare returns the device's source of connections, which stamps readings with clock. log carries venue and gateway; the
// device is added. Load has seen the driver accept the same device, so an error is a fault of the driver.
func (d *Device) Prepare(clock interface{ Mono() int64 }, log *slog.Logger) (drivers.Source, error) {
	dev := d.Device
	dev.Clock, dev.Log = clock, log.With("device", dev.ID)
	return d.driver.Prepare(dev)
}
