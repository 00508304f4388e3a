package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// clockTolerance is how far the clock may be off before certificates and expiry dates suffer.
const clockTolerance = time.Minute

// Clock is what the gateway knows about its wall clock.
type Clock struct {
	Now    time.Time
	Source string // ntp, cloud, system, unknown
	// Ahead is how far the system clock is ahead of the cloud's time; Judged says that an ack brought one.
	Ahead  time.Duration
	Judged bool
	// The validity of the own SVID and of the broker's certificate; zero when not known.
	Own, Broker Validity
	Synced      bool // the kernel says that the clock is synchronised
}

// Validity is when a certificate holds.
type Validity struct{ From, Until time.Time }

func (v Validity) known() bool { return !v.Until.IsZero() }

// off returns how far now lies ahead of the validity (positive), before it (negative), or 0.
func (v Validity) off(now time.Time) time.Duration {
	switch {
	case !v.known():
		return 0
	case now.After(v.Until):
		return now.Sub(v.Until)
	case now.Before(v.From):
		return now.Sub(v.From)
	}
	return 0
}

// JudgeClock judges the wall clock.
func JudgeClock(c Clock) diag.Finding {
	f := diag.Finding{Check: "clock", Grade: diag.OK, Saw: fmt.Sprintf("%s, source %s", c.Now.UTC().Format("2006-01-02 15:04:05Z"), c.Source)}
	const next = "set it: timedatectl set-ntp true (or chronyc makestep); check that the network lets NTP (UDP 123) through, and the battery of the real-time clock"
	own, broker := c.Own.off(c.Now), c.Broker.off(c.Now)
	switch {
	case c.Judged && c.Ahead.Abs() > clockTolerance:
		f.Grade, f.Saw = diag.Fail, f.Saw+fmt.Sprintf(", %s the cloud's time", span(c.Ahead, "ahead of", "behind"))
		f.Cause, f.Next = "the clock of this device is wrong", next
	case own != 0 && broker != 0 && (own > 0) == (broker > 0):
		f.Grade, f.Saw = diag.Fail, f.Saw+fmt.Sprintf("; neither the own SVID nor the broker's certificate is valid at that time: it is %s both", span(nearest(own, broker), "after", "before"))
		f.Cause, f.Next = "the clock of this device is wrong: two certificates of different owners do not lapse together", next
	case own < 0:
		f.Grade, f.Saw = diag.Fail, f.Saw+fmt.Sprintf("; the own SVID is not valid for another %s", round(-own))
		f.Cause, f.Next = "the clock of this device is behind: an SVID is issued for now, not for later", next
	case broker < 0:
		f.Grade, f.Saw = diag.Fail, f.Saw+fmt.Sprintf("; the broker's certificate is not valid for another %s", round(-broker))
		f.Cause, f.Next = "the clock of this device, or that of whoever issued the certificate, is wrong", next
	case c.Judged:
		f.Saw += fmt.Sprintf(", %s the cloud's time", span(c.Ahead, "ahead of", "behind"))
	case !c.Synced:
		f.Grade, f.Saw = diag.Warn, f.Saw+"; nothing vouches for it yet"
		f.Cause, f.Next = "NTP does not run, and no ack has brought the cloud's time", next
	}
	return f
}

func nearest(a, b time.Duration) time.Duration {
	if a.Abs() < b.Abs() {
		return a
	}
	return b
}

func span(d time.Duration, ahead, behind string) string {
	if d < 0 {
		return round(-d).String() + " " + behind
	}
	return round(d).String() + " " + ahead
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}

// Disk is the file system of the data directory.
type Disk struct {
	Dir        string
	Free, Size int64 // 0 Size when not known
	Least      int64 // free bytes below which the spool stores no telemetry
	Errors     []string
	TimeToFull time.Duration // 0 for never
}

