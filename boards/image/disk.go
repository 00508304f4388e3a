package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/courtside-edge/courtside/boards/board"
)

// Sizes of the partitions, bytes. A slot has room to grow by half; /data grows at the first boot.
const (
	bootSize = 64 << 20
	slotSize = 448 << 20
	dataSize = 64 << 20
)

// boot makes the FAT partition with the boot script, and the factory's boot state.
func (b *Build) boot(ctx context.Context) error {
	dir := filepath.Join(b.Work, "boot")
	if err := os.MkdirAll(filepath.Join(dir, "courtside"), 0o755); err != nil {
		return err
	}
	script, err := b.script()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.Work, "boot.cmd"), []byte(script), 0o644); err != nil {
		return err
	}
	arch := map[string]string{"arm64": "arm64", "armhf": "arm"}[b.Board.Arch]
	if _, err := b.command(ctx, "mkimage", "-A", arch, "-T", "script", "-C", "none", "-n", "Courtside",
		"-d", filepath.Join(b.Work, "boot.cmd"), filepath.Join(dir, "boot.scr")); err != nil {
		return err
	}
	for _, f := range b.Board.Files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.As)), 0o755); err != nil {
			return err
		}
		if err := b.bootFile(ctx, f, filepath.Join(dir, f.As)); err != nil {
			return err
		}
	}
	if err := b.handOut(dir); err != nil {
		return err
	}
	// Slot B is empty: it has no attempts until an update filled it.
	state := "BOOT_ORDER=A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\nCOURTSIDE_GOOD=A\n"
	if err := os.WriteFile(filepath.Join(b.Work, "state.txt"), []byte(state), 0o644); err != nil {
		return err
	}
	if _, err := b.command(ctx, "mkenvimage", "-s", "512", "-o", filepath.Join(b.Work, "state.bin"), filepath.Join(b.Work, "state.txt")); err != nil {
		return err
	}
	return b.fat(ctx, dir)
}

// fat makes the FAT file system of what is in dir.
func (b *Build) fat(ctx context.Context, dir string) error {
	fat := filepath.Join(b.Work, "boot.vfat")
	if err := b.sparse(fat, bootSize); err != nil {
		return err
	}
	if _, err := b.command(ctx, "mkfs.vfat", "--invariant", "-F", "32", "-s", "1", "-n", "COURTSIDE", "-i", b.Board.Signature(), fat); err != nil {
		return err
	}
	if _, err := b.command(ctx, "find", dir, "-exec", "touch", "-d", fmt.Sprintf("@%d", b.Epoch.Unix()), "{}", "+"); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // in order of their names
		if _, err := b.command(ctx, "mcopy", "-s", "-m", "-i", fat, filepath.Join(dir, e.Name()), "::"); err != nil {
			return err
		}
	}
	return nil
}

