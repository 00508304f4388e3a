//go:build image

package imagetest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/boards/board"
)

// TestDisk checks a disk file by file against what the boot ROM, U-Boot and the kernel need. For boards that cannot be booted here it is all
// that is proven.
func TestDisk(t *testing.T) {
	i := open(t, *boardName)
	b, err := board.Load(filepath.Join(repo, "boards", *boardName))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := os.Open(i.disk)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	d := &disk0{t: t, i: i, b: b, f: disk, dir: t.TempDir()}
	t.Run("partitions", d.partitions)
	t.Run("state", d.state)
	t.Run("boot partition", d.bootPartition)
	t.Run("slot", d.slot)
	t.Run("memory", d.memory)
	t.Run("ROM", d.rom)
	t.Run("no way in", d.locked)
	t.Run("bill of materials", d.bill)
}

type disk0 struct {
	t   *testing.T
	i   *built
	b   board.Board
	f   *os.File
	dir string
}

func (d *disk0) at(t *testing.T, offset int64, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := d.f.ReadAt(b, offset); err != nil {
		t.Fatal(err)
	}
	return b
}

// file reads a file of the slot.
func (d *disk0) file(t *testing.T, path string) []byte {
	t.Helper()
	to := filepath.Join(d.dir, filepath.Base(path))
	tool(t, "debugfs", "-R", fmt.Sprintf("dump %s %s", path, to), d.i.slot)
	text, err := os.ReadFile(to)
	if err != nil || len(text) == 0 {
		t.Fatalf("the slot has no %s: %v", path, err)
	}
	return text
}

// onFAT reads a file of the boot partition.
func (d *disk0) onFAT(t *testing.T, name string) []byte {
	t.Helper()
	to := filepath.Join(d.dir, "fat-"+filepath.Base(name))
	tool(t, "mcopy", "-n", "-o", "-i", fmt.Sprintf("%s@@%d", d.i.disk, board.FirstPartition), "::"+name, to)
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (d *disk0) partitions(t *testing.T) {
	mbr := d.at(t, 0, 512)
	if mbr[510] != 0x55 || mbr[511] != 0xaa {
		t.Fatal("no MBR")
	}
	if got := fmt.Sprintf("%08x", binary.LittleEndian.Uint32(mbr[440:])); got != d.b.Signature() {
		t.Errorf("the disk's signature is %s; PARTUUIDs begin with %s", got, d.b.Signature())
	}
	end := uint32(board.FirstPartition / 512)
	for n, kind := range []byte{0x0c, 0x83, 0x83, 0x83} {
		e := mbr[446+16*n:]
		start, size := binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])
		if e[4] != kind || start != end || size == 0 {
			t.Errorf("partition %d is of type %#x at %d, %d sectors; %#x at %d is wanted", n+1, e[4], start, size, kind, end)
		}
		end = start + size
	}
	if mbr[446] != 0x80 {
		t.Error("partition 1 is not marked as the one to boot from")
	}
}

// state checks the boot state as U-Boot reads it: CRC32, then name=value, each ended by a zero.
func (d *disk0) state(t *testing.T) {
	sector := d.at(t, board.StateOffset, 512)
	if binary.LittleEndian.Uint32(sector) != crc32.ChecksumIEEE(sector[4:]) {
		t.Error("the boot state's checksum is wrong: U-Boot would start with both slots")
	}
	for _, want := range []string{"BOOT_ORDER=A", "BOOT_A_LEFT=3", "BOOT_B_LEFT=0", "COURTSIDE_GOOD=A"} {
		if !slices.Contains(strings.Split(string(sector[4:]), "\x00"), want) {
			t.Errorf("the boot state does not say %s", want)
		}
	}
}

func (d *disk0) bootPartition(t *testing.T) {
	script := d.onFAT(t, "boot.scr")
	if binary.BigEndian.Uint32(script) != 0x27051956 || script[30] != 6 {
		t.Error("boot.scr is no script of U-Boot's")
	}
	if !bytes.Contains(script, []byte("setenv signature "+d.b.Signature())) {
		t.Error("boot.scr names another disk")
	}
	if !bytes.Contains(d.onFAT(t, "courtside/README.txt"), []byte(d.b.Name)) {
		t.Error("the folder's README does not name the board")
	}
	for _, f := range d.b.Files {
		text := d.onFAT(t, f.As)
		switch {
		case strings.HasSuffix(f.As, ".dtb"), strings.HasSuffix(f.As, ".dtbo"):
			deviceTree(t, f.As, text)
		case strings.HasSuffix(f.As, ".elf"):
			if !bytes.HasPrefix(text, []byte("\x7fELF")) {
				t.Errorf("%s is no ELF file", f.As)
			}
		case f.As == "config.txt":
			for _, want := range []string{"arm_64bit=1", "enable_uart=1", "kernel=u-boot.bin"} {
				if !strings.Contains(string(text), want) {
					t.Errorf("config.txt does not say %s", want)
				}
			}
		case len(text) < 3000:
			t.Errorf("%s has %d bytes", f.As, len(text))
		}
	}
}