// JudgeDisk judges the space for the spool.
func JudgeDisk(d Disk) diag.Finding {
	f := diag.Finding{Check: "disk", Grade: diag.OK, Saw: fmt.Sprintf("%s free of %s at %s", Bytes(d.Free), Bytes(d.Size), d.Dir)}
	const full = "the disk is full, or nearly: telemetry stays in RAM, critical samples wait at their devices once nothing is left"
	const next = "make room: journalctl --vacuum-size=50M; du -xh / | sort -h | tail; or set a smaller spool.limit, or give data_dir a larger disk"
	switch {
	case len(d.Errors) > 0 && mentions(d.Errors, "no space", "disk full", "quota", "is full"):
		f.Grade, f.Saw = diag.Fail, f.Saw+"; "+strings.Join(d.Errors, "; ")
		f.Cause, f.Next = full, next
	case len(d.Errors) > 0:
		f.Grade, f.Saw = diag.Fail, f.Saw+"; "+strings.Join(d.Errors, "; ")
		f.Cause, f.Next = "the disk fails, or is mounted read-only", "look at dmesg | tail for errors of the medium; mount | grep ' / '; replace the card if it reports errors"
	case d.Size == 0:
		f.Grade, f.Saw = diag.Skip, "the kernel does not say how full "+d.Dir+" is"
	case d.Free < d.Least || d.Free < d.Size/100:
		f.Grade, f.Saw, f.Cause, f.Next = diag.Fail, f.Saw+", the spool leaves "+Bytes(d.Least)+" free", full, next
	case d.Free < d.Size/20 || d.TimeToFull > 0 && d.TimeToFull < 24*time.Hour:
		f.Grade, f.Cause, f.Next = diag.Warn, "the disk fills up", next
		if d.TimeToFull > 0 {
			f.Saw += fmt.Sprintf(", full in %s at the present rate", round(d.TimeToFull))
		}
	}
	return f
}

func mentions(texts []string, words ...string) bool {
	for _, t := range texts {
		for _, w := range words {
			if strings.Contains(strings.ToLower(t), w) {
				return true
			}
		}
	}
	return false
}

// Memory is the machine's memory; zeros when not known.
type Memory struct{ Total, Available, Resident int64 }

// JudgeMemory judges it.
func JudgeMemory(m Memory) diag.Finding {
	f := diag.Finding{Check: "memory", Grade: diag.OK, Saw: fmt.Sprintf("%s available of %s, the gateway takes %s", Bytes(m.Available), Bytes(m.Total), Bytes(m.Resident))}
	switch {
	case m.Total == 0:
		f.Grade, f.Saw = diag.Skip, "the kernel does not say how much memory there is"
	case m.Available < 32<<20:
		f.Grade, f.Cause, f.Next = diag.Warn, "something takes nearly all memory", "see what: ps aux --sort=-rss | head; lower spool.window if it is the gateway"
	}
	return f
}

// Flash is what a medium says of its wear: life used in steps of a tenth, 1 to 11, as eMMC counts; 0 when it does not say.
type Flash struct {
	Name    string
	Life    int
	ADay    uint64        // bytes that the gateway writes a day, at the rate so far
	Running time.Duration // what that rate rests on
}

// JudgeFlash judges the wear.
func JudgeFlash(w Flash) diag.Finding {
	f := diag.Finding{Check: "flash", Grade: diag.OK, Saw: fmt.Sprintf("the spool writes %s a day", Bytes(int64(w.ADay)))}
	if w.Running < time.Hour {
		f.Saw += fmt.Sprintf(" at the rate of the last %s", round(w.Running))
	}
	switch {
	case w.Life == 0:
		f.Saw += "; the medium does not report its wear"
	case w.Life >= 9:
		f.Grade, f.Saw = diag.Warn, f.Saw+fmt.Sprintf("; %s reports %d0 %% of its life used", w.Name, w.Life-1)
		f.Cause, f.Next = "the flash is worn", "replace it before it fails; acks within spool.spill_after keep telemetry off it altogether"
	default:
		f.Saw += fmt.Sprintf("; %s reports less than %d0 %% of its life used", w.Name, w.Life)
	}
	return f
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, suffix := float64(n), ""
	for _, s := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < unit {
			break
		}
		v, suffix = v/unit, s
	}
	return fmt.Sprintf("%.1f %s", v, suffix)
}