// handOut copies what the integrator finds in the folder courtside.
func (b *Build) handOut(dir string) error {
	from := filepath.Join(b.shared(), "setup")
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		text = []byte(strings.NewReplacer("@BOARD@", b.Board.ID, "@NAME@", b.Board.Name, "@VERSION@", b.Version, "\r\n", "\r\n", "\n", "\r\n").Replace(string(text)))
		if err := os.WriteFile(filepath.Join(dir, "courtside", e.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// script is the boot script: the board's values, then what all boards share.
func (b *Build) script() (string, error) {
	shared, err := os.ReadFile(filepath.Join(b.shared(), "boot.cmd"))
	if err != nil {
		return "", err
	}
	var s strings.Builder
	set := func(name string, value any) { fmt.Fprintf(&s, "setenv %s %v\n", name, value) }
	k := b.Board.Kernel
	kind, number, _ := strings.Cut(b.Board.Storage, " ")
	set("storage_type", kind)
	set("storage_number", number)
	set("signature", b.Board.Signature())
	set("console", b.Board.Console)
	set("boot", k.Boot)
	set("addr_kernel", k.Addresses.Kernel)
	set("addr_initrd", k.Addresses.Initrd)
	set("addr_state", k.Addresses.State)
	if k.Addresses.DeviceTree != 0 {
		set("addr_device_tree", k.Addresses.DeviceTree)
	}
	return s.String() + strings.Replace(string(shared), "# @DEVICE_TREE@\n", b.deviceTreeCommands(), 1), nil
}

// deviceTreeCommands are U-Boot's commands that change the device tree before it is handed to the kernel.
func (b *Build) deviceTreeCommands() string {
	if len(b.Board.DeviceTree) == 0 {
		return ""
	}
	return "fdt addr ${addr_device_tree}\nfdt resize 4096\n" + strings.Join(b.Board.DeviceTree, "\n") + "\n"
}

// bootFile puts one file of the boot chain where it belongs.
func (b *Build) bootFile(ctx context.Context, f board.File, to string) error {
	var from string
	switch {
	case f.Text != "":
		return os.WriteFile(to, []byte(f.Text), 0o644)
	case f.Kernel != "":
		var err error
		if from, err = b.deviceTree(f.Kernel); err != nil {
			return err
		}
	default:
		from = filepath.Join(b.packages[f.Package], f.File)
	}
	_, err := b.command(ctx, "cp", from, to)
	return err
}

// disk puts everything together.
func (b *Build) disk(ctx context.Context) error {
	data := filepath.Join(b.Work, "data.ext4")
	const uuid = "636f7572-7473-4964-8520-000000000002"
	if err := b.sparse(data, dataSize); err != nil {
		return err
	}
	if _, err := b.command(ctx, "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-i", "16384", "-m", "1", "-L", "data", "-U", uuid, "-E", "hash_seed="+uuid, data); err != nil {
		return err
	}
	b.Result.Disk = filepath.Join(b.Work, "disk.img")
	parts := []struct {
		kind string
		size int64
		file string
	}{{"c, bootable", bootSize, "boot.vfat"}, {"83", slotSize, "rootfs.ext4"}, {"83", slotSize, ""}, {"83", dataSize, "data.ext4"}}
	table := "label: dos\nlabel-id: 0x" + b.Board.Signature() + "\nunit: sectors\n"
	at := int64(board.FirstPartition)
	offsets := make([]int64, len(parts))
	for i, p := range parts {
		offsets[i] = at
		table += fmt.Sprintf("start=%d, size=%d, type=%s\n", at/512, p.size/512, p.kind)
		at += p.size
	}
	if err := b.sparse(b.Result.Disk, at); err != nil {
		return err
	}
	if _, err := b.run(ctx, strings.NewReader(table), "", "sfdisk", "--quiet", b.Result.Disk); err != nil {
		return err
	}
	for i, p := range parts {
		if p.file == "" {
			continue
		}
		if err := b.place(filepath.Join(b.Work, p.file), offsets[i], p.size); err != nil {
			return err
		}
	}
	if err := b.place(filepath.Join(b.Work, "state.bin"), board.StateOffset, 512); err != nil {
		return err
	}
	return b.placeRaw()
}

// placeRaw puts the boot ROM's files where it looks for them; each ends before the next thing begins.
func (b *Build) placeRaw() error {
	for i, f := range b.Board.Raw {
		end := int64(board.StateOffset)
		if i+1 < len(b.Board.Raw) {
			end = int64(b.Board.Raw[i+1].At)
		}
		if err := b.place(filepath.Join(b.packages[f.Package], f.File), int64(f.At), end-int64(f.At)); err != nil {
			return err
		}
	}
	if b.Board.Firmware == nil {
		return nil
	}
	b.Result.Firmware = filepath.Join(b.Out, "u-boot.bin")
	return b.copyFile(filepath.Join(b.packages[b.Board.Firmware.Package], b.Board.Firmware.File), b.Result.Firmware)
}

// place writes a file into the disk, where there is room bytes. Zeros are written too: bmaptool leaves what was on the card where the image has a
// hole, and the journal of a former life would be replayed.
func (b *Build) place(path string, at, room int64) error {
	disk, err := os.OpenFile(b.Result.Disk, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer disk.Close()
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || info.Size() > room {
		return errors.Join(err, fmt.Errorf("%s does not fit into the %d bytes at %d", path, room, at))
	}
	block := make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(from, block)
		if n > 0 {
			if _, err := disk.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return disk.Close()
		}
		if err != nil {
			return err
		}
	}
}

// sparse makes a file of zeros that takes no room.
func (b *Build) sparse(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// compress makes what is downloaded and flashed: the disk, its block map, the checksums.
func (b *Build) compress(ctx context.Context) error {
	b.Result.Image = b.name(".img.zst")
	if _, err := b.command(ctx, "bmaptool", "-q", "create", "-o", b.name(".img.bmap"), b.Result.Disk); err != nil {
		return err
	}
	if _, err := b.command(ctx, "zstd", "-q", "-f", "-T0", "-10", "--sparse", b.Result.Disk, "-o", b.Result.Image); err != nil {
		return err
	}
	files, err := filepath.Glob(b.name(".*"))
	if err != nil {
		return err
	}
	args := []string{"--"}
	for _, f := range files {
		args = append(args, filepath.Base(f))
	}
	sums, err := b.in(ctx, b.Out, "sha256sum", args...)
	if err != nil {
		return err
	}
	return replace(filepath.Join(b.Out, "SHA256SUMS"), []byte(sums), 0o644)
}
