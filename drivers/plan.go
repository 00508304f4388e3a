package drivers

import "time"

// Planner is a Source that can say how it polls. It is safe for concurrent use, beside a poll too.
type Planner interface {
	Source
	PollPlan() PollPlan
}

// PollPlan is how a device is polled at present.
type PollPlan struct {
	Classes []PollClass
	Text    string // the whole plan, for people
}

// PollClass is how one scan class is polled.
type PollClass struct {
	Name             string
	Period           time.Duration
	Points, Requests int
	Predicted        time.Duration // of a scan, for a device that answers as fast as the driver assumes
	Measured         time.Duration // of the last whole scan; 0 before the first
}

// Statser is a Source that counts. It is safe for concurrent use, beside a poll too.
type Statser interface {
	Source
	Stats() []Stat
}

// Stat is one figure of a device, in the words of metrics.
type Stat struct {
	Name    string // such as "requests_total"; a name that ends in _total counts, any other measures
	Part    string // what of the device it is of, such as "unit 3"; empty for the whole
	Value   float64
	Meaning string // one line for people
}
