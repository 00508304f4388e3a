package spool_test

import (
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// wallOf is a wall time in these tests.
func wallOf(s int64) int64 { return 1_700_000_000e9 + s*1e9 }

// bootMap is the map of a boot that began at wall.
func bootMap(boot byte, s clock.Source, wall int64) clock.Map {
	return clock.Map{Boot: clock.BootID{boot}, Offset: time.Duration(wall), Uncertainty: time.Second, Source: s}
}

// in starts the spool again in a boot.
func (b *bench) in(m clock.Map) point.Epoch {
	b.Helper()
	b.o.Map = m
	b.reopen()
	return b.sp.Epoch()
}

// hold appends a critical batch whose samples end at mono, and stores it.
func (b *bench) hold(mono int64) {
	b.Helper()
	b.now = mono - 9
	b.add(point.Critical, uint64(mono))
	b.mustDisk(point.Critical)
}

func (b *bench) mapOf(e point.Epoch) clock.Map {
	b.Helper()
	for _, ei := range b.sp.Inventory().Epochs {
		if ei.Epoch == e {
			return ei.Map
		}
	}
	b.Fatalf("epoch %s is not in the inventory", e)
	return clock.Map{}
}

func TestI9TheOpenEpochGetsItsMapOnce(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Map = clock.Map{Boot: clock.BootID{1}, From: 7} })
	e := b.sp.Epoch()
	if b.sp.Date(bootMap(1, clock.System, wallOf(0)), time.Time{}) || b.mapOf(e).Source != clock.Unknown {
		t.Fatal("a system clock dated it")
	}
	if !b.sp.Date(bootMap(1, clock.Cloud, wallOf(0)), time.Time{}) {
		t.Fatal("the cloud's time did not")
	}
	want := bootMap(1, clock.Cloud, wallOf(0))
	want.From = 7
	if got := b.mapOf(e); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if b.sp.Date(bootMap(1, clock.NTP, wallOf(5)), time.Time{}) || b.mapOf(e) != want {
		t.Error("it was dated twice")
	}
	b.hold(100) // the record goes with the next critical batch
	b.in(bootMap(2, clock.Unknown, 0))
	if got := b.mapOf(e); got != want {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
}

// TestI9ABootWithoutAnyTimeThatEndsInAPowerCut is dated between its neighbours: boot 1 was dated, 2 and 3 were not, 4 is.
func TestI9ABootWithoutAnyTimeThatEndsInAPowerCut(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Map = bootMap(1, clock.NTP, wallOf(0)) })
	b.hold(100e9) // until 100 s
	unknown, later := bootMap(2, clock.Unknown, 0), bootMap(3, clock.Unknown, 0)
	two := b.in(unknown)
	b.hold(60e9)
	again := b.in(unknown) // the process restarts within the boot
	b.hold(90e9)
	three := b.in(later)
	b.hold(30e9)
	four := b.in(bootMap(4, clock.Unknown, 0))
	if !b.sp.Date(bootMap(4, clock.Cloud, wallOf(1000)), time.Time{}) {
		t.Fatal("nothing was dated")
	}
	for _, c := range []struct {
		epoch        point.Epoch
		source       clock.Source
		begin, reach int64 // seconds: when the boot began, and how much earlier that may have been
	}{{four, clock.Cloud, 1000, 1}, {three, clock.Bounds, 970, 870}, {two, clock.Bounds, 880, 780}, {again, clock.Bounds, 880, 780}} {
		m := b.mapOf(c.epoch)
		if m.Source != c.source || m.Wall(0) != wallOf(c.begin) || m.Uncertainty != time.Duration(c.reach)*time.Second {
			t.Errorf("epoch %s: %v, boot at %+d s ± %v; want %v at %+d s ± %d s", c.epoch, m.Source, (m.Wall(0)-wallOf(0))/1e9, m.Uncertainty, c.source, c.begin, c.reach)
		}
	}
	if b.mapOf(two).Boot != (clock.BootID{2}) || b.mapOf(three).Boot != (clock.BootID{3}) {
		t.Error("a map lost its boot")
	}
}

func TestI9ASystemClockCountsBetweenItsBounds(t *testing.T) {
	for name, c := range map[string]struct {
		own  int64 // when the undated boot began, by its system clock
		want int64
	}{"plausible": {500, 500}, "in 2036": {300_000_000, 940}, "an hour behind": {-3600, 940}, "as the neighbour before": {90, 940}} {
		b := newBench(t, func(o *spool.Options) { o.Map = bootMap(1, clock.NTP, wallOf(0)) })
		b.hold(100e9)
		two := b.in(bootMap(2, clock.System, wallOf(c.own)))
		b.hold(60e9)
		b.in(bootMap(3, clock.NTP, wallOf(1000)))
		b.sp.Date(bootMap(3, clock.NTP, wallOf(1000)), time.Unix(0, wallOf(50)))
		m := b.mapOf(two)
		if got := (m.Wall(0) - wallOf(0)) / 1e9; m.Source != clock.Bounds || got != c.want {
			t.Errorf("%s: %v at %+d s, want %+d s", name, m.Source, got, c.want)
		}
		lo, hi := m.Wall(0)-int64(m.Uncertainty), m.Wall(60e9)
		if hi > wallOf(1000) || lo > wallOf(100) {
			t.Errorf("%s: from %+d s to %+d s does not reach its bounds", name, (lo-wallOf(0))/1e9, (hi-wallOf(0))/1e9)
		}
	}
}

func TestABootThatAnotherEpochDates(t *testing.T) {
	b := newBench(t, func(o *spool.Options) { o.Map = bootMap(1, clock.NTP, wallOf(0)) })
	b.hold(10e9)
	same := b.in(bootMap(1, clock.Unknown, 0)) // NTP was lost over a restart of the process
	b.hold(20e9)
	b.in(bootMap(2, clock.Unknown, 0))
	b.sp.Date(bootMap(2, clock.Cloud, wallOf(1000)), time.Time{})
	if m := b.mapOf(same); m.Source != clock.NTP || m.Wall(0) != wallOf(0) {
		t.Errorf("%+v", m)
	}
	if _, err := wire.DecodeInventory(wire.EncodeInventory(b.sp.Inventory())); err != nil {
		t.Error(err)
	}
}

// TestI9WhatTheCloudHasAlreadyStillDatesItsBoot: the batches of an undated boot are acknowledged before anything dates it. It ended before the
// next boot all the same, also when the process restarts in between.
func TestI9WhatTheCloudHasAlreadyStillDatesItsBoot(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(o *spool.Options) { o.Map = bootMap(1, clock.NTP, wallOf(0)) })
			b.hold(100e9)
			two := b.in(bootMap(2, clock.Unknown, 0))
			b.hold(20e9)
			b.hold(60e9)
			b.in(bootMap(3, clock.Unknown, 0))
			_, all := b.takeAll(wide)
			for _, t := range all {
				if t.ID.Epoch == two {
					b.ack(t.ID)
				}
			}
			b.hold(1e9) // what is kept of the epoch goes with it
			if restart {
				b.in(bootMap(3, clock.Unknown, 0))
			}
			b.sp.Date(bootMap(3, clock.Cloud, wallOf(1000)), time.Time{})
			if m := b.mapOf(two); m.Wall(60e9) != wallOf(1000) {
				t.Errorf("what it saw last is dated %+d s, the next boot began at 1000 s", (m.Wall(60e9)-wallOf(0))/1e9)
			}
		})
	}
}
