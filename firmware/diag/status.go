package diag

import "time"

// Status is the gateway at one moment.
type Status struct {
	Venue    string    `json:"venue"`
	Gateway  string    `json:"gateway"`
	Version  string    `json:"version"`
	Platform string    `json:"platform"`
	Epoch    string    `json:"epoch"`
	Since    time.Time `json:"since"`
	Points   int       `json:"points"`
	Table    string    `json:"table"`
	Clock    Clock     `json:"clock"`
	Identity Identity  `json:"identity"`
	Link     Link      `json:"link"`
	Lanes    []Lane    `json:"lanes"`
	Spool    Spool     `json:"spool"`
	Devices  []Device  `json:"devices"`
	RSSBytes int64     `json:"rss_bytes"`
	// CPU is the processor time that the gateway's process has taken.
	CPU      time.Duration `json:"cpu_ns,omitempty"`
	Update   *Updating     `json:"update,omitempty"`   // absent on a machine that is no image and has no event
	Problems []string      `json:"problems,omitempty"` // what the gateway does not do of what it promises; health is red meanwhile
	Waiting  string        `json:"waiting,omitempty"`  // why the gateway has no configuration to run with; everything that it would describe is empty then
}

// Clock is what dates the samples.
type Clock struct {
	Source      string        `json:"source"`
	Uncertainty time.Duration `json:"uncertainty_ns"`
	Jumps       uint64        `json:"jumps"`                 // of any clock, followed or not
	Disagree    time.Duration `json:"disagree_ns,omitempty"` // by how much the cloud's time is ahead of NTP's, beyond what both allow
}

// Identity is the gateway's SVID.
type Identity struct {
	ID       string    `json:"id,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"`
	Error    string    `json:"error,omitempty"`
	// Enrolment says how the gateway stands with its join token; empty when its SVID comes from elsewhere.
	Enrolment string `json:"enrolment,omitempty"`
	Next      string `json:"next,omitempty"` // what to do about it
}

// Link is the way to the broker.
type Link struct {
	Broker   string `json:"broker"`
	State    string `json:"state"`
	Cause    string `json:"cause,omitempty"`
	Connects uint64 `json:"connects"`
	Lost     uint64 `json:"lost"`
	Acks     uint64 `json:"acks"`
	Late     uint64 `json:"late_acks"`
	Unsigned uint64 `json:"unsigned,omitempty"` // acks and commands without a signature where one is needed
	Forged   uint64 `json:"forged,omitempty"`   // with one that does not count
	Stale    uint64 `json:"stale,omitempty"`    // acks that were replayed
	// SetAside says why the cloud does not use what the gateway sends, though it acknowledges it; empty when it does.
	SetAside string `json:"set_aside,omitempty"`
}

// Spool is what happened to batches since the start.
type Spool struct {
	Acked          uint64 `json:"acked_batches"`
	Spilled        uint64 `json:"spilled_batches"`
	SpilledBytes   int64  `json:"spilled_bytes"`
	Dropped        uint64 `json:"dropped_batches"`
	DroppedSamples uint64 `json:"dropped_samples"`
	Refused        uint64 `json:"refused_batches"`
	Corrupt        uint64 `json:"corrupt_batches"`
	StoreErrors    uint64 `json:"store_errors"`
	BadAcks        uint64 `json:"bad_acks"`
	Short          bool   `json:"short,omitempty"` // telemetry is reduced: the space for it is short
}

// Lane is one lane from the filter to the spool.
type Lane struct {
	Lane    string `json:"lane"`
	Samples uint64 `json:"samples"`
	Batches uint64 `json:"batches"`
	Bytes   uint64 `json:"bytes"`
	Lost    uint64 `json:"lost_samples"`
	RAM     Count  `json:"ram"`
	Stored  Count  `json:"stored"`
	Backlog Count  `json:"backlog"`
	Trouble string `json:"trouble,omitempty"` // the store fails, or critical batches have no room
}

// Count is a number of batches and their bytes.
type Count struct {
	Batches uint64 `json:"batches"`
	Bytes   int64  `json:"bytes"`
}

// Device is one device's connection.
type Device struct {
	Device     string        `json:"device"`
	State      string        `json:"state"`
	Cause      string        `json:"cause,omitempty"`
	Points     int           `json:"points"`
	Bad        int           `json:"bad_points"` // of them, as they were last reported
	LastAnswer time.Time     `json:"last_answer,omitzero"`
	Values     uint64        `json:"values"`
	Passed     uint64        `json:"passed"`
	Failures   uint64        `json:"failures"`
	Overruns   uint64        `json:"overruns"`
	Latency    time.Duration `json:"latency_ns"`
	Driver     string        `json:"driver"`
	Since      time.Time     `json:"since,omitzero"` // when it entered State
	Panics     uint64        `json:"panics"`
	Classes    []Class       `json:"classes"`
}