func deviceTree(t *testing.T, name string, text []byte) {
	t.Helper()
	if len(text) < 8 || binary.BigEndian.Uint32(text) != 0xd00dfeed || int(binary.BigEndian.Uint32(text[4:])) != len(text) {
		t.Errorf("%s is no whole device tree", name)
	}
}

func (d *disk0) slot(t *testing.T) {
	kernel := d.file(t, "/boot/vmlinuz")
	switch d.b.Kernel.Boot {
	case "booti": // Documentation/arch/arm64/booting.rst
		if string(kernel[56:60]) != "ARM\x64" {
			t.Error("the kernel is no raw Image of arm64, which booti wants")
		}
	case "bootz":
		if binary.LittleEndian.Uint32(kernel[0x24:]) != 0x016f2818 {
			t.Error("the kernel is no zImage, which bootz wants")
		}
	}
	initrd := d.file(t, "/boot/initrd.img")
	if binary.LittleEndian.Uint32(initrd) != 0xfd2fb528 {
		t.Error("the initrd is not compressed with zstd")
	}
	names := tool(t, "sh", "-c", "zstd -dc "+filepath.Join(d.dir, "initrd.img")+" | cpio -t --quiet")
	for _, m := range append([]string{"ext4"}, d.b.Kernel.Modules...) {
		if !strings.Contains(names, "modules/"+m+".ko") && !strings.Contains(names, "modules/"+strings.ReplaceAll(m, "_", "-")+".ko") && !d.builtin(t, m) {
			t.Errorf("the initrd has no module %s:\n%s", m, names)
		}
	}
	d.supplies(t, names)
	for _, tree := range d.b.Kernel.DeviceTrees {
		deviceTree(t, tree, d.file(t, "/boot/dtb/"+tree))
	}
	features := tool(t, "dumpe2fs", "-h", d.i.slot)
	for _, bad := range []string{"has_journal", "metadata_csum", "64bit", "orphan_file"} {
		if line := features[strings.Index(features, "Filesystem features"):]; strings.Contains(line[:strings.Index(line, "\n")], bad) {
			t.Errorf("the slot has the feature %s, which U-Boot does not read", bad)
		}
	}
}

// supplies checks that the regulators which feed a card have their drivers in the initrd: a controller waits for them for ever.
func (d *disk0) supplies(t *testing.T, initrd string) {
	t.Helper()
	for _, f := range d.b.Files {
		if !strings.HasSuffix(f.As, ".dtb") {
			continue
		}
		tree := tool(t, "dtc", "-q", "-I", "dtb", "-O", "dts", filepath.Join(d.dir, "fat-"+f.As))
		for kind, module := range map[string]string{"regulator-fixed": "fixed", "regulator-gpio": "gpio_regulator"} {
			if strings.Contains(tree, `"`+kind+`"`) && strings.Contains(tree, "vmmc-supply") && !strings.Contains(initrd, "modules/"+module+".ko") &&
				!strings.Contains(initrd, "modules/"+strings.ReplaceAll(module, "_", "-")+".ko") && !d.builtin(t, module) {
				t.Errorf("%s has a %s, and the initrd no %s", f.As, kind, module)
			}
		}
	}
}

// builtin says whether a module is part of the kernel.
func (d *disk0) builtin(t *testing.T, name string) bool {
	t.Helper()
	for line := range strings.FieldsSeq(tool(t, "debugfs", "-R", "ls -p /usr/lib/modules", d.i.slot)) {
		if f := strings.Split(line, "/"); len(f) > 5 && strings.Contains(f[5], "deb13") {
			list := string(d.file(t, "/usr/lib/modules/"+f[5]+"/modules.builtin"))
			return strings.Contains(strings.ReplaceAll(list, "-", "_"), "/"+name+".ko")
		}
	}
	return false
}

