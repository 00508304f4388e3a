package diag

import "time"

// Class is how one scan class of a device fares.
type Class struct {
	Name       string        `json:"name"`
	Period     time.Duration `json:"period_ns"`
	Scans      uint64        `json:"scans"`
	Overruns   uint64        `json:"overruns"`
	Latency    time.Duration `json:"latency_ns"`
	MaxLatency time.Duration `json:"max_latency_ns"`
	Mean       time.Duration `json:"mean_ns"`
}

// Point is one point as the gateway sees it now.
type Point struct {
	Device   string    `json:"device"`
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	Kind     string    `json:"kind"`
	Class    string    `json:"class"`
	Lane     string    `json:"lane"`
	Unit     string    `json:"unit,omitempty"`
	Place    string    `json:"place,omitempty"`
	Reported *Value    `json:"reported,omitempty"` // what was last reported; absent before the first report
	Read     *Value    `json:"read,omitempty"`     // what the device gave while we looked; absent when nothing came
	Why      string    `json:"why"`                // whether what was read passes the filter, and why not
	Due      time.Time `json:"due,omitzero"`       // when max_silence repeats it
}

// Value is one value with its quality and age.
type Value struct {
	Value   string        `json:"value"`
	Quality string        `json:"quality"`
	At      time.Time     `json:"at"`
	Age     time.Duration `json:"age_ns"`
}

// Query selects points.
type Query struct {
	Search string        // parts of "device/point", separated by blanks, all of which have to occur; '*' stands for anything
	Bad    bool          // only those whose quality is not good
	Limit  int           // most points; DefaultLimit when 0
	Look   time.Duration // how long to look at what the device gives; 0 for not at all
}

// DefaultLimit is how many points an answer holds unless asked otherwise.
const DefaultLimit = 1000

// Points is the answer to a Query.
type Points struct {
	Total  int     `json:"total"` // that match
	Points []Point `json:"points"`
}

// Change is one reading of a watched point.
type Change struct {
	Name   string `json:"point"` // device/name
	Value  Value  `json:"value"`
	Passes bool   `json:"passes"`
	Why    string `json:"why"`
}

// Plan is how a device is read, as its driver tells it.
type Plan struct {
	Device string   `json:"device"`
	Driver string   `json:"driver"`
	Lines  []string `json:"plan"`            // empty for a driver that makes no plan
	Stats  []string `json:"stats,omitempty"` // what happened on the connection
	Scans  []Class  `json:"classes"`         // measured
}

// Storage is the spool in full.
type Storage struct {
	Lanes        []Lane        `json:"lanes"`
	Spool        Spool         `json:"spool"`
	Epoch        string        `json:"epoch"`
	Oldest       time.Time     `json:"oldest,omitzero"` // first sample of the oldest batch that is held; absent when none is
	Gaps         int           `json:"gaps_waiting"`    // declared losses that no durable batch carries yet
	LimitBytes   int64         `json:"limit_bytes"`
	DiskFree     int64         `json:"disk_free_bytes"`
	DiskSize     int64         `json:"disk_size_bytes"`
	WrittenBytes uint64        `json:"written_bytes"`             // to flash since the start
	WrittenADay  uint64        `json:"written_bytes_a_day"`       // at that rate
	TimeToFull   time.Duration `json:"time_to_full_ns,omitempty"` // at the present rate; 0 when it does not fill
	TimeToDrain  time.Duration `json:"time_to_drain_ns,omitempty"`
	Errors       []string      `json:"errors,omitempty"` // of stores that fail now
}

// Connection is the uplink in full.
type Connection struct {
	Link      Link          `json:"link"`
	Identity  Identity      `json:"identity"`
	Window    int64         `json:"window_bytes"`
	InFlight  int64         `json:"in_flight_bytes"`
	Batches   int           `json:"in_flight_batches"`
	RoundTrip time.Duration `json:"round_trip_ns"` // from publish to the cloud's ack; 0 when not measured
	Timeout   time.Duration `json:"timeout_ns"`
	Live      uint64        `json:"live_batches"`
	Replay    uint64        `json:"replay_batches"`
	Critical  uint64        `json:"critical_batches"`
	SentBytes uint64        `json:"sent_bytes"`
	Probes    uint64        `json:"probes"`
	Rotations uint64        `json:"rotations"`
	Ahead     time.Duration `json:"clock_ahead_of_cloud_ns"` // of the cloud's time in the last ack
	Judged    bool          `json:"clock_judged"`            // Ahead says something
}

// Record is one log record.
type Record struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Text  string    `json:"text"` // message and attributes
}

// Grade is how a check ended.
type Grade string

// The grades of a finding.
const (
	OK   Grade = "ok"
	Warn Grade = "warn"
	Fail Grade = "fail"
	Skip Grade = "skip" // could not be judged; Saw says why
)

// Finding is what one check of the doctor found.
type Finding struct {
	Check string `json:"check"` // what was looked at: "clock", "disk", "device plc-1"
	Grade Grade  `json:"grade"`
	Saw   string `json:"saw"`             // the fact
	Cause string `json:"cause,omitempty"` // its likely cause
	Next  string `json:"next,omitempty"`  // what to do
}

// Reload is what a new configuration changed.
type Reload struct {
	Restarted []string `json:"restarted,omitempty"` // devices whose description changed
	Added     []string `json:"added,omitempty"`
	Removed   []string `json:"removed,omitempty"`
	Kept      int      `json:"kept"` // devices that did not notice
	Table     string   `json:"table"`
	NewTable  bool     `json:"new_table"`
	Waiting   []string `json:"waiting,omitempty"` // settings that take effect at the next start
}

// Export is what an export of the spool holds.
type Export struct {
	Batches int    `json:"batches"`
	Bytes   uint64 `json:"bytes"`  // of their frames
	Unread  int    `json:"unread"` // batches that could not be read; they stay in the spool
}

// Problem is a refusal.
type Problem struct {
	Kind  string `json:"kind"` // not-found, refused, not-permitted, failed
	Error string `json:"error"`
}
