// Package board reads what differs from one board to the next: a folder's board.yaml. What boards share stands in boards/shared.
package board

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/courtside-edge/courtside/sync/settings"
)

// Board is one board, checked.
type Board struct {
	ID   string `yaml:"-"` // the folder's name
	Name string `yaml:"name,required"`
	SoC  string `yaml:"soc,required"`
	// Arch is Debian's name of the architecture.
	Arch     string `yaml:"arch,required" enum:"arm64,armhf"`
	Kernel   Kernel `yaml:"kernel,required"`
	Storage  string `yaml:"storage,required"` // U-Boot's name of the disk: "mmc 0"
	Console  string `yaml:"console,required"` // tty below /dev
	Watchdog Module `yaml:"watchdog"`
	LED      string `yaml:"led"` // below /sys/class/leds; empty for none
	// Serial, GPIO, I2C and SPI name what drivers may use, for people: the system gives all of them to the gateway.
	Serial []string `yaml:"serial"`
	GPIO   []string `yaml:"gpio"`
	I2C    []string `yaml:"i2c"`
	SPI    []string `yaml:"spi"`
	// DeviceTree are commands of U-Boot that change the firmware's device tree, such as an alias.
	DeviceTree []string `yaml:"device_tree"`
	// Files stand on the FAT partition, Raw ones before the first partition.
	Files []File `yaml:"files"`
	Raw   []File `yaml:"raw"`
	// Firmware is what starts the machine and stands on no disk of it, as in QEMU.
	Firmware *File `yaml:"firmware"`
}

// Kernel is what boots, and how.
type Kernel struct {
	Package   string    `yaml:"package,required"` // of Debian; one that only depends on the newest is followed
	Boot      string    `yaml:"boot,required" enum:"booti,bootz"`
	Addresses Addresses `yaml:"addresses,required"`
	// DeviceTrees are taken into the slot, beside the kernel, for U-Boot to choose from; empty where the firmware brings one.
	DeviceTrees []string `yaml:"device_trees"`
	Modules     []string `yaml:"modules"` // of the initrd, on top of the file system's
}

// Addresses are where U-Boot puts things in memory, bytes.
type Addresses struct {
	Kernel     Address `yaml:"kernel,required"`
	Initrd     Address `yaml:"initrd,required"`
	State      Address `yaml:"state,required"` // 512 bytes
	DeviceTree Address `yaml:"device_tree"`    // 0 for the firmware's own
}

// Address is written in hexadecimal.
type Address uint64

// UnmarshalText reads 0x….
func (a *Address) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), "0x")
	n, err := strconv.ParseUint(digits, 16, 40)
	if !ok || err != nil {
		return fmt.Errorf("%q is no address such as 0x48000000", text)
	}
	*a = Address(n)
	return nil
}

// String writes 0x….
func (a Address) String() string { return fmt.Sprintf("%#x", uint64(a)) }

// Module is a kernel module with its options.
type Module struct {
	Module  string `yaml:"module"`
	Options string `yaml:"options"`
}

// File is one file of the boot chain: of a Debian package, of the kernel's package (device trees), or a text.
type File struct {
	Package string        `yaml:"package"`
	File    string        `yaml:"file"`
	Kernel  string        `yaml:"kernel"`
	Text    string        `yaml:"text"`
	As      string        `yaml:"as"` // its name on the FAT partition
	At      settings.Size `yaml:"at"` // where it stands on the disk
}

// FirstPartition is where partitions begin; raw files and the boot state lie before it.
const FirstPartition = 4 << 20

// StateOffset is where the boot state lies, one sector.
const StateOffset = 2 << 20

// Load reads the board of a folder's board.yaml.
func Load(dir string) (Board, error) {
	b := Board{ID: filepath.Base(dir)}
	root, err := settings.Load(filepath.Join(dir, "board.yaml"), settings.Limits{})
	if err != nil {
		return b, err
	}
	if err := root.Decode(&b); err != nil {
		return b, err
	}
	return b, b.check(root)
}

func (b *Board) check(s *settings.Section) error {
	if t, n, _ := strings.Cut(b.Storage, " "); !slices.Contains([]string{"mmc", "virtio", "usb", "nvme"}, t) || n == "" {
		return s.Fault("storage", "%q is no disk of U-Boot, such as \"mmc 0\"", b.Storage)
	}
	for i, f := range b.Files {
		key := fmt.Sprintf("files.%d", i)
		from := 0
		for _, given := range []bool{f.Package != "" && f.File != "", f.Kernel != "", f.Text != ""} {
			if given {
				from++
			}
		}
		if from != 1 || f.As == "" || f.At != 0 {
			return s.Fault(key, "a file of the FAT partition needs as:, and one of package: with file:, kernel: and text:")
		}
	}
	for i, f := range b.Raw {
		if f.Package == "" || f.File == "" || f.At < 512 || f.At%512 != 0 || f.At >= StateOffset {
			return s.Fault(fmt.Sprintf("raw.%d", i), "a raw file needs package:, file: and at:, whole sectors behind the first and before the boot state at 2MiB")
		}
	}
	return nil
}

// All loads every board below boards, by name.
func All(boards string) ([]Board, error) {
	files, err := filepath.Glob(filepath.Join(boards, "*", "board.yaml"))
	if err != nil {
		return nil, err
	}
	var all []Board
	for _, f := range files {
		b, err := Load(filepath.Dir(f))
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no board below %s: %w", boards, os.ErrNotExist)
	}
	return all, nil
}

// Go returns the environment that Go builds the board's programs with.
func (b Board) Go() []string {
	if b.Arch == "armhf" {
		return []string{"GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0"}
	}
	return []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"}
}

// Signature is the signature of the board's disks, eight hexadecimal digits; the PARTUUIDs begin with it. Each board has its own, so that
// the card of one in the reader of another is not taken for its own.
func (b Board) Signature() string {
	h := uint32(2166136261) // FNV-1a
	for _, c := range []byte("courtside " + b.ID) {
		h = (h ^ uint32(c)) * 16777619
	}
	return fmt.Sprintf("%08x", h)
}

// Packages are Debian's packages that the boot chain takes files from, besides the kernel's.
func (b Board) Packages() []string {
	var all []string
	files := slices.Concat(b.Files, b.Raw)
	if b.Firmware != nil {
		files = append(files, *b.Firmware)
	}
	for _, f := range files {
		if f.Package != "" && !slices.Contains(all, f.Package) {
			all = append(all, f.Package)
		}
	}
	return all
}
