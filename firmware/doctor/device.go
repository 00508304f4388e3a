package doctor

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
)

// Device is what is known of one device.
type Device struct {
	ID, Driver string
	Address    string // host:port, endpoint or serial port; empty when the driver does not say
	Serial     bool   // a serial port of this machine
	Server     bool   // RTU frames over TCP: a serial server, or what should be one
	Answered   bool   // it gave something that was not bad since the start
	Baud       int
	Unit       string // the Modbus unit id, empty for none
	State      string
	Cause      string
	Err        error // the cause itself, nil when not known
	Points     int
	Bad        map[point.Quality]int // how many points are bad, by quality
	Example    string                // one of the bad points
	Overruns   uint64
	Scans      uint64
	Latency    time.Duration // of the slowest scan class
	Period     time.Duration // of that class
	Strange    []Strange
	Timeout    time.Duration // of a request; 0 when the driver does not say
	Strays     uint64        // answers that came too late, or to no request
	Malformed  uint64        // requests that were answered with something else
	Lost       uint64        // connections that ended while the device was up
	Since      time.Duration // how long State has lasted
	Jumps      []Jump
}

// Jump is a counter whose register keeps going back, or further than its rate allows.
type Jump struct {
	Name    string
	Resets  uint64  // since the start
	MaxRate float64 // counts a second
}

const (
	// manyLost is how many connections a device may lose without a word, and lostLately how long ago the last of more than that still counts.
	manyLost   = 3
	lostLately = 10 * time.Minute
	// ManyResets is how often a counter may begin anew without a word: controllers are restarted.
	ManyResets = 3
)

// Strange is a point whose value makes no sense as it is, and would with its words exchanged.
type Strange struct {
	Name          string
	Value, Turned float64
}

