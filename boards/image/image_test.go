package image

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/boards/board"
)

func TestModulesThatStay(t *testing.T) {
	list := []string{"fs", "drivers/net/phy", "drivers/net/virtio_net.ko"}
	for name, want := range map[string]bool{
		"kernel/fs/ext4/ext4.ko.xz": true, "kernel/drivers/net/phy/smsc.ko.xz": true, "kernel/drivers/net/virtio_net.ko.xz": true,
		"kernel/drivers/net/phylink.ko.xz": false, "kernel/drivers/net/wireless/ath/ath9k.ko.xz": false, "kernel/fscache/x.ko.xz": false, "kernel/drivers/net/phy_extra/x.ko.xz": false,
	} {
		if got := kept(name, list); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func newBuild(t *testing.T, id string) *Build {
	t.Helper()
	b, err := board.Load(filepath.Join("..", id))
	if err != nil {
		t.Fatal(err)
	}
	return &Build{Options: Options{Board: b, Repo: filepath.Join("..", ".."), Work: t.TempDir(), Cache: t.TempDir(), Out: t.TempDir(), Version: "20261123.140000", Epoch: time.Unix(1_700_000_000, 0)}}
}

// The script is the board's values and what all share; what it needs is set for each board.
func TestBootScriptOfEachBoard(t *testing.T) {
	all, err := board.All("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, brd := range all {
		b := newBuild(t, brd.ID)
		script, err := b.script()
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(script, "# Chooses the slot")
		for _, name := range []string{"storage_type", "storage_number", "signature", "console", "boot", "addr_kernel", "addr_initrd", "addr_state"} {
			if !strings.Contains(head, "setenv "+name+" ") {
				t.Errorf("%s: the script uses %s, which is not set", brd.ID, name)
			}
		}
		if strings.Contains(script, "rootwait ") || !strings.Contains(script, "panic=5") {
			t.Errorf("%s: a kernel whose root does not come has to reboot", brd.ID)
		}
		for line := range strings.Lines(script) {
			if strings.Contains(line, "setexpr") {
				t.Errorf("%s: not every U-Boot has setexpr", brd.ID)
			}
		}
	}
}

func TestPlaceKeepsToItsRoom(t *testing.T) {
	b := newBuild(t, "beaglebone-black")
	b.Result.Disk = filepath.Join(b.Work, "disk")
	if err := b.sparse(b.Result.Disk, 1<<20); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.Work, "file")
	text := append(bytes.Repeat([]byte{7}, 1000), make([]byte, 200_000)...)
	text = append(text, 9)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.place(file, 4096, int64(len(text))-1); err == nil {
		t.Error("a file that is a byte too long was placed")
	}
	if err := b.place(file, 4096, int64(len(text))); err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(b.Result.Disk)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(disk[4096:4096+len(text)], text) || len(disk) != 1<<20 {
		t.Error("the disk does not hold the file")
	}
}

// The raw files of each board leave the boot state and each other alone, whatever they grow to: place refuses, so the order has to be theirs.
func TestRawFilesStandInOrder(t *testing.T) {
	b := newBuild(t, "beaglebone-black")
	for i := 1; i < len(b.Board.Raw); i++ {
		if b.Board.Raw[i].At <= b.Board.Raw[i-1].At {
			t.Errorf("raw file %d stands before the one that is listed before it", i)
		}
	}
}

// What the keys sign is accepted by the keyring for signing code, and by nothing else.
func TestKeysOfUpdates(t *testing.T) {
	dir := t.TempDir()
	if err := MakeKeys(dir, "Test"); err != nil {
		t.Fatal(err)
	}
	read := func(name string) *x509.Certificate {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	roots := x509.NewCertPool()
	roots.AddCert(read("keyring.pem"))
	if _, err := read("sign.crt").Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}); err != nil {
		t.Error(err)
	}
	if _, err := read("sign.crt").Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("the signer's certificate serves TLS, too")
	}
	for _, name := range []string{"sign.key", "authority.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestVersionsThatCannotBeOrderedAreRefused(t *testing.T) {
	if os.Geteuid() != 0 || Missing() != nil {
		t.Skip("without root and tools the build says that first")
	}
	for _, v := range []string{"", "v1.2", "1.2-rc1", "2026/11"} {
		b := newBuild(t, "qemu-arm64")
		b.Version = v
		if err := b.prepare(); err == nil || !strings.Contains(err.Error(), "numbers and dots") {
			t.Errorf("%q: %v", v, err)
		}
	}
}

// A step that fails shows its command and the last of what it said, not all of it.
func TestFailureShowsTheLastLines(t *testing.T) {
	b := newBuild(t, "qemu-arm64")
	_, err := b.command(context.Background(), "sh", "-c", "seq 100; echo the reason >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "the reason") || strings.Contains(err.Error(), "\n    50\n") || !strings.Contains(err.Error(), "seq 100") {
		t.Error(err)
	}
	if _, err := b.command(context.Background(), "no-such-tool"); !errors.Is(err, os.ErrNotExist) && err == nil {
		t.Error(err)
	}
}

func TestEveryToolHasAPackage(t *testing.T) {
	for _, tool := range Tools() {
		if tool.Package == "" || tool.Program == "" {
			t.Errorf("%+v", tool)
		}
	}
}

func TestListsAreReadWithoutComments(t *testing.T) {
	for _, name := range []string{"packages", "modules"} {
		list, err := words(filepath.Join("..", "shared", name))
		if err != nil || len(list) < 10 {
			t.Fatal(list, err)
		}
		for _, w := range list {
			if strings.ContainsAny(w, "# \t") {
				t.Errorf("%s: %q", name, w)
			}
		}
	}
}
