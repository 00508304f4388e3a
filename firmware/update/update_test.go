package update

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

var _ diag.Updater = (*Updater)(nil)

const local = "/media/stick/x.raucb"

func tonight(t *testing.T) slot.Calendar {
	t.Helper()
	z, err := slot.ParseZone("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	return slot.Calendar{{Name: "home game", Dates: []slot.Date{{Year: 2026, Month: 11, Day: 23}}, From: 17 * 60, To: 23 * 60, Zone: z}}
}

// on moves the time into the game, which ends at 23:00 in Chicago.
func (r *rig) on() {
	r.set(func() { r.now.Wall = time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC) })
}

func TestAFileIsInstalledAndTheMachineAskedToReboot(t *testing.T) {
	r := newRig(t)
	in, err := r.installs(diag.InstallRequest{Source: local, Reboot: true})
	if err != nil || in.State != "done" || in.Reboot != "asked for" || !r.rebootAsked() || r.rauc.sources[0] != local {
		t.Errorf("%v, %+v, %v", err, in, r.rauc.sources)
	}
}

func TestNoUpdateDuringAnEvent(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Calendar = tonight(t) })
	if u := r.Update(t.Context()); u.Event != nil || u.Next == nil || u.Next.Name != "home game" {
		t.Errorf("before: %+v, %+v", u.Event, u.Next)
	}
	r.on()
	r.refused(diag.InstallRequest{Source: local}, slot.ErrEvent, "event", "home game, until Mon 2026-11-23 23:00 CST")
	if e := r.Brief().Event; e == nil || e.By != "calendar" || e.Left != 4*time.Hour {
		t.Errorf("%+v", e)
	}
	if err := r.Reboot(t.Context(), false); !errors.Is(err, slot.ErrEvent) || r.rebootAsked() {
		t.Errorf("a reboot: %v", err)
	}
	if in, err := r.installs(diag.InstallRequest{Source: local, Force: true, Reboot: true}); err != nil || in.State != "done" || !r.rebootAsked() {
		t.Errorf("forced: %v, %+v", err, in)
	}
}

// The game begins while an update is written: it goes on, but the reboot is left to a person.
func TestAnEventBeginsWhileAnUpdateIsInstalled(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Calendar = tonight(t) })
	r.rauc.hold = make(chan struct{})
	if _, err := r.InstallUpdate(t.Context(), diag.InstallRequest{Source: local, Reboot: true}); err != nil {
		t.Fatal(err)
	}
	r.on()
	close(r.rauc.hold)
	r.until("the reboot is decided", func() bool { return r.Update(t.Context()).Install.Reboot != "" })
	if in := r.ends(); in.State != "done" || !strings.Contains(in.Reboot, "home game") || r.rebootAsked() {
		t.Errorf("%+v", in)
	}
}

func TestNobodyKnowsTheTime(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Calendar = tonight(t) })
	r.set(func() { r.now.Known = false })
	r.refused(diag.InstallRequest{Source: local}, slot.ErrEvent, "event", "the time is not known")
	if u := r.Update(t.Context()); u.Event == nil || u.Event.By != "clock" || u.Next != nil {
		t.Errorf("%+v", u.Event)
	}
	if in, err := r.installs(diag.InstallRequest{Source: local, Force: true}); err != nil || in.State != "done" {
		t.Errorf("forced: %v, %+v", err, in)
	}
	r.SetCalendar(nil)
	if in, err := r.installs(diag.InstallRequest{Source: local}); err != nil || in.State != "done" {
		t.Errorf("without a calendar the time does not matter: %v, %+v", err, in)
	}
}