// Refused reports whether err is a host that answers, with nobody at the port.
func Refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// timedOut reports whether err is a silence.
func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// dialing reports whether err comes from opening the connection.
func dialing(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// JudgeDevice judges a device's connection and points.
func JudgeDevice(d Device) diag.Finding {
	f := diag.Finding{Check: "device " + d.ID, Grade: diag.OK, Saw: fmt.Sprintf("%s, %d points", d.State, d.Points)}
	if d.Cause != "" {
		f.Saw = d.State + ": " + d.Cause
	}
	switch {
	case d.State == "down" || d.State == "failed":
		f.Grade = diag.Fail
		f.Cause, f.Next = d.connection()
	case d.State == "connecting" && len(d.Bad) == 0:
		f.Grade, f.Cause, f.Next = diag.Warn, "it has not answered yet", "ask again in a few seconds"
	case len(d.Bad) > 0:
		d.points(&f)
	case d.Lost >= manyLost && d.Since < lostLately:
		f.Grade, f.Saw = diag.Warn, f.Saw+fmt.Sprintf(", but the connection was lost %d times since the start, last %s ago", d.Lost, round(d.Since))
		f.Cause = "the device ends it: after some requests or time, or because it serves few clients; or the network between is unsteady"
		f.Next = "gwctl logs has each; close other clients of the device, look at its limits, at cable and switch"
	case d.Scans > 10 && d.Overruns > d.Scans/10:
		f.Grade, f.Saw = diag.Warn, f.Saw+fmt.Sprintf(", %d of %d slots missed: a scan takes %s, its period is %s", d.Overruns, d.Overruns+d.Scans, round(d.Latency), d.Period)
		f.Cause, f.Next = "the device is slower than its scan class", "see gwctl plan "+d.ID+": raise depth or max_gap, or poll slower"
	}
	return f
}

// connection says why there is none.
func (d Device) connection() (cause, next string) {
	text := strings.ToLower(d.Cause)
	probe := "gwctl probe " + d.Driver + " " + d.Address
	var name *net.DNSError
	switch {
	case d.Serial:
		return d.serial(text)
	case errors.As(d.Err, &name):
		return "the name " + name.Name + " cannot be resolved", "write the device's address instead of its name, or mend the name: resolvectl query " + name.Name
	case Refused(d.Err):
		return "the host is there, but nobody listens on the port: the port is wrong, or the device's server is switched off",
			"check the port, and that the device's " + d.Driver + " server is enabled: " + probe
	case dialing(d.Err) && timedOut(d.Err), errors.Is(d.Err, syscall.EHOSTUNREACH), errors.Is(d.Err, syscall.ENETUNREACH):
		return "device absent: it is off, unplugged, in another network, or has another address",
			"ping it; look at power, cable and switch; is " + d.Address + " right? " + probe
	case dialing(d.Err):
		return "the device's address cannot be reached", "is " + d.Address + " right? ip route get, ping; " + probe
	case d.Driver == "modbus" && !d.Server && timedOut(d.Err) && d.Strays > 0:
		return fmt.Sprintf("the device is slower than its timeout%s: %d answers came too late, or to no request", d.limit(), d.Strays),
			"see how long it takes: " + probe + " --timeout 10s; then raise timeout, and the scan class's period with it"
	case d.Driver == "modbus" && !d.Server && timedOut(d.Err):
		return fmt.Sprintf("wrong unit id: the connection opens, but unit %s does not answer; or it needs longer than its timeout%s", d.Unit, d.limit()),
			"find the units that do: " + probe + " --units 1-247; or a slow one: " + probe + " --timeout 10s"
	case d.Driver == "modbus" && !d.Server && strings.Contains(text, "not a modbus frame"):
		return "what answers there does not speak Modbus TCP: another service has the port, or a serial server passes RTU frames on",
			"is " + d.Address + " right? behind a serial server: framing: rtu, and " + probe + " --framing rtu"
	case d.Server:
		return fmt.Sprintf("the serial server takes the connection, and nothing that is understood comes from behind it: "+
				"its baud rate or parity, the unit id (%s), wires A and B; or it speaks Modbus TCP itself", d.Unit),
			"compare the serial server's settings with the device's; " + probe + " --framing rtu --units 1-247; without framing: rtu, " + probe
	case d.Driver == "modbus" && !d.Answered && strings.Contains(text, "closed the connection"):
		return "what answers there closes the connection: it does not speak Modbus, or serves too many clients already, or refuses this one",
			"is " + d.Address + " right? close other clients (engineering tools); many PLCs serve 4 to 16, some one; " + probe
	case strings.Contains(text, "closed the connection"):
		return "the device closes the connection: too many clients, or it refuses this one",
			"close other clients (engineering tools); many PLCs serve 4 to 16; wait and ask again"
	case d.Driver == "opcua" && d.State == "failed":
		return "the server refuses the login, the certificate or the security policy",
			"see the cause above; trust the gateway's certificate at the server, check login and policy: " + probe
	case d.Driver == "opcua" && strings.Contains(text, "acknowledgement"):
		return "what answers there does not speak OPC UA", "is it the right port? OPC UA is 4840 unless changed: " + probe
	case timedOut(d.Err):
		return "the device took the connection and says nothing", "is it the right port and protocol? " + probe
	}
	return "the connection ends, see above", probe
}

// limit is the timeout for a sentence.
func (d Device) limit() string {
	if d.Timeout == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", d.Timeout)
}

// serial says why a serial line brings nothing.
func (d Device) serial(text string) (cause, next string) {
	probe := fmt.Sprintf("gwctl probe modbus %s --bauds 9600,19200,38400,57600,115200", d.Address)
	switch {
	case errors.Is(d.Err, os.ErrNotExist):
		return "there is no such serial port", "plug the adapter in; list ports: ls -l /dev/serial/by-id; check driver messages: dmesg | tail"
	case errors.Is(d.Err, os.ErrPermission):
		return "the gateway's user may not open the serial port", "add it to the group that owns the port: usermod -aG dialout courtside, then restart the gateway"
	case strings.Contains(text, "never silent"):
		return "wrong baud rate or parity, or two clients on the line: bytes come all the time and are no frames",
			"compare baud, parity and stop bits with the device's: " + probe
	}
	return fmt.Sprintf("wrong baud rate (%d) or parity, wrong unit id (%s), or wires A and B exchanged: nothing that answers was understood", d.Baud, d.Unit),
		"find the speed that answers, with this gateway stopped or the device taken out of its file: " + probe + "; then --units 1-247; then exchange A and B"
}

// points says why a device that answers has bad points.
func (d Device) points(f *diag.Finding) {
	most, n, all := point.Quality(0), 0, 0
	for q, count := range d.Bad {
		all += count
		if count > n || count == n && q < most {
			most, n = q, count
		}
	}
	f.Saw = fmt.Sprintf("%s, but %d of %d points are bad, such as %s: %s", d.State, all, d.Points, d.Example, most)
	f.Grade = diag.Warn
	if all == d.Points {
		f.Grade = diag.Fail
	}
	probe := "gwctl probe " + d.Driver + " " + d.Address
	switch most {
	case point.BadNodeIDUnknown:
		f.Cause, f.Next = "the device does not have these addresses: wrong table or address, often one off (the manual's 40001 is address 0)", "look at what it has: "+probe
		if d.Driver == "opcua" {
			f.Cause = "the server does not have these nodes: a slip in the node id, or another namespace index than before its last update (nsu=URI stays the same)"
		}
	case point.BadTimeout, point.BadNotConnected, point.BadCommunication:
		f.Cause, f.Next = "wrong unit id, or the unit behind the serial server is off: other units may answer", "find the units that answer: "+probe+" --units 1-247"
		switch {
		case d.Driver != "modbus":
			f.Cause, f.Next = "the device has no value for them at present", probe
		case d.Serial && all == d.Points:
			f.Cause, f.Next = d.serial("")
		case d.Server:
			f.Next = "find the units that answer: " + probe + " --framing rtu --units 1-247"
		}
	case point.BadDataEncodingInvalid:
		f.Cause, f.Next = "what comes is not what was asked for: another type, or a noisy line", "compare types with the device's manual: "+probe
		if d.Malformed > 0 {
			f.Cause = fmt.Sprintf("answers of another unit, function or length than was asked for: %d so far", d.Malformed)
			f.Next = "is there another device, or a converter, at this address? find the units that answer: " + probe + " --units 1-247"
		}
		switch {
		case d.Driver == "opcua":
			f.Cause, f.Next = "the node holds another type than the point has", "see what it holds: "+probe+" NODE"
		case d.Serial || d.Server:
			f.Cause = "wrong baud rate or parity, or a noisy line: bytes come that are no frames"
			f.Next = "compare baud, parity and stop bits with the device's; check the line's termination"
		}
	case point.BadConfigurationError:
		f.Cause, f.Next = "the device refuses how it is asked: function or quantity", "see gwctl logs; lower max_registers: "+probe
	case point.BadOutOfRange:
		f.Cause, f.Next = "values that are no numbers: wrong type or word order", probe+" --value ADDRESS shows one value in all word orders"
	case point.BadResourceUnavailable:
		f.Cause, f.Next = "the device says that it is busy", "poll it slower, or give it a pause between requests (options: pause); close its other clients; see gwctl plan "+d.ID
	default:
		f.Cause, f.Next = "the device itself says so", "look at the sensor or the module"
	}
}

// JudgeCounters judges whether a device's counters count. It returns false when nothing is amiss.
func JudgeCounters(d Device) (diag.Finding, bool) {
	if len(d.Jumps) == 0 {
		return diag.Finding{}, false
	}
	worst := d.Jumps[0]
	for _, j := range d.Jumps {
		if j.Resets > worst.Resets {
			worst = j
		}
	}
	return diag.Finding{Check: "counters of " + d.ID, Grade: diag.Warn,
		Saw: fmt.Sprintf("%d counters keep beginning anew, such as %s: %d times since the start its register went back, or on by more than max_rate (%v a second) allows; what passed meanwhile is a gap",
			len(d.Jumps), worst.Name, worst.Resets, worst.MaxRate),
		Cause: "max_rate is too small, the address or word order is wrong, the register is no counter, or something sets it back",
		Next:  "see how it moves: gwctl watch " + d.ID + "/" + worst.Name}, true
}

// JudgeValues judges whether a device's values make sense. It returns false when nothing is strange.
func JudgeValues(d Device) (diag.Finding, bool) {
	if len(d.Strange) == 0 {
		return diag.Finding{}, false
	}
	s := d.Strange[0]
	return diag.Finding{Check: "values of " + d.ID, Grade: diag.Warn,
		Saw:   fmt.Sprintf("%d points have values that make no sense, such as %s: %.6g; with its words exchanged it were %.6g", len(d.Strange), s.Name, s.Value, s.Turned),
		Cause: "wrong word order",
		Next:  "set word_order: little (or big, if it is set) in their source; see one in all orders: gwctl probe modbus " + d.Address + " --value ADDRESS"}, true
}

// Turned returns what v were with its 16-bit words exchanged, when v makes no sense for a measured value and the other does. whole says
// that v is a 32-bit integer, otherwise it is taken for a 32-bit float.
func Turned(v float64, whole bool) (other float64, strange bool) {
	if whole {
		u := uint32(int64(v))
		if v != math.Trunc(v) || math.Abs(v) > math.MaxUint32 || u < 1<<16 || u&0xffff != 0 {
			return 0, false // its lower word holds something: no sign that they are exchanged
		}
		return float64(u >> 16), true
	}
	bits := math.Float32bits(float32(v))
	other = float64(math.Float32frombits(bits>>16 | bits<<16))
	if v == 0 || within(v, 1e-4, 1e7) || !within(other, 1e-3, 1e6) {
		return 0, false
	}
	return other, true
}

// within reports whether the magnitude of v lies from low to high; that of no number does not.
func within(v, low, high float64) bool { return math.Abs(v) >= low && math.Abs(v) <= high }
