package slot_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/courtside-edge/courtside/firmware/slot"
)

func TestVersionsAreOrderedAsNumbers(t *testing.T) {
	ascending := []slot.Version{"", "0", "1", "1.0", "1.0.1", "1.2", "1.10", "2", "20261123.091500", "20261123.140501", "20261124", "99999999999999999999999999"}
	for i, a := range ascending {
		for k, b := range ascending {
			want := 0
			if i < k {
				want = -1
			} else if i > k {
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("%q against %q: %d, want %d", a, b, got, want)
			}
		}
	}
	if slot.Version("20261123.091500").Compare("20261123.91500") != 0 {
		t.Error("a leading zero makes a difference")
	}
}

func TestVersionsThatAreNone(t *testing.T) {
	for _, s := range []string{"", ".", "1.", ".1", "1..2", "v1", "1.2-3", "-1", "1 ", "1.2.3.4.5.6.7.8.9", strings.Repeat("1", 65), "١"} {
		if v, err := slot.ParseVersion(s); !errors.Is(err, slot.ErrVersion) {
			t.Errorf("%q is version %q: %v", s, v, err)
		}
	}
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"20261123.140501", "1..2", "0", strings.Repeat("9.", 7) + "9"} {
		f.Add(s, "1.2")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := slot.ParseVersion(a)
		w, other := slot.ParseVersion(b)
		if err != nil || other != nil {
			return
		}
		if v.Compare(v) != 0 || v.Compare(w) != -w.Compare(v) {
			t.Errorf("%q and %q: %d and %d", v, w, v.Compare(w), w.Compare(v))
		}
	})
}

func TestReleaseAndBoot(t *testing.T) {
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  slot.Machine
		image bool
		trial bool
	}{
		"an image": {fstest.MapFS{"etc/os-release": {Data: []byte("PRETTY_NAME=\"Debian\"\nIMAGE_ID=courtside-qemu-arm64\n# IMAGE_ID=no\nIMAGE_VERSION=\"20261123.140501\"\n")},
			"proc/cmdline": {Data: []byte("root=PARTUUID=1-02 ro rauc.slot=A courtside.good=A panic=5\n")}},
			slot.Machine{Release: slot.Release{Image: "courtside-qemu-arm64", Version: "20261123.140501"}, Boot: slot.Boot{Slot: slot.A, Good: slot.A}}, true, false},
		"on trial": {fstest.MapFS{"usr/lib/os-release": {Data: []byte("IMAGE_ID='courtside-x'\nIMAGE_VERSION=2")}, "proc/cmdline": {Data: []byte("rauc.slot=A rauc.slot=B courtside.good=A dyndbg=\"rauc.slot=A x\"")}},
			slot.Machine{Release: slot.Release{Image: "courtside-x", Version: "2"}, Boot: slot.Boot{Slot: slot.B, Good: slot.A}}, true, true},
		"confirmed since": {fstest.MapFS{"etc/os-release": {Data: []byte("IMAGE_ID=i\nIMAGE_VERSION=2")}, "proc/cmdline": {Data: []byte("rauc.slot=B courtside.good=A")}, "run/courtside/confirmed": {Data: []byte("B\n")}},
			slot.Machine{Release: slot.Release{Image: "i", Version: "2"}, Boot: slot.Boot{Slot: slot.B, Good: slot.B}}, true, false},
		"another slot is noted": {fstest.MapFS{"etc/os-release": {Data: []byte("IMAGE_ID=i\nIMAGE_VERSION=2")}, "proc/cmdline": {Data: []byte("rauc.slot=B courtside.good=A")}, "run/courtside/confirmed": {Data: []byte("A")}},
			slot.Machine{Release: slot.Release{Image: "i", Version: "2"}, Boot: slot.Boot{Slot: slot.B, Good: slot.A}}, true, true},
		"fresh from the card": {fstest.MapFS{"etc/os-release": {Data: []byte("IMAGE_ID=i\nIMAGE_VERSION=2")}, "proc/cmdline": {Data: []byte("rauc.slot=A courtside.good=")}},
			slot.Machine{Release: slot.Release{Image: "i", Version: "2"}, Boot: slot.Boot{Slot: slot.A}}, true, false},
		"a laptop":     {fstest.MapFS{"etc/os-release": {Data: []byte("ID=debian\n")}, "proc/cmdline": {Data: []byte("quiet splash")}}, slot.Machine{}, false, false},
		"nothing":      {fstest.MapFS{}, slot.Machine{}, false, false},
		"odd contents": {fstest.MapFS{"etc/os-release": {Data: []byte("IMAGE_VERSION=v2\n=\nX\nIMAGE_ID=\"a\\\"b\"")}, "proc/cmdline": {Data: []byte("rauc.slot=C courtside.good \"")}}, slot.Machine{Release: slot.Release{Image: `a"b`}}, false, false},
	} {
		m, err := slot.Read(c.files)
		if err != nil || m != c.want || m.IsImage() != c.image || m.Trial() != c.trial {
			t.Errorf("%s: %+v, %v; want %+v", name, m, err, c.want)
		}
	}
}

