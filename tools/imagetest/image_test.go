//go:build image

package imagetest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/boards/board"
	"github.com/courtside-edge/courtside/boards/image"
)

var (
	boardName = flag.String("board", "qemu-arm64", "the image to test")
	logDir    = flag.String("logs", "../../tmp/imagetest", "where consoles are kept")
	cuts      = flag.Int("cuts", 20, "how often the power is cut")
	long      = flag.Bool("long", false, "every way of falling back, and twenty power cuts")
)

const repo = "../.."

// built is an image as make image left it.
type built struct {
	board, version string
	disk, firmware string
	slot           string // ext4
	bundle         string
	keys           string
	out            string
}

func open(t *testing.T, name string) *built {
	t.Helper()
	if err := os.MkdirAll(*logDir, 0o755); err != nil {
		t.Fatal(err)
	}
	work, out := filepath.Join(repo, "tmp", "images", name), filepath.Join(repo, "bin", "images", name)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	i := &built{board: name, disk: filepath.Join(work, "disk.img"), firmware: filepath.Join(out, "u-boot.bin"), slot: filepath.Join(work, "rootfs.ext4"), keys: filepath.Join(cache, "courtside", "keys"), out: out}
	bundles, err := filepath.Glob(filepath.Join(out, "*.raucb"))
	if err != nil || len(bundles) != 1 {
		t.Fatalf("%s holds %d bundles, not one: make image BOARD=%s first (%v)", out, len(bundles), name, err)
	}
	i.bundle = bundles[0]
	i.version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(i.bundle), "courtside-"+name+"-"), ".raucb")
	return i
}

// change is what a bundle differs in from the image.
type change struct {
	version    string            // of os-release and manifest
	compatible string            // "" for the image's board
	files      map[string]string // path in the slot → text
	modes      map[string]uint32 // of those that are not 0644
	keys       string            // "" for the image's
	corrupt    bool              // a few bytes of the payload are flipped afterwards
}

// slotB is where slot B begins on a disk, bytes: behind the boot partition and slot A.
const slotB = board.FirstPartition + 64<<20 + 448<<20

// slotOf makes the image's slot with a change.
func (i *built) slotOf(t *testing.T, c change) string {
	t.Helper()
	work := t.TempDir()
	slot := filepath.Join(work, "rootfs.ext4")
	tool(t, "cp", "--sparse=always", i.slot, slot)
	release := strings.ReplaceAll(tool(t, "debugfs", "-R", "cat /usr/lib/os-release", slot), "IMAGE_VERSION="+i.version, "IMAGE_VERSION="+c.version)
	if _, text, ok := strings.Cut(release, "PRETTY_NAME"); ok {
		release = "PRETTY_NAME" + text // debugfs says its own version first
	}
	files := map[string]string{"/usr/lib/os-release": release}
	maps.Copy(files, c.files)
	n := 0
	for path, text := range files {
		n++
		from := filepath.Join(work, fmt.Sprint("file", n))
		if err := os.WriteFile(from, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		mode := uint32(0o100644)
		if m, ok := c.modes[path]; ok {
			mode = 0o100000 | m
		}
		script := filepath.Join(work, fmt.Sprint("script", n))
		if err := os.WriteFile(script, fmt.Appendf(nil, "rm %[2]s\nwrite %[1]s %[2]s\nset_inode_field %[2]s mode 0%[3]o\nset_inode_field %[2]s uid 0\nset_inode_field %[2]s gid 0\n", from, path, mode), 0o644); err != nil {
			t.Fatal(err)
		}
		tool(t, "debugfs", "-w", "-f", script, slot)
	}
	if got := tool(t, "debugfs", "-R", "cat /usr/lib/os-release", slot); !strings.Contains(got, "IMAGE_VERSION="+c.version) {
		t.Fatalf("the slot does not hold version %s:\n%s", c.version, got)
	}
	return slot
}

// make builds a bundle of the image with a change.
func (i *built) make(t *testing.T, dir, name string, c change) string {
	t.Helper()
	slot := i.slotOf(t, c)
	compatible, keys := c.compatible, c.keys
	if compatible == "" {
		compatible = "courtside-" + i.board
	}
	if keys == "" {
		keys = i.keys
	}
	out := filepath.Join(dir, name+".raucb")
	if err := image.Bundle(t.Context(), image.BundleOptions{Slot: slot, Compatible: compatible, Version: c.version, Keys: keys, Out: out, Work: filepath.Join(filepath.Dir(slot), "bundle"), Epoch: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	if c.corrupt {
		flip(t, out)
	}
	return out
}

// flip damages the middle of a bundle's payload.
func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for at := info.Size() / 4; at < info.Size()/4*3; at += 1 << 20 {
		b := make([]byte, 4)
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		for k := range b {
			b[k] ^= 0xff
		}
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
}

// later returns the image's version, n days on.
func (i *built) later(n int) string {
	day, rest, _ := strings.Cut(i.version, ".")
	at, err := time.Parse("20060102", day)
	if err != nil {
		return i.version + "." + fmt.Sprint(n)
	}
	return at.AddDate(0, 0, n).Format("20060102") + "." + rest
}

// put writes a file into the folder courtside of the setup partition, as a laptop would.
func put(t *testing.T, disk, name, text string) {
	t.Helper()
	from := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(from, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "mcopy", "-o", "-i", fmt.Sprintf("%s@@%d", disk, board.FirstPartition), from, "::courtside/"+name)
}

// get reads a file of the folder courtside.
func get(t *testing.T, disk, name string) string {
	t.Helper()
	return tool(t, "mtype", "-i", fmt.Sprintf("%s@@%d", disk, board.FirstPartition), "::courtside/"+name)
}

// listing lists the folder courtside.
func listing(t *testing.T, disk string) string {
	t.Helper()
	return tool(t, "mdir", "-b", "-i", fmt.Sprintf("%s@@%d", disk, board.FirstPartition), "::courtside")
}