// memory checks that nothing that U-Boot loads lies over anything else.
func (d *disk0) memory(t *testing.T) {
	kernel, initrd := d.file(t, "/boot/vmlinuz"), d.file(t, "/boot/initrd.img")
	size := uint64(len(kernel))
	if d.b.Kernel.Boot == "booti" {
		size = max(size, binary.LittleEndian.Uint64(kernel[16:])) // image_size, with what the kernel zeroes
	}
	a := d.b.Kernel.Addresses
	type area struct {
		name     string
		from, to uint64
	}
	areas := []area{{"kernel", uint64(a.Kernel), uint64(a.Kernel) + size}, {"initrd", uint64(a.Initrd), uint64(a.Initrd) + uint64(len(initrd))}, {"state", uint64(a.State), uint64(a.State) + 512}}
	if a.DeviceTree != 0 {
		areas = append(areas, area{"device tree", uint64(a.DeviceTree), uint64(a.DeviceTree) + 512<<10})
	}
	if d.b.SoC == "BCM2711" {
		// Where Debian's U-Boot runs from and reads the script to, and what the firmware puts below 1 GiB.
		areas = append(areas, area{"U-Boot and its script", 0, 0x02800000})
	}
	slices.SortFunc(areas, func(x, y area) int { return int(int64(x.from) - int64(y.from)) })
	for n := 1; n < len(areas); n++ {
		if areas[n-1].to > areas[n].from {
			t.Errorf("%s (to %#x) reaches into %s (from %#x)", areas[n-1].name, areas[n-1].to, areas[n].name, areas[n].from)
		}
	}
	if base := areas[0].from &^ (1<<28 - 1); areas[len(areas)-1].to-base > 480<<20 {
		t.Errorf("what is loaded ends at %#x; the smallest board has 512 MB", areas[len(areas)-1].to)
	}
}

// rom checks what lies outside partitions. The AM335x ROM looks for a table of contents at 0, 128, 256 and 384 KiB: an image that is to be found
// raw begins with CHSETTINGS (AM335x TRM, SPRUH73, 26.1.8.5).
func (d *disk0) rom(t *testing.T) {
	for _, f := range d.b.Raw {
		head := d.at(t, int64(f.At), 512)
		switch filepath.Base(f.File) {
		case "MLO":
			if !bytes.Contains(head[:64], []byte("CHSETTINGS")) || f.At%(128<<10) != 0 {
				t.Errorf("MLO at %d has no table of contents, which the ROM looks for", f.At)
			}
		case "u-boot.img":
			if m := binary.BigEndian.Uint32(head); m != 0x27051956 && m != 0xd00dfeed || f.At != 0x300*512 {
				t.Errorf("u-boot.img at %d is no image that MLO finds at sector 0x300", f.At)
			}
		}
	}
	if d.b.SoC == "AM3358" && len(d.b.Raw) != 2 {
		t.Error("the AM335x needs MLO and u-boot.img")
	}
	if d.b.SoC == "BCM2711" {
		// The EEPROM of the BCM2711 reads start4.elf and fixup4.dat of the first FAT partition, and the device tree by the board's name.
		for _, want := range []string{"start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb", "bcm2711-rpi-cm4-io.dtb", "u-boot.bin", "config.txt"} {
			if len(d.onFAT(t, want)) == 0 {
				t.Errorf("%s is empty", want)
			}
		}
	}
}

// locked checks that no password opens anything, and that no login or remote shell is there.
func (d *disk0) locked(t *testing.T) {
	for line := range strings.Lines(string(d.file(t, "/etc/shadow"))) {
		if f := strings.Split(line, ":"); !strings.HasPrefix(f[1], "!") {
			t.Errorf("%s has a password", f[0])
		}
	}
	units := tool(t, "debugfs", "-R", "ls -p /etc/systemd/system/multi-user.target.wants", d.i.slot) + tool(t, "debugfs", "-R", "ls -p /etc/systemd/system", d.i.slot)
	for _, bad := range []string{"ssh", "telnet"} {
		if strings.Contains(units, bad) {
			t.Errorf("a unit of %s is enabled:\n%s", bad, units)
		}
	}
	for _, masked := range []string{"serial-getty@.service", "getty@.service", "debug-shell.service"} {
		if link := tool(t, "debugfs", "-R", "stat /etc/systemd/system/"+masked, d.i.slot); !strings.Contains(link, "/dev/null") {
			t.Errorf("%s is not masked", masked)
		}
	}
}

func (d *disk0) bill(t *testing.T) {
	text, err := os.ReadFile(strings.TrimSuffix(d.i.bundle, ".raucb") + ".spdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Version  string `json:"spdxVersion"`
		Packages []struct{ Name, VersionInfo string }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, p := range doc.Packages {
		have[p.Name] = true
	}
	for _, want := range []string{"systemd", "rauc", "github.com/goburrow/modbus", "std"} {
		if !have[want] {
			t.Errorf("the bill of materials has no %s", want)
		}
	}
	info, err := os.Stat(strings.TrimSuffix(d.i.bundle, ".raucb") + ".img.zst")
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("the image has %.1f MB", float64(info.Size())/1e6); info.Size() > 150e6 {
		t.Errorf("the image has %.1f MB; 150 are the limit", float64(info.Size())/1e6)
	}
	tool(t, "sh", "-c", "cd "+d.i.out+" && sha256sum --check --quiet SHA256SUMS")
}