func TestReadSaysWhatItCannotRead(t *testing.T) {
	if _, err := slot.Read(broken{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
}

// broken is a file system that refuses everything.
type broken struct{}

func (broken) Open(string) (fs.File, error) { return nil, fs.ErrPermission }

func FuzzCmdline(f *testing.F) {
	f.Add("rauc.slot=A courtside.good=B", "IMAGE_ID=\"x\nIMAGE_VERSION=1")
	f.Fuzz(func(t *testing.T, cmdline, release string) {
		b, err := slot.ParseCmdline(strings.NewReader(cmdline))
		if err != nil || b.Slot != "" && b.Slot != slot.A && b.Slot != slot.B {
			t.Errorf("%+v, %v", b, err)
		}
		if r, err := slot.ParseRelease(strings.NewReader(release)); err == nil && r.Version != "" {
			if _, err := slot.ParseVersion(string(r.Version)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAdmit(t *testing.T) {
	here := slot.Machine{Release: slot.Release{Image: "courtside-x", Version: "20261123.2"}, Boot: slot.Boot{Slot: slot.A, Good: slot.A}}
	trial := here
	trial.Slot = slot.B
	for name, c := range map[string]struct {
		m         slot.Machine
		b         slot.Bundle
		downgrade bool
		want      error
	}{
		"newer":                 {here, slot.Bundle{Compatible: "courtside-x", Version: "20261123.10"}, false, nil},
		"the same":              {here, slot.Bundle{Compatible: "courtside-x", Version: "20261123.2"}, false, slot.ErrDowngrade},
		"older":                 {here, slot.Bundle{Compatible: "courtside-x", Version: "20261122.9"}, false, slot.ErrDowngrade},
		"older, allowed":        {here, slot.Bundle{Compatible: "courtside-x", Version: "1"}, true, nil},
		"no version":            {here, slot.Bundle{Compatible: "courtside-x"}, false, slot.ErrDowngrade},
		"no version, allowed":   {here, slot.Bundle{Compatible: "courtside-x", Version: "latest"}, true, nil},
		"another board":         {here, slot.Bundle{Compatible: "courtside-y", Version: "20261124"}, false, slot.ErrCompatible},
		"another board, older":  {here, slot.Bundle{Compatible: "courtside-y", Version: "1"}, true, slot.ErrCompatible},
		"on trial":              {trial, slot.Bundle{Compatible: "courtside-x", Version: "20261124"}, true, slot.ErrTrial},
		"a system without slot": {slot.Machine{Release: here.Release}, slot.Bundle{Compatible: "courtside-x", Version: "20261124"}, false, slot.ErrNoImage},
	} {
		if err := slot.Admit(c.m, c.b, c.downgrade); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestTheWires(t *testing.T) {
	net := fstest.MapFS{
		"lo/carrier":                    {Data: []byte("1\n")},
		"br0/carrier":                   {Data: []byte("1\n")},
		"end0/device/uevent":            {},
		"end0/carrier":                  {Data: []byte("1\n")},
		"end0/statistics/rx_packets":    {Data: []byte("42\n")},
		"enx1/device/uevent":            {},
		"enx1/statistics/rx_packets":    {Data: []byte("no number")},
		"end0/statistics/tx_packets":    {Data: []byte("7")},
		"bonding_masters":               {Data: []byte("\n")},
		"lo/statistics/rx_packets":      {Data: []byte("9000")},
		"br0/statistics/rx_packets":     {Data: []byte("9000")},
		"end0/carrier_changes/no_digit": {},
	}
	w := slot.ReadWires(net)
	if len(w.Interfaces) != 2 || len(w.Carriers) != 1 || w.Carriers[0] != "end0" || w.Heard != 42 {
		t.Fatalf("%+v", w)
	}
	quiet := w
	quiet.Heard = 0
	for name, c := range map[string]struct {
		w    slot.Wires
		was  slot.Seen
		want slot.Network
	}{
		"as before":               {w, slot.Seen{Interfaces: []string{"eth0", "eth1"}, Carriers: []string{"eth0"}}, slot.NetworkOn},
		"nothing known":           {w, slot.Seen{}, slot.NetworkOn},
		"an interface fewer":      {w, slot.Seen{Interfaces: []string{"a", "b", "c"}}, slot.NetworkGone},
		"a cable fewer":           {w, slot.Seen{Interfaces: []string{"a", "b"}, Carriers: []string{"a", "b"}}, slot.NetworkOff},
		"nothing is heard":        {quiet, slot.Seen{Interfaces: []string{"a", "b"}, Carriers: []string{"a"}}, slot.NetworkOff},
		"no interface was, or is": {slot.Wires{}, slot.Seen{}, slot.NetworkOff},
	} {
		if got := c.w.Compare(c.was); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if w := slot.ReadWires(broken{}); len(w.Interfaces) != 0 {
		t.Errorf("%+v", w)
	}
}
