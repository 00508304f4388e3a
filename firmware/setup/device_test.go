package setup_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/setup"
)

// TestABrokenNetworkOfTheDevice stands for a file that somebody edited by hand.
func TestABrokenNetworkOfTheDevice(t *testing.T) {
	b := newBench(t)
	b.put("network", "links: [{address: 10.0.0.5/24}]\n")
	b.boot(setup.Taken)
	if err := os.WriteFile(filepath.Join(b.o.Etc, "network"), []byte("links: 5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := b.boot(setup.Unchanged)
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "DHCP on every wired interface stands in for it") || !slices.Contains(r.Network, "every wired interface: an address by DHCP") {
		t.Errorf("it warns %q, network %q", r.Warnings, r.Network)
	}
}

func TestPowerCuts(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	svid := b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.boot(setup.Taken)
	t.Run("after the files, before the record", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		if err := os.Remove(filepath.Join(b.o.Etc, ".imported")); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Taken)
	})
	t.Run("before the key was removed", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		r := b.boot(setup.Unchanged)
		if b.lies("svid.key") || !strings.Contains(r.Text(), "svid.key        as it was taken before, and removed from here") {
			t.Errorf("it says:\n%s", r.Text())
		}
	})
	t.Run("after the key was written over", func(t *testing.T) {
		b.put("svid.key", strings.Repeat("\x00", 241))
		b.boot(setup.Unchanged)
		if b.lies("svid.key") {
			t.Error("zeros stay on the medium")
		}
	})
	t.Run("before the key was removed, and then a fault elsewhere", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		b.put("network", "links: 5\n")
		b.boot(setup.Refused)
		if b.lies("svid.key") {
			t.Error("a key that was taken stays on the medium as long as something is wrong")
		}
		b.remove("network")
	})
	t.Run("while files waited", func(t *testing.T) {
		left := filepath.Join(b.o.Etc, ".staging-123")
		if err := os.MkdirAll(filepath.Join(left, "tags"), 0o700); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Unchanged)
		if _, err := os.Stat(left); err == nil {
			t.Error("it stays for ever")
		}
	})
	t.Run("a record that is torn", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		if err := os.WriteFile(filepath.Join(b.o.Etc, ".imported"), []byte(`{"files":`), 0o600); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Taken)
	})
	t.Run("a configuration that was lost", func(t *testing.T) {
		if err := os.Remove(filepath.Join(b.o.Etc, "gateway.yaml")); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Taken)
		if b.etc("gateway.yaml") != good {
			t.Error("it was not taken again")
		}
	})
}

// TestALinkInTheRoot is /etc/courtside of an image: it leads to /data, where nothing lies at the first boot.
func TestALinkInTheRoot(t *testing.T) {
	b := newBench(t)
	if err := os.Symlink(filepath.Join(b.dir, "data", "etc", "courtside"), b.o.Etc); err != nil {
		t.Fatal(err)
	}
	b.put("courtside.yaml", good)
	b.boot(setup.Taken)
	if _, err := os.Stat(filepath.Join(b.dir, "data", "etc", "courtside", "gateway.yaml")); err != nil {
		t.Error(err)
	}
}

// TestThisDeviceFails cannot write to /data: nothing is taken, and the report says whose fault it is.
func TestThisDeviceFails(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	if err := os.WriteFile(b.o.Etc, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := setup.Run(b.o)
	if err == nil || r.Outcome != setup.Failed || !strings.Contains(r.Text(), "this device could not write what it took") {
		t.Errorf("%v, it says:\n%s", err, r.Text())
	}
}

// TestNobodyToReadIt is a device without the user whose files they are to be: the network is described all the same.
func TestNobodyToReadIt(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.o.NoOwner = errors.New("user courtside is unknown")
	r, err := setup.Run(b.o)
	if err == nil || r.Outcome != setup.Failed || b.etc("gateway.yaml") != "" || !strings.Contains(r.Text(), "user courtside is unknown") {
		t.Errorf("%v, it says:\n%s", err, r.Text())
	}
	if _, err := os.Stat(filepath.Join(b.o.Network, "20-courtside-wired.network")); err != nil {
		t.Error(err)
	}
}

// TestADataPartitionThatDoesNotMount has lost the key that was removed from the folder: the gateway counts without a link, and is told why.
func TestADataPartitionThatDoesNotMount(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	svid := b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.boot(setup.Taken)
	if err := os.RemoveAll(b.o.Etc); err != nil {
		t.Fatal(err)
	}
	b.o.Volatile = true
	r := b.boot(setup.Taken)
	if warned := strings.Join(r.Warnings, "\n"); !r.Configured || !strings.Contains(warned, "the data partition of this medium does not mount") {
		t.Errorf("it says:\n%s", r.Text())
	}
	b.put("svid.key", string(svid.KeyPEM()))
	b.boot(setup.Taken)
	if b.etc("svid.key") == "" || !b.lies("svid.key") {
		t.Error("a key was taken from the medium to where the next power cut takes it away")
	}
	b.o.Volatile = false
	if err := os.RemoveAll(b.o.Etc); err != nil {
		t.Fatal(err)
	}
	b.remove("svid.key")
	b.refused("svid.key is missing")
}
