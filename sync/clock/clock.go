// Package clock keeps a gateway's two times apart: the monotonic time of a boot, which orders samples
// and never steps, and the wall time, which dates them and may.
//
// A sample carries monotonic time only. A Map dates a boot's monotonic times; a batch carries the
// map in force at its close. Nothing is ever rewritten when a better map comes: it dates later batches better. What no
// trustworthy clock had dated is dated once, by the map that its epoch gets (spool.Date).
//
// A Keeper makes the maps of the running boot:
//
//	what fails                                  what happens                                                     what shows it
//	NTP is lost                                 the map stays in force; its uncertainty grows by MaxDrift        Map.Uncertainty
//	the system clock is set, nothing else dates a new map, from system; its samples wait in the cloud            Jump, counted
//	the boot
//	the system clock is set, or NTP goes astray,the map stays, unless the other clock confirms the new time or    Jump (Followed false), counted
//	under a map from NTP or the cloud           it has lasted for StepPatience
//	the clock shows less than what has passed   it is no time at all: Unknown                                    Map.Source
//	a correction backwards of a dated boot by   in small steps, so that later samples are never dated earlier    Map.From
//	at most Slack
//	NTP and the cloud disagree from the start   the cloud's verified time counts                                 Status.Disagree
//	the cloud's clock jumps                     as for NTP: the map stays until it is confirmed or lasts         Jump (Followed false)
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
	Bounds  Source = 4 // between the boots before and after it: given when a boot ended that nothing had dated
)

// Dated reports whether the source dates samples for good. What was sent with Unknown or System alone waits for the
// map that its epoch gets in an inventory: such a clock may still be set, or be years off.
func (s Source) Dated() bool { return s == NTP || s == Cloud || s == Bounds }

// String returns the source as JSON writes it.
func (s Source) String() string {
	switch s {
	case NTP:
		return "ntp"
	case Cloud:
		return "cloud"
	case System:
		return "system"
	case Bounds:
		return "bounds"
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

// Reading is what a machine's clocks showed at one moment.
type Reading struct {
	Boot         BootID
	Mono         int64         // ns since boot
	Wall         int64         // Unix ns on the system clock
	Synchronised bool          // the kernel says that the system clock is disciplined
	MaxError     time.Duration // the kernel's estimate, when it is
}

// readPatience is how long the two clocks of one reading may lie apart; a reading that was interrupted for longer is made again.
const readPatience = 100 * time.Microsecond

// Read reads the machine's clocks.
func (h *Host) Read() Reading {
	r := Reading{Boot: h.boot}
	for range 5 {
		before := time.Now()
		r.Mono = h.base + int64(before.Sub(h.start))
		r.Wall = before.UnixNano() // both are taken by one call, unless the clock is set in between
		if time.Since(before) < readPatience {
			break
		}
	}
	var tx unix.Timex
	state, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx)
	if err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0 {
		r.Synchronised = true
		r.MaxError = time.Duration(tx.Maxerror) * time.Microsecond
	}
	return r
}

// Map dates this boot by the system clock of this moment; a Keeper makes maps that stand.
func (h *Host) Map() Map {
	r := h.Read()
	m := Map{Boot: r.Boot, From: r.Mono, Offset: time.Duration(r.Wall - r.Mono), Source: System, Uncertainty: systemUncertainty}
	if r.Synchronised {
		m.Source, m.Uncertainty = NTP, max(r.MaxError, leastUncertainty)
	}
	return m
}
