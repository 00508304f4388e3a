// Package clock keeps a gateway's two times apart: the monotonic time of a boot, which orders samples
// and never steps, and the wall time, which dates them and may.
//
// A sample carries monotonic time only. A Map dates a boot's monotonic times; a batch carries the
// map in force at its close. Nothing is ever rewritten when a better map comes: the reader dates again.
package clock

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// BootID names one boot of a gateway's machine, as the kernel draws it.
type BootID [16]byte

// String returns the id in hexadecimal.
func (b BootID) String() string { return hex.EncodeToString(b[:]) }

// Source says what a map rests on, best first.
type Source uint8

// The sources of wall time. Values of the wire contract; never renumber.
const (
	Unknown Source = 0 // nothing has dated this boot yet
	NTP     Source = 1 // the kernel says that its clock is synchronised
	Cloud   Source = 2 // from the cloud's time in an ack
	System  Source = 3 // the system clock, set by something that cannot be asked
)

// String returns the source as JSON writes it.
func (s Source) String() string {
	switch s {
	case NTP:
		return "ntp"
	case Cloud:
		return "cloud"
	case System:
		return "system"
	}
	return "unknown"
}

// Map dates the monotonic times of one boot: wall = monotonic + Offset, within ± Uncertainty.
type Map struct {
	Boot        BootID
	From        int64         // monotonic ns from which the map holds
	Offset      time.Duration // wall clock (Unix ns) − monotonic ns
	Uncertainty time.Duration
	Source      Source
}

// Wall returns the Unix time in ns of monotonic time mono.
func (m Map) Wall(mono int64) int64 { return mono + int64(m.Offset) }

// Clock tells a gateway's time. It is an interface so that whole gateways run in virtual time.
type Clock interface {
	// Mono returns the monotonic time in ns since boot. It never goes back within a boot.
	Mono() int64
	// Map returns the time map in force now.
	Map() Map
}

// Host is the clock of the machine that the gateway runs on. It is safe for concurrent use.
type Host struct {
	boot  BootID
	start time.Time // carries Go's own monotonic reading
	base  int64     // CLOCK_BOOTTIME at start
}

// OpenHost returns the machine's clock. It fails only where the kernel has no boot-time clock.
func OpenHost() (*Host, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return nil, fmt.Errorf("reading the boot-time clock: %w", err)
	}
	return &Host{boot: readBootID(), start: time.Now(), base: ts.Nano()}, nil
}

// readBootID returns the kernel's id of this boot; without one (a container that hides it) a random
// one serves, at the price that a restart of the process looks like a restart of the machine.
func readBootID() BootID {
	var id BootID
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		digits := strings.ReplaceAll(strings.TrimSpace(string(raw)), "-", "")
		if n, err := hex.Decode(id[:], []byte(digits)); err == nil && n == len(id) {
			return id
		}
	}
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return id
}

// Mono returns nanoseconds since boot.
func (h *Host) Mono() int64 { return h.base + int64(time.Since(h.start)) }

// Map dates this boot by the system clock. The kernel's own estimate is the
// uncertainty when it says that the clock is synchronised.
func (h *Host) Map() Map {
	mono := h.Mono()
	m := Map{Boot: h.boot, From: mono, Offset: time.Duration(time.Now().UnixNano() - mono), Source: System, Uncertainty: time.Second}
	var tx unix.Timex
	state, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx)
	if err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0 {
		m.Source = NTP
		m.Uncertainty = time.Duration(tx.Maxerror) * time.Microsecond
	}
	return m
}
