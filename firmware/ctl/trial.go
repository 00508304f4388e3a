package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

const (
	// pollEvery is how often the gateway is asked while it is on trial, and pollPatience how long it may take: one that hangs has not answered.
	pollEvery, pollPatience = 2 * time.Second, 5 * time.Second
	// childPatience is how long a child program may take, and childTries how often one that fails is run.
	childPatience, childTries = time.Minute, 5
)

// trial judges the version that runs, and confirms it or rolls it back. It trusts nothing but what it sees itself: the gateway is another process, which may hang or lie
// still.
type trial struct {
	machine slot.Machine
	dir     string // the gateway's data directory
	limits  slot.Limits
	now     bool // a person takes the version as it is
	say     io.Writer
	ask     func(ctx context.Context) (diag.Status, error)
	wires   func() slot.Wires
	child   func(ctx context.Context, name string, args ...string) ([]byte, error)
	note    func(slot.Name) error // that the slot is confirmed, for those who look at this boot

	begun      time.Time
	said       string
	process    string    // which one answered last
	since      time.Time // it did so first
	answered   time.Time
	restarts   int
	network    slot.Network
	networkWas time.Time // when it came into its state
}

// run ends when the version is confirmed, when there is nothing to confirm, and when ctx ends. Its one error is ErrRolledBack: whoever runs it reboots
// the machine then, and for no other reason.
func (t *trial) run(ctx context.Context) error {
	err := t.judge(ctx)
	if ctx.Err() != nil && !errors.Is(err, diag.ErrRolledBack) {
		t.tell("stopped before version %s was confirmed", t.machine.Version)
		return nil
	}
	return err
}