func TestAnEventByCommand(t *testing.T) {
	r := newRig(t)
	for _, d := range []time.Duration{0, time.Second, -time.Hour, 8 * 24 * time.Hour} {
		if _, err := r.BeginEvent(t.Context(), d); !errors.Is(err, diag.ErrRefused) {
			t.Errorf("%s: %v", d, err)
		}
	}
	if e, err := r.BeginEvent(t.Context(), 4*time.Hour); err != nil || e.Left != 4*time.Hour || e.By != "command" {
		t.Fatalf("%+v, %v", e, err)
	}
	r.refused(diag.InstallRequest{Source: local}, slot.ErrEvent, "event", "gwctl event end")
	r.stop()
	r.set(func() { r.now.Mono += time.Hour; r.now.Wall = r.now.Wall.Add(time.Hour) })
	r.run() // a restart
	r.refused(diag.InstallRequest{Source: local}, slot.ErrEvent, "event", "an event begun by command, until Mon 2026-11-23 16:00 UTC")
	if e, err := r.EndEvent(t.Context()); e != nil || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
	if in, err := r.installs(diag.InstallRequest{Source: local}); err != nil || in.State != "done" {
		t.Errorf("afterwards: %v, %+v", err, in)
	}
	if _, err := r.BeginEvent(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	r.set(func() { r.now.Mono += time.Hour })
	if u := r.Update(t.Context()); u.Event != nil {
		t.Errorf("it has not ended by itself: %+v", u.Event)
	}
}

func TestWhatEndingAnEventLeaves(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Calendar = tonight(t) })
	r.on()
	if e, err := r.EndEvent(t.Context()); err != nil || e == nil || e.Name != "home game" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestATornEventIsSaid(t *testing.T) {
	r := newRig(t, func(r *rig) {
		if err := os.WriteFile(filepath.Join(r.o.Dir, slot.EventFile), []byte(`{"boot":"b","mo`), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if !r.said("begin it again") {
		t.Error("the log does not say so")
	}
}

func TestWhatIsRefused(t *testing.T) {
	r := newRig(t)
	r.rauc.bundle.Version = "20261123.1"
	r.refused(diag.InstallRequest{Source: local}, slot.ErrDowngrade, "downgrade", "--allow-downgrade")
	if in, err := r.installs(diag.InstallRequest{Source: local, Downgrade: true}); err != nil || in.State != "done" {
		t.Errorf("allowed: %v, %+v", err, in)
	}
	r.rauc.bundle.Compatible = "courtside-y"
	r.refused(diag.InstallRequest{Source: local, Downgrade: true, Force: true}, slot.ErrCompatible, "compatible", `"courtside-y"`)
	r.rauc.inspect = errors.New("signature verification failed: self-signed certificate")
	r.refused(diag.InstallRequest{Source: local}, nil, "other", "self-signed certificate")
	r.rauc.inspect = slot.ErrNoRAUC
	r.refused(diag.InstallRequest{Source: r.address()}, slot.ErrNoRAUC, "no-rauc", "RAUC does not answer")
	r.set(func() { r.machine.Slot = slot.B })
	r.refused(diag.InstallRequest{Source: local, Force: true}, slot.ErrTrial, "trial", "slot A")
	r.set(func() { r.machine = slot.Machine{} })
	r.refused(diag.InstallRequest{Source: local, Force: true}, slot.ErrNoImage, "no-image", "does not run an image")
	if u := r.Update(t.Context()); !strings.Contains(u.Problem, "does not run an image") {
		t.Errorf("%+v", u)
	}
}

func TestOneInstallAtATime(t *testing.T) {
	r := newRig(t)
	r.rauc.hold = make(chan struct{})
	if _, err := r.InstallUpdate(t.Context(), diag.InstallRequest{Source: local}); err != nil {
		t.Fatal(err)
	}
	r.refused(diag.InstallRequest{Source: local, Force: true}, slot.ErrBusy, "busy", local)
	if err := r.Reboot(t.Context(), true); !errors.Is(err, slot.ErrBusy) {
		t.Errorf("a reboot in the middle: %v", err)
	}
	close(r.rauc.hold)
	if in := r.ends(); in.State != "done" {
		t.Errorf("%+v", in)
	}
	if err := r.Reboot(t.Context(), false); err != nil || !r.rebootAsked() {
		t.Errorf("a reboot afterwards: %v", err)
	}
}

func TestAnOrderOfTheAggregator(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Calendar = tonight(t) })
	order := diag.InstallRequest{Source: r.address(), Reboot: true}
	ends := func(state, says string) {
		t.Helper()
		r.until("the order is done", func() bool {
			in := r.Update(t.Context()).Install
			return in.State == state && (state != "done" || in.Reboot != "")
		})
		if in := r.Update(t.Context()).Install; !strings.Contains(in.Error+in.Reboot, says) {
			t.Errorf("%+v, want %q", in, says)
		}
	}
	if err := r.Order(order, "20261123.1"); err != nil || r.Update(t.Context()).Install.State != "none" {
		t.Errorf("the version that runs: %v", err)
	}
	if err := r.Order(diag.InstallRequest{Source: local}, ""); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("a file: %v", err)
	}
	if err := r.Order(order, "20261124.7"); err != nil {
		t.Fatal(err)
	}
	ends("failed", "version 20261124.7 was ordered")
	r.rauc.bundle.Version = "20261122.1"
	if err := r.Order(diag.InstallRequest{Source: r.address(), Downgrade: true}, ""); err != nil {
		t.Fatal(err)
	}
	r.until("the older one is refused", func() bool { return r.Update(t.Context()).Refused["downgrade"] == 1 })
	r.rauc.bundle.Version = "20261124.1"
	r.until("it is free again", func() bool { return r.Order(order, "20261124.1") == nil })
	ends("done", "asked for")
	r.on()
	if err := r.Order(order, ""); !errors.Is(err, slot.ErrEvent) {
		t.Errorf("during a game: %v", err)
	}
	r.stop()
	if err := r.Order(order, ""); !errors.Is(err, errStopped) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestTheGatewayStopsInTheMiddle(t *testing.T) {
	r := newRig(t)
	r.rauc.hold = make(chan struct{})
	if _, err := r.InstallUpdate(t.Context(), diag.InstallRequest{Source: local}); err != nil {
		t.Fatal(err)
	}
	r.stop() // which waits
	if in := r.Update(t.Context()).Install; in.State != "failed" {
		t.Errorf("%+v", in)
	}
	if _, err := r.InstallUpdate(t.Context(), diag.InstallRequest{Source: local}); !errors.Is(err, errStopped) {
		t.Errorf("%v", err)
	}
}

func TestARebootThatCannotBeAskedFor(t *testing.T) {
	r := newRig(t, func(r *rig) { r.o.Reboot = filepath.Join(r.o.Dir, "nowhere", "reboot") })
	if err := r.Reboot(t.Context(), false); err == nil || errors.Is(err, diag.ErrRefused) {
		t.Errorf("%v", err)
	}
	in, err := r.installs(diag.InstallRequest{Source: local, Reboot: true})
	r.until("the reboot is decided", func() bool { return r.Update(t.Context()).Install.Reboot != "" })
	if err != nil || in.State != "done" || !strings.Contains(r.Update(t.Context()).Install.Reboot, "no such file") {
		t.Errorf("%v, %+v", err, in)
	}
}

func TestTheSlotsAreShown(t *testing.T) {
	r := newRig(t)
	u := r.Update(t.Context())
	if u.Image != "courtside-x" || u.Slot != "A" || u.Trial || len(u.Slots) != 2 || !u.Slots[0].Next || u.Slots[1].Next || u.Problem != "" {
		t.Errorf("%+v", u)
	}
	r.rauc.primary = errors.New("unable to find primary boot slot")
	if u := r.Update(t.Context()); len(u.Slots) != 2 || u.Slots[0].Next || u.Slots[1].Next {
		t.Errorf("no slot has boots left: %+v", u)
	}
}

// The evidence is kept on an image, and nowhere else.
func TestTheEvidenceIsKept(t *testing.T) {
	for _, image := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			m := slot.Machine{}
			if image {
				m = slot.Machine{Release: slot.Release{Image: "i", Version: "7"}, Boot: slot.Boot{Slot: slot.B, Good: slot.A}}
			}
			begun := time.Now()
			r := &rig{t: t, o: Options{Machine: func() slot.Machine { return m }, Dir: dir, Now: func() slot.Moment { return slot.Moment{Mono: time.Since(begun)} },
				Seen: func() slot.Seen { return slot.Seen{Link: true, Devices: []string{"plc-1"}} }, Log: discard()}}
			ctx, cancel := context.WithCancel(t.Context())
			r.Updater = New(ctx, r.o)
			done := make(chan struct{})
			go func() { defer close(done); r.Run(ctx) }()
			time.Sleep(lookEvery + time.Second)
			version, seen, known, err := slot.Recall(dir, slot.B)
			if err != nil || known != image || image && (version != "7" || !seen.Link || len(seen.Devices) != 1) {
				t.Errorf("image %t: %s %+v %t %v", image, version, seen, known, err)
			}
			cancel()
			<-done
		})
	}
}
