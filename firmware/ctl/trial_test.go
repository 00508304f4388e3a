package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

// bench is a version on trial in slot B, in virtual time. The old version in slot A had a link and two devices.
type bench struct {
	*trial
	out   bytes.Buffer
	ran   []string
	fails map[string]int // how often a program fails, by the beginning of its command line
	noted slot.Name
	state seen
	wire  func(at time.Duration) slot.Wires
	from  time.Time
}

func (b *bench) at() time.Duration { return time.Since(b.from) }

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	k, err := slot.OpenKeeper(dir, slot.A, "1", 0)
	if err == nil {
		err = k.Look(0, slot.Seen{Link: true, Healthy: true, Devices: []string{"plc-1", "plc-2"}, Interfaces: []string{"end0"}, Carriers: []string{"end0"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{fails: map[string]int{}, from: time.Now(), state: func(time.Duration) (diag.Status, error) { return up("1"), nil },
		wire: func(time.Duration) slot.Wires {
			return slot.Wires{Interfaces: []string{"eth0"}, Carriers: []string{"eth0"}, Heard: 9}
		}}
	b.trial = &trial{machine: slot.Machine{Release: slot.Release{Image: "courtside-x", Version: "2"}, Boot: slot.Boot{Slot: slot.B, Good: slot.A}}, dir: dir, say: &b.out,
		wires: func() slot.Wires { return b.wire(b.at()) }, note: func(n slot.Name) error { b.noted = n; return nil },
		child: func(_ context.Context, name string, args ...string) ([]byte, error) {
			line := strings.Join(append([]string{name}, args...), " ")
			for begin, left := range b.fails {
				if strings.HasPrefix(line, begin) && left != 0 {
					b.fails[begin]--
					return nil, errors.New("it fails")
				}
			}
			b.ran = append(b.ran, line)
			return nil, nil
		},
		ask: func(ctx context.Context) (diag.Status, error) {
			s, err := b.state(b.at())
			if errors.Is(err, errHangs) {
				<-ctx.Done()
				err = ctx.Err()
			}
			return s, err
		}}
	return b
}

var errHangs = errors.New("it takes the connection and says nothing")

// up is a gateway that is well.
func up(process string) diag.Status {
	return diag.Status{Epoch: process, Link: diag.Link{State: "up"}, Devices: []diag.Device{{Device: "plc-1", State: "up"}, {Device: "plc-2", State: "up"}}}
}

var (
	confirms = []string{"rauc status mark-good booted", "rauc status mark-active booted", "fw_setenv COURTSIDE_GOOD B"}
	gives    = []string{"rauc status mark-bad booted", "rauc status mark-active other"}
)

// seen is what the gateway answers at a time of the trial.
type seen func(at time.Duration) (diag.Status, error)

// shows answers always the same.
func shows(s diag.Status) seen {
	return func(time.Duration) (diag.Status, error) { return s, nil }
}

// fails never answers.
func fails(err error) seen {
	return func(time.Duration) (diag.Status, error) { return diag.Status{}, err }
}

// until answers as first does before end, and as then does from there on.
func (first seen) until(end time.Duration, then seen) seen {
	return func(at time.Duration) (diag.Status, error) {
		if at < end {
			return first(at)
		}
		return then(at)
	}
}

// without is up with devices that do not answer.
func without(devices ...int) diag.Status {
	s := up("1")
	for _, i := range devices {
		s.Devices[i].State = "connecting"
	}
	return s
}

// alone is a gateway that reaches nobody.
func alone() diag.Status {
	s := without(0, 1)
	s.Link.State = "down"
	return s
}

// course is what happens in a trial, and what becomes of it.
type course struct {
	state  seen         // nil for a gateway that is well
	change func(*bench) // what else is so; nil for nothing
	ran    []string
	after  time.Duration // at least
	before time.Duration // and at most
	says   string
}

// follow plays c, which ends well when what it runs confirms.
func (c course) follow(t *testing.T, name string) {
	b := newBench(t)
	if c.state != nil {
		b.state = c.state
	}
	if c.change != nil {
		c.change(b)
	}
	err := b.run(t.Context())
	rolledBack := len(c.ran) == 0 || c.ran[0] != confirms[0]
	if errors.Is(err, diag.ErrRolledBack) != rolledBack || !rolledBack && err != nil || rolledBack && diag.ExitOf(err) != diag.ExitRolledBack {
		t.Errorf("%s: %v", name, err)
	}
	if at := b.at(); !slices.Equal(b.ran, c.ran) || at < c.after || at > c.before {
		t.Errorf("%s: after %s it ran %q; want %q after %s to %s", name, at, b.ran, c.ran, c.after, c.before)
	}
	if !strings.Contains(b.out.String(), c.says) || strings.Count(b.out.String(), "\n") > 20 {
		t.Errorf("%s: it says\n%s\nwant %q, and nothing over and over", name, &b.out, c.says)
	}
	if (b.noted == slot.B) == rolledBack {
		t.Errorf("%s: confirmed is noted as %q", name, b.noted)
	}
}

func TestTrials(t *testing.T) {
	for name, c := range map[string]course{
		"all is well": {nil, nil, confirms, time.Minute, 70 * time.Second, "confirmed: version 2 in slot B: the gateway runs, 2 of 2 devices answer, the link is up"},
		"it starts late": {fails(diag.ErrNotRunning).until(4*time.Minute, shows(up("1"))), nil,
			confirms, 5 * time.Minute, 5*time.Minute + 20*time.Second, "waiting: the gateway does not answer at its socket; rolled back in 5m0s"},
		"it never starts": {fails(diag.ErrNotRunning), nil,
			gives, 5 * time.Minute, 5*time.Minute + 20*time.Second, "ROLLING BACK from version 2 in slot B to slot A: the gateway does not answer"},
		"it hangs": {fails(errHangs), nil, gives, 5 * time.Minute, 5*time.Minute + 20*time.Second, "does not answer at its socket"},
		"it hangs after half a minute": {shows(up("1")).until(30*time.Second+1, fails(errHangs)), nil,
			gives, 5*time.Minute + 30*time.Second, 6 * time.Minute, "does not answer at its socket"},
		"it dies every half a minute": {func(at time.Duration) (diag.Status, error) { return up(fmt.Sprint(int(at / (30 * time.Second)))), nil }, nil,
			gives, 150 * time.Second, 160 * time.Second, "has started again 5 times"},
		"a device does not come": {shows(without(1)), nil, gives, 15 * time.Minute, 15*time.Minute + 20*time.Second, "1 of 2 devices that used to answer do not: plc-2"},
		"a device comes late":    {shows(without(1)).until(10*time.Minute, shows(up("1"))), nil, confirms, 10 * time.Minute, 11 * time.Minute, "confirmed"},
		"it has lost its configuration": {shows(diag.Status{Link: diag.Link{State: "up"}}), nil,
			gives, 15 * time.Minute, 16 * time.Minute, "2 of 2 devices that used to answer do not"},
		"a device was taken out of the file": {func(time.Duration) (diag.Status, error) { s := up("1"); s.Devices = s.Devices[:1]; return s, nil }, nil,
			confirms, time.Minute, 2 * time.Minute, "1 of 1 devices"},
		"somebody takes it as it is": {nil, func(b *bench) { b.now = true }, confirms, 0, 0, "somebody takes it as it is"},
	} {
		synctest.Test(t, func(t *testing.T) { c.follow(t, name) })
	}
}

func TestTrialsWithoutANetwork(t *testing.T) {
	for name, c := range map[string]course{
		"the network is off for six hours, and the PLCs need five minutes then": {shows(alone()).until(6*time.Hour+5*time.Minute, shows(up("1"))), func(b *bench) {
			b.wire = func(at time.Duration) slot.Wires {
				if at < 6*time.Hour {
					return slot.Wires{Interfaces: []string{"eth0"}}
				}
				return slot.Wires{Interfaces: []string{"eth0"}, Carriers: []string{"eth0"}, Heard: 1}
			}
		}, confirms, 6*time.Hour + 5*time.Minute, 6*time.Hour + 6*time.Minute, "the network is off"},
		"it reaches nobody": {shows(alone()), nil, gives, 24 * time.Hour, 24*time.Hour + time.Minute, "nothing answers at all"},
		"the network chip has no driver": {shows(alone()), func(b *bench) { b.wire = func(time.Duration) slot.Wires { return slot.Wires{} } },
			gives, 15 * time.Minute, 16 * time.Minute, "interface that was there is gone"},
	} {
		synctest.Test(t, func(t *testing.T) { c.follow(t, name) })
	}
}

func TestTrialsWithNothingToCompare(t *testing.T) {
	for name, c := range map[string]course{
		"the evidence is torn": {shows(without(0)), func(b *bench) {
			if err := os.WriteFile(filepath.Join(b.dir, slot.MemoryFile), []byte(`{"form":1,"slo`), 0o600); err != nil {
				panic(err)
			}
		}, confirms, time.Minute, 2 * time.Minute, "nothing is known of the version before"},
		"fresh from the card": {shows(diag.Status{Waiting: "no configuration yet"}), func(b *bench) { b.machine.Slot, b.machine.Good = slot.B, "" },
			confirms, time.Minute, 2 * time.Minute, "no other version to compare it with"},
	} {
		synctest.Test(t, func(t *testing.T) { c.follow(t, name) })
	}
}

func TestTrialsWithABrokenSystem(t *testing.T) {
	for name, c := range map[string]course{
		"RAUC is slow to start": {nil, func(b *bench) { b.fails["rauc"] = 12 }, confirms, time.Minute, 3 * time.Minute, "cannot be confirmed yet"},
		"RAUC is broken": {fails(errHangs), func(b *bench) { b.fails["rauc"] = -1 }, []string{"fw_setenv BOOT_ORDER A B", "fw_setenv BOOT_A_LEFT 3", "fw_setenv BOOT_B_LEFT 0"},
			5 * time.Minute, 6 * time.Minute, "writing the boot loader's variables instead"},
		"everything is broken": {fails(errHangs), func(b *bench) { b.fails[""] = -1 }, nil, 5 * time.Minute, 6 * time.Minute, "fw_setenv BOOT_B_LEFT 0: it fails"},
	} {
		synctest.Test(t, func(t *testing.T) { c.follow(t, name) })
	}
}

// A slot that was confirmed before gets its boots back, and nothing else happens: an update that is being installed at that moment, or waits for its
// reboot, is still the one that is booted next.
func TestASlotThatIsConfirmedAlready(t *testing.T) {
	for name, c := range map[string]struct {
		fails map[string]int
		ran   []string
		says  string
	}{
		"all is well":      {nil, []string{"rauc status mark-good booted"}, "slot B, version 2, is confirmed"},
		"RAUC fails twice": {map[string]int{"rauc status mark-good": 2}, []string{"rauc status mark-good booted"}, "is confirmed"},
		"RAUC fails":       {map[string]int{"rauc": -1}, nil, "could not be counted anew"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.machine.Good = slot.B
			b.state = func(time.Duration) (diag.Status, error) { return diag.Status{}, errHangs }
			if c.fails != nil {
				b.fails = c.fails
			}
			if err := b.run(t.Context()); err != nil || !slices.Equal(b.ran, c.ran) || !strings.Contains(b.out.String(), c.says) {
				t.Errorf("%s: %v, ran %q, said %s", name, err, b.ran, &b.out)
			}
		})
	}
}

func TestATrialThatIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.fails["rauc"] = -1
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := b.run(ctx); err != nil || len(b.ran) != 0 || !strings.Contains(b.out.String(), "stopped before version 2 was confirmed") {
			t.Errorf("%v, %q, %s", err, b.ran, &b.out)
		}
	})
}

