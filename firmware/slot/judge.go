package slot

import (
	"fmt"
	"strings"
	"time"
)

// Do is what is to be done with a version that is on trial.
type Do uint8

// What can be done.
const (
	Wait Do = iota
	Confirm
	RollBack
)

// String returns the word for people.
func (d Do) String() string {
	switch d {
	case Confirm:
		return "confirm"
	case RollBack:
		return "roll back"
	}
	return "wait"
}

// Limits of the rule. Zero fields count as those of DefaultLimits.
type Limits struct {
	Answer   time.Duration // the gateway may be silent so long, from the boot or from its last answer on
	Settle   time.Duration // it has to have run so long without a restart
	Restarts int           // it may not start again so often
	Patience time.Duration // what used to answer may be missing so long while the network is on
	Dark     time.Duration // and so long when nothing at all answers, though frames are heard
}

// DefaultLimits returns the limits that hold unless others are given.
func DefaultLimits() Limits {
	return Limits{Answer: 5 * time.Minute, Settle: time.Minute, Restarts: 5, Patience: 15 * time.Minute, Dark: 24 * time.Hour}
}

// orDefault fills in what is not given.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ given, otherwise *time.Duration }{{&l.Answer, &d.Answer}, {&l.Settle, &d.Settle}, {&l.Patience, &d.Patience}, {&l.Dark, &d.Dark}} {
		if *f.given <= 0 {
			*f.given = *f.otherwise
		}
	}
	if l.Restarts <= 0 {
		l.Restarts = d.Restarts
	}
	return l
}

// Evidence is what is known of a version on trial. Times are measured monotonically.
type Evidence struct {
	Back bool // there is a confirmed slot to go back to

	Silent   time.Duration // since the gateway last answered, or since the boot; 0 when it has just answered
	Uptime   time.Duration // of the gateway's process
	Restarts int           // of it, seen in this boot
	Problems []string      // what it does not do of what it promises, by its own words

	Network    Network
	NetworkFor time.Duration // how long it has been so

	Known     bool     // the old version's evidence could be read
	Healthy   bool     // the old version had no problems
	Used      int      // devices that answered under the old version and are still described
	Missing   []string // those of them that do not answer now
	Up        int      // devices that answer now
	LinkUsed  bool     // the link was up under the old version
	LinkUp    bool     // it is up now
	Described int      // devices that the gateway has in its configuration
}

// Verdict is what is to be done, and why.
type Verdict struct {
	Do   Do
	Why  string        // for people; what is waited for, or what decided
	Left time.Duration // until a wait that goes on like this ends in a roll back; 0 for none
}

// Judge applies the rule of this package's documentation.
func Judge(e Evidence, l Limits) Verdict {
	v := judge(e, l.orDefault())
	if e.Back {
		return v
	}
	if v.Left = 0; v.Do == RollBack {
		v.Do, v.Why = Wait, v.Why+"; there is no confirmed slot to go back to"
	}
	return v
}

func judge(e Evidence, l Limits) Verdict {
	if v, decided := judgeProcess(e, l); decided {
		return v
	}
	if !e.Back {
		return Verdict{Do: Confirm, Why: "the gateway runs, and there is no other version to compare it with"}
	}
	short := shortfalls(e)
	switch {
	case len(short) == 0 && (e.Known || e.Up > 0 || e.LinkUp):
		return Verdict{Do: Confirm, Why: fmt.Sprintf("the gateway runs, %d of %d devices answer, %s", e.Up, e.Described, linkWords(e))}
	case len(short) == 0:
		return Verdict{Do: Wait, Why: "nothing is known of the version before; a device that answers, or the link, will do"}
	}
	why := strings.Join(short, "; ")
	switch e.Network {
	case NetworkGone:
		return until(l.Patience, e.NetworkFor, why+"; a network interface that was there is gone")
	case NetworkOff:
		return Verdict{Do: Wait, Why: why + "; the network is off, which says nothing about this version"}
	}
	if e.Up == 0 && !e.LinkUp && len(e.Problems) == 0 {
		return until(l.Dark, e.NetworkFor, why+"; nothing answers at all")
	}
	return until(l.Patience, e.NetworkFor, why)
}

// judgeProcess judges the gateway's process; decided says that nothing else matters.
func judgeProcess(e Evidence, l Limits) (v Verdict, decided bool) {
	switch {
	case e.Restarts >= l.Restarts:
		return Verdict{Do: RollBack, Why: fmt.Sprintf("the gateway has started again %d times", e.Restarts)}, true
	case e.Silent > 0:
		return until(l.Answer, e.Silent, "the gateway does not answer at its socket"), true
	case e.Uptime < l.Settle:
		return Verdict{Do: Wait, Why: "the gateway has to run for " + short(l.Settle) + " without a restart"}, true
	}
	return Verdict{}, false
}

// shortfalls says what there was under the old version and is not now.
func shortfalls(e Evidence) (out []string) {
	if len(e.Problems) > 0 && e.Healthy {
		out = append(out, strings.Join(e.Problems, "; "))
	}
	if n := len(e.Missing); n > 0 {
		shown := e.Missing[:min(n, 3)]
		more := ""
		if n > len(shown) {
			more = fmt.Sprintf(" and %d more", n-len(shown))
		}
		out = append(out, fmt.Sprintf("%d of %d devices that used to answer do not: %s%s", n, e.Used, strings.Join(shown, ", "), more))
	}
	if e.LinkUsed && !e.LinkUp {
		out = append(out, "the link, which was up under the version before, is not")
	}
	return out
}

func linkWords(e Evidence) string {
	switch {
	case e.LinkUp:
		return "the link is up"
	case !e.Known:
		return "the link is down"
	}
	return "the link is down, as it was under the version before"
}

// until waits up to a limit, and then rolls back.
func until(limit, passed time.Duration, why string) Verdict {
	if passed >= limit {
		return Verdict{Do: RollBack, Why: why + ", for " + short(passed)}
	}
	return Verdict{Do: Wait, Why: why, Left: limit - passed}
}

// short writes a duration in seconds, or in minutes from two on.
func short(d time.Duration) string {
	if d >= 2*time.Minute {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}
