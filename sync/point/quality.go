package point

import "fmt"

// Quality is an OPC UA status code (OPC 10000-4 section 7.39): the two highest bits
// are the severity, the high word names the reason. Courtside uses the codes below and passes others through.
type Quality uint32

// The qualities that Courtside itself gives.
const (
	Good                       Quality = 0x00000000
	GoodNoData                 Quality = 0x00A50000 // of an event point: its source is in order, nothing occurred; no occurrence itself
	Uncertain                  Quality = 0x40000000
	UncertainLastUsable        Quality = 0x40900000
	UncertainSensorNotAccurate Quality = 0x40930000
	Bad                        Quality = 0x80000000
	BadCommunication           Quality = 0x80050000
	BadTimeout                 Quality = 0x800A0000
	BadWaitingForInitialData   Quality = 0x80320000
	BadNotConnected            Quality = 0x808A0000
	BadDeviceFailure           Quality = 0x808B0000
	BadSensorFailure           Quality = 0x808C0000
	BadOutOfRange              Quality = 0x803C0000
	BadConfigurationError      Quality = 0x80890000
	BadDataEncodingInvalid     Quality = 0x80380000
	BadNodeIDUnknown           Quality = 0x80340000
	BadResourceUnavailable     Quality = 0x80040000
)

// IsGood reports whether the value may be used without a second thought.
func (q Quality) IsGood() bool { return q>>30 == 0 }

// IsBad reports whether the value must not be used.
func (q Quality) IsBad() bool { return q>>31 == 1 }

// String returns the code's symbolic name, or its number when Courtside gives it none.
func (q Quality) String() string {
	switch q {
	case Good:
		return "good"
	case GoodNoData:
		return "good: no data"
	case Uncertain:
		return "uncertain"
	case UncertainLastUsable:
		return "uncertain: last usable value"
	case UncertainSensorNotAccurate:
		return "uncertain: sensor not accurate"
	case Bad:
		return "bad"
	case BadCommunication:
		return "bad: communication error"
	case BadTimeout:
		return "bad: timeout"
	case BadWaitingForInitialData:
		return "bad: waiting for initial data"
	case BadNotConnected:
		return "bad: not connected"
	case BadDeviceFailure:
		return "bad: device failure"
	case BadSensorFailure:
		return "bad: sensor failure"
	case BadOutOfRange:
		return "bad: out of range"
	case BadConfigurationError:
		return "bad: configuration error"
	case BadDataEncodingInvalid:
		return "bad: data encoding invalid"
	case BadNodeIDUnknown:
		return "bad: node id unknown"
	case BadResourceUnavailable:
		return "bad: resource unavailable"
	}
	return fmt.Sprintf("status 0x%08X", uint32(q))
}