// A machine that was booted by hand must not be rebooted for that.
func TestNoImageHasNoTrial(t *testing.T) {
	for _, m := range []slot.Machine{{}, {Release: slot.Release{Image: "courtside-x", Version: "2"}}, {Boot: slot.Boot{Slot: slot.A}}} {
		b := newBench(t)
		b.machine = m
		if err := b.run(t.Context()); err != nil || len(b.ran) != 0 || !strings.Contains(b.out.String(), "nothing to confirm") {
			t.Errorf("%+v: %v, %q", m, err, b.ran)
		}
	}
}

func TestChildrenAreEnded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := child(ctx, "sleep", "600"); err == nil {
		t.Error("it was not ended")
	}
	if _, err := child(t.Context(), "sh", "-c", "echo wrong >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "wrong") {
		t.Errorf("%v", err)
	}
	if out, err := child(t.Context(), "echo", "x"); err != nil || string(out) != "x\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// Root must not be led out of the gateway's own directory.
func TestWhatIsLeftFollowsNoLink(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(outside, []byte("root"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "confirmed")
	if err := os.Symlink(outside, path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := leave(path, "B\n"); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "root" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "B\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := leave(filepath.Join(dir, "no", "x"), ""); err == nil {
		t.Error("it was left where no folder is")
	}
}
