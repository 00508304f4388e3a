package board

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryBoardIsRight(t *testing.T) {
	all, err := All("..")
	if err != nil {
		t.Fatal(err)
	}
	signatures := map[string]string{}
	var names []string
	for _, b := range all {
		names = append(names, b.ID)
		if other := signatures[b.Signature()]; other != "" {
			t.Errorf("%s and %s have one signature: the card of one in the other would be taken for its own", b.ID, other)
		}
		signatures[b.Signature()] = b.ID
		if b.Signature() == "00000000" || len(b.Signature()) != 8 {
			t.Errorf("%s: signature %q", b.ID, b.Signature())
		}
		for _, f := range append(slices.Clone(b.Files), b.Raw...) {
			if f.Package != "" && !slices.Contains(b.Packages(), f.Package) {
				t.Errorf("%s: %s is not fetched", b.ID, f.Package)
			}
		}
	}
	for _, want := range []string{"qemu-arm64", "qemu-armv7", "raspberrypi4", "beaglebone-black"} {
		if !slices.Contains(names, want) {
			t.Errorf("no board %s", want)
		}
	}
}

const good = `name: A board
soc: X1
arch: armhf
kernel:
  package: linux-image-armmp
  boot: bootz
  addresses: {kernel: 0x82000000, initrd: 0x88080000, state: 0x81000000}
storage: mmc 0
console: ttyS0
files: [{as: config.txt, text: x}]
raw: [{package: p, file: f, at: 128KiB}]
`

func load(t *testing.T, text string) (Board, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "b")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "board.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(dir)
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	if b, err := load(t, good); err != nil || b.Kernel.Addresses.Initrd != 0x88080000 || b.Raw[0].At != 128<<10 || b.ID != "b" {
		t.Fatalf("%+v, %v", b, err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"arch: armhf", "arch: mips", "mips"},
		{"kernel: 0x82000000", "kernel: 82000000", "0x48000000"},
		{"storage: mmc 0", "storage: sda", "mmc 0"},
		{"at: 128KiB", "at: 100B", "whole sectors"},
		{"at: 128KiB", "at: 2MiB", "boot state"},
		{"at: 128KiB", "", "at:"},
		{"text: x", "package: p", "file:"},
		{"text: x", "text: x, kernel: y", "one of"},
		{"boot: bootz", "boot: bootm", "bootz"},
		{"soc: X1\n", "", "soc"},
		{"soc: X1", "soc: X1\nwifi: yes", "wifi"},
	} {
		if _, err := load(t, strings.Replace(good, c.old, c.new, 1)); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "board.yaml") {
			t.Errorf("%s for %s: %v does not name %q and the file", c.new, c.old, err, c.want)
		}
	}
	if _, err := All(t.TempDir()); err == nil {
		t.Error("a folder without boards holds some")
	}
}

func TestProgramsOfABoard(t *testing.T) {
	b, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(b.Go(), "GOARM=7") || !slices.Contains(b.Go(), "CGO_ENABLED=0") {
		t.Error(b.Go())
	}
}
