package driverstest

import (
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
)

// Harness makes devices for a driver. A driver that polls and subscribes is run twice, with a harness for each.
type Harness interface {
	// Driver returns the driver under test.
	Driver() drivers.Driver
	// Start starts a device of n points of type int, all 0. It is stopped at the end of the test.
	Start(t testing.TB, points int) Device
}

// Narrow is a Harness of devices that cannot hold 10,000 numbers of 16 bits, such as the lines of a board. The suite keeps to what they can.
type Narrow interface {
	Harness
	// Limits returns the most points that one device has, the bits of a value that a point can hold, and the points' type.
	Limits() (points int, mask uint16, of point.Type)
}

// Device is a simulated device on loopback. The suite calls it from one goroutine.
type Device interface {
	// Options returns the YAML of the device's options section. A request that is not answered is given up after timeout.
	Options(timeout time.Duration) string
	// Sources returns the groups of the device's points, in order. Together they have as many as were asked for.
	Sources() []Source
	// Set changes the values of all points, as far as one poll can tell at once.
	Set(values []uint16)
	// Inject makes the device behave as f says, until the next call. It reports whether it can.
	Inject(f Trouble) bool
	// Stop makes the device go away with its connections.
	Stop()
	// Restart brings it back at the same address, with the same values.
	Restart()
}

// Source is one entry of a device's point list.
type Source struct {
	Options string // the YAML of its source section
	Points  int
}

// Trouble is how a device misbehaves.
type Trouble int

// What a device may be told to do. Answers are to requests, or a subscription's notifications.
const (
	None       Trouble = iota
	Slow               // each answer takes 20 ms
	Silent             // nothing is answered, the connection stays
	SomeLate           // some answers come after the timeout (200 ms late), others in time
	Stray              // answers to requests that were never made come between
	Twice              // each answer comes two times
	Reorder            // answers to requests that are outstanding at once come in another order
	Garbage            // bytes that are not the protocol
	Short              // answers that hold less than was asked for
	Long               // answers that hold more
	HangUp             // the next request closes the connection
	HalfClose          // the next request closes the device's half of it
	RefuseSome         // the points of the second half are refused, for ever
)

// names of the troubles, for subtests.
func (t Trouble) String() string {
	return [...]string{"none", "slow", "silent", "some late", "stray", "twice", "reorder", "garbage", "short", "long", "hang up", "half close", "refuse some"}[t]
}
