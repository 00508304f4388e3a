package rauc_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/rauc"
	"github.com/courtside-edge/courtside/firmware/rauc/rauctest"
	"github.com/courtside-edge/courtside/firmware/slot"
)

var _ slot.Installer = (*rauc.Client)(nil)

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func serve(t *testing.T) (*rauc.Client, *rauctest.Service, string) {
	t.Helper()
	address := rauctest.Bus(t)
	s := rauctest.Serve(t, address, rauctest.Update{Compatible: "courtside-x", Version: "20261124.1"})
	file := filepath.Join(t.TempDir(), "x.raucb")
	if err := os.WriteFile(file, bytes.Repeat([]byte("0123456789abcdef"), 40_000), 0o600); err != nil {
		t.Fatal(err)
	}
	return &rauc.Client{Address: address}, s, file
}

func TestAskingRAUC(t *testing.T) {
	c, s, file := serve(t)
	ctx := soon(t)
	b, err := c.Inspect(ctx, file)
	if err != nil || b != (slot.Bundle{Compatible: "courtside-x", Version: "20261124.1"}) {
		t.Errorf("%+v, %v", b, err)
	}
	slots, err := c.Slots(ctx)
	if err != nil || len(slots) != 2 || slots[0] != (slot.State{Slot: "rootfs.0", Name: slot.A, Device: "/dev/rootfs.0", Booted: true, Good: true, Version: "20261101.1", Status: "ok"}) || slots[1].Booted {
		t.Errorf("%+v, %v", slots, err)
	}
	if p, err := c.Primary(ctx); p != "rootfs.0" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if m, err := c.Mark(ctx, "good", "booted"); err != nil || !strings.Contains(m, "good") || !slices.Equal(s.Marks(), []string{"good booted"}) {
		t.Errorf("%q, %v, %v", m, err, s.Marks())
	}
	if _, err := c.Mark(ctx, "fine", "booted"); err == nil || !strings.Contains(err.Error(), "unknown subcommand") {
		t.Errorf("%v", err)
	}
}

func TestAnInstall(t *testing.T) {
	c, s, file := serve(t)
	var steps []slot.Progress
	if err := c.Install(soon(t), file, func(p slot.Progress) { steps = append(steps, p) }); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(s.Read(), want) {
		t.Errorf("%d bytes were read, %d are there: %v", len(s.Read()), len(want), err)
	}
	if len(steps) == 0 || steps[0].Step != "Copying image to rootfs.1" || !slices.IsSortedFunc(steps, func(a, b slot.Progress) int { return a.Percent - b.Percent }) {
		t.Errorf("%+v", steps)
	}
}

func TestWhatRAUCRefuses(t *testing.T) {
	c, s, file := serve(t)
	s.Refuse("signature verification failed: self-signed certificate")
	if _, err := c.Inspect(soon(t), file); err == nil || !strings.Contains(err.Error(), "self-signed") || errors.Is(err, slot.ErrNoRAUC) {
		t.Errorf("%v", err)
	}
	s.Fail("Failed updating slot rootfs.1: Input/output error")
	if err := c.Install(soon(t), file, func(slot.Progress) {}); err == nil || !strings.Contains(err.Error(), "Input/output error") {
		t.Errorf("%v", err)
	}
	if err := c.Install(soon(t), file+".not", func(slot.Progress) {}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
}

func TestRAUCIsBusy(t *testing.T) {
	c, s, file := serve(t)
	release := s.Hold()
	begun, done := make(chan struct{}, 100), make(chan error, 1)
	ctx := soon(t)
	go func() { done <- c.Install(ctx, file, func(slot.Progress) { begun <- struct{}{} }) }()
	select {
	case <-begun:
	case err := <-done:
		t.Fatal(err)
	case <-ctx.Done():
		t.Fatal("the install has not begun within a minute")
	}
	if err := c.Install(ctx, file, func(slot.Progress) {}); !errors.Is(err, slot.ErrBusy) {
		t.Errorf("a second install: %v", err)
	}
	if _, err := c.Inspect(ctx, file); !errors.Is(err, slot.ErrBusy) {
		t.Errorf("an inspection: %v", err)
	}
	release()
	if err := <-done; err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestRAUCEndsWhileItInstalls(t *testing.T) {
	c, s, file := serve(t)
	t.Cleanup(s.Hold())
	done, begun := make(chan error, 1), make(chan struct{}, 100)
	ctx := soon(t)
	go func() { done <- c.Install(ctx, file, func(slot.Progress) { begun <- struct{}{} }) }()
	select {
	case <-begun:
	case <-ctx.Done():
		t.Fatal("the install has not begun within a minute")
	}
	s.Close()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "RAUC ended") {
		t.Errorf("%v", err)
	}
}

func TestTheCallerGoes(t *testing.T) {
	c, s, file := serve(t)
	t.Cleanup(s.Hold())
	ctx, cancel := context.WithCancel(soon(t))
	done, begun := make(chan error, 1), make(chan struct{}, 100)
	go func() { done <- c.Install(ctx, file, func(slot.Progress) { begun <- struct{}{} }) }()
	<-begun
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNoRAUC(t *testing.T) {
	for name, address := range map[string]string{"no bus": "unix:path=" + filepath.Join(t.TempDir(), "nowhere"), "no RAUC on it": rauctest.Bus(t), "no address": "nonsense"} {
		c := &rauc.Client{Address: address}
		_, one := c.Inspect(soon(t), "/x")
		two := c.Install(soon(t), "/x", func(slot.Progress) {})
		if !errors.Is(one, slot.ErrNoRAUC) || !errors.Is(two, slot.ErrNoRAUC) {
			t.Errorf("%s: %v; %v", name, one, two)
		}
	}
}