func (t *trial) judge(ctx context.Context) error {
	m := t.machine
	switch {
	case !m.IsImage():
		t.tell("nothing to confirm: this machine was not booted from a slot of an image")
		return nil
	case m.Slot == m.Good:
		return t.again(ctx)
	case t.now:
		return t.confirm(ctx, "somebody takes it as it is")
	}
	version, was, known, err := slot.Recall(t.dir, m.Good)
	if err != nil {
		t.tell("%v; nothing is known of the version before", err)
	}
	t.tell("version %s in slot %s is on trial; slot %s has version %s", m.Version, m.Slot, orNone(string(m.Good)), orNone(string(version)))
	t.begun = time.Now()
	t.answered, t.networkWas = t.begun, t.begun
	for {
		e := t.look(ctx, was)
		e.Known, e.Back = known, m.Good != ""
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v := slot.Judge(e, t.limits)
		switch v.Do {
		case slot.Confirm:
			return t.confirm(ctx, v.Why)
		case slot.RollBack:
			return t.rollBack(ctx, v.Why)
		}
		t.wait(v)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// look asks the gateway, and gathers what the rule needs.
func (t *trial) look(ctx context.Context, was slot.Seen) slot.Evidence {
	poll, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	s, err := t.ask(poll)
	now := time.Now()
	w := t.wires().Compare(was)
	if w != t.network {
		t.network, t.networkWas = w, now
	}
	e := slot.Evidence{Network: w, NetworkFor: now.Sub(t.networkWas), Healthy: was.Healthy, LinkUsed: was.Link}
	if err != nil {
		e.Silent, e.Restarts = max(now.Sub(t.answered), 1), t.restarts
		return e
	}
	t.answered = now
	if process := s.Epoch + " " + s.Since.String(); process != t.process {
		if t.process != "" {
			t.restarts++
		}
		t.process, t.since = process, now
	}
	e.Uptime, e.Restarts, e.Problems = now.Sub(t.since), t.restarts, s.Problems
	e.LinkUp, e.Described = s.Link.State == "up", len(s.Devices)
	e.Up, e.Used, e.Missing = compare(s.Devices, was.Devices)
	return e
}

// compare returns how many devices answer, how many of those that used to are still described, and which of these do not answer. A gateway
// that describes none at all has lost its configuration: nothing is excused then.
func compare(devices []diag.Device, used []string) (up, still int, missing []string) {
	described := map[string]bool{} // whether it is up
	for _, d := range devices {
		described[d.Device] = d.State == "up"
		if d.State == "up" {
			up++
		}
	}
	for _, name := range used {
		isUp, there := described[name]
		if !there && len(devices) > 0 {
			continue
		}
		if still++; !isUp {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return up, still, missing
}

// wait says what is waited for, when that has changed.
func (t *trial) wait(v slot.Verdict) {
	if v.Why == t.said {
		return
	}
	t.said = v.Why
	if v.Left > 0 {
		t.tell("waiting: %s; rolled back in %s", v.Why, v.Left.Round(time.Second))
		return
	}
	t.tell("waiting: %s", v.Why)
}

func (t *trial) tell(format string, args ...any) {
	fmt.Fprintf(t.say, "courtside: "+format+"\n", args...)
}

// confirm makes the running slot the one that is gone back to. What fails is tried until ctx ends: a version that runs well is not given up because it
// could not be written down; without that it has the boots that the boot loader gives it.
func (t *trial) confirm(ctx context.Context, why string) error {
	steps := [][]string{{"rauc", "status", "mark-good", "booted"}, {"rauc", "status", "mark-active", "booted"}, {"fw_setenv", "COURTSIDE_GOOD", string(t.machine.Slot)}}
	for i := 0; i < len(steps); {
		err := t.step(ctx, childTries, steps[i]...)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			i++
			continue
		}
		t.tell("the version cannot be confirmed yet: %v; trying again", err)
	}
	if err := t.note(t.machine.Slot); err != nil {
		t.tell("%v; until the next boot the gateway takes the version to be on trial", err)
	}
	t.tell("confirmed: version %s in slot %s: %s", t.machine.Version, t.machine.Slot, why)
	return nil
}

// rollBack gives the running slot up. Whatever fails, its end tells the caller to reboot: the boot loader counts its boots.
func (t *trial) rollBack(ctx context.Context, why string) error {
	m := t.machine
	t.tell("ROLLING BACK from version %s in slot %s to slot %s: %s", m.Version, m.Slot, m.Good, why)
	err := t.step(ctx, 2, "rauc", "status", "mark-bad", "booted")
	err = errors.Join(err, t.step(ctx, 2, "rauc", "status", "mark-active", "other"))
	if err != nil { // then without RAUC, which may be what is broken
		t.tell("%v; writing the boot loader's variables instead", err)
		for _, v := range [][]string{{"BOOT_ORDER", string(m.Good) + " " + string(m.Slot)}, {"BOOT_" + string(m.Good) + "_LEFT", "3"}, {"BOOT_" + string(m.Slot) + "_LEFT", "0"}} {
			if err := t.step(ctx, 2, append([]string{"fw_setenv"}, v...)...); err != nil {
				t.tell("%v", err)
			}
		}
	}
	return fmt.Errorf("version %s in slot %s is %w: %s", m.Version, m.Slot, diag.ErrRolledBack, why)
}

// again gives a slot that was confirmed before its boots back. What fails is said and no error: a reboot would not mend it. The order of the slots
// stays: an update that is being installed meanwhile is to be booted next; and when all boots are used up, the boot loader begins with
// the slot that was confirmed last, whatever the order.
func (t *trial) again(ctx context.Context) error {
	if err := t.step(ctx, childTries, "rauc", "status", "mark-good", "booted"); err != nil {
		t.tell("slot %s is confirmed, but its boots could not be counted anew: %v", t.machine.Slot, err)
		return ctx.Err()
	}
	t.tell("slot %s, version %s, is confirmed", t.machine.Slot, t.machine.Version)
	return ctx.Err()
}

// step runs a child program until it succeeds, so many times at most.
func (t *trial) step(ctx context.Context, tries int, command ...string) (err error) {
	for n := range tries {
		if n > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pollEvery):
			}
		}
		if _, err = t.timed(ctx, command[0], command[1:]...); err == nil {
			return nil
		}
	}
	return err
}

// timed runs a child program within its time.
func (t *trial) timed(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, childPatience)
	defer cancel()
	out, err := t.child(ctx, name, args...)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return out, nil
}

// child runs a program and returns what it writes; its error says what it wrote to standard error.
func child(ctx context.Context, name string, args ...string) ([]byte, error) {
	run := exec.CommandContext(ctx, name, args...)
	run.WaitDelay = time.Second
	out, err := run.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%w: %s", err, cut(strings.TrimSpace(string(exit.Stderr)), 300))
	}
	return out, err
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
