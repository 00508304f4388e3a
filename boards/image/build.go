package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/boards/board"
)

// Options say what to build, and where.
type Options struct {
	Board board.Board
	Repo  string // the repository's root
	Out   string // where the results stand
	Cache string // what later builds use again
	Work  string // what is being made; kept for a look when a step fails
	Keys  string // folder with keyring.pem, sign.crt and sign.key; empty for keys of development in the cache

	Version string    // of the image: numbers and dots
	Epoch   time.Time // the date of everything
	Mirror  string    // Debian's archive; empty for deb.debian.org
	// StaleArchive takes an archive whose index is past its date, where a mirror has nothing newer.
	StaleArchive bool
	Log          io.Writer
}

// Build is one build.
type Build struct {
	Options
	archive  *archive
	kernel   kernel
	packages map[string]string // Debian package → folder with its files
	Result   Result
}

// Result is what a build leaves in Options.Out.
type Result struct {
	Disk     string // sparse, ready for QEMU; in Options.Work
	Image    string // compressed
	Bundle   string
	Firmware string // for -bios; empty for boards that have their own
	Keys     string // what the bundle was signed with
}

type step struct {
	name string
	do   func(context.Context) error
}

// Run builds.
func (b *Build) Run(ctx context.Context) error {
	if err := b.prepare(); err != nil {
		return err
	}
	lock, err := b.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	begin := time.Now()
	for _, s := range []step{
		{"archive: index of Debian " + suite + ", " + b.Board.Arch, b.index},
		{"root file system: Debian's packages", b.rootfs},
		{"packages: kernel and boot chain", b.fetch},
		{"programs: gateway and gwctl for " + b.Board.Arch, b.programs},
		{"root: system, kernel and programs", b.assemble},
		{"initrd", b.initrd},
		{"slot: ext4", b.slot},
		{"boot: partition and state", b.boot},
		{"disk", b.disk},
		{"bundle: signed", b.bundle},
		{"bill of materials", b.bill},
		{"compress", b.compress},
	} {
		fmt.Fprintf(b.Log, "image %s: %-46s", b.Board.ID, s.name)
		at := time.Now()
		if err := s.do(ctx); err != nil {
			fmt.Fprintln(b.Log, " failed")
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(b.Log, " %5.1f s\n", time.Since(at).Seconds())
	}
	fmt.Fprintf(b.Log, "image %s: done in %.0f s\n", b.Board.ID, time.Since(begin).Seconds())
	return b.tell()
}

func (b *Build) prepare() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("an image holds files of many owners, which root alone can make: sudo make image BOARD=%s, or in a container", b.Board.ID)
	}
	if err := Missing(); err != nil {
		return err
	}
	if strings.Trim(b.Version, "0123456789.") != "" || b.Version == "" {
		return fmt.Errorf("the image's version %q is not made of numbers and dots, by which updates are ordered", b.Version)
	}
	if b.Mirror == "" {
		b.Mirror = "http://deb.debian.org"
	}
	if err := os.RemoveAll(b.Work); err != nil {
		return err
	}
	for _, dir := range []string{b.Out, b.Cache, b.Work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// Results of other versions would be taken for this one's.
	old, err := filepath.Glob(filepath.Join(b.Out, "courtside-"+b.Board.ID+"-*"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps two builds from one cache.
func (b *Build) lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(b.Cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("waiting for the build that uses %s: %w", b.Cache, err)
	}
	return f, nil
}

// name returns the name of a result.
func (b *Build) name(suffix string) string {
	return filepath.Join(b.Out, "courtside-"+b.Board.ID+"-"+b.Version+suffix)
}

func (b *Build) root() string   { return filepath.Join(b.Work, "root") }
func (b *Build) shared() string { return filepath.Join(b.Repo, "boards", "shared") }

// tell lists the results with their sizes.
func (b *Build) tell() error {
	files, err := filepath.Glob(b.name(".*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.Log, "  %7.1f MB  %s\n", float64(info.Size())/1e6, f)
	}
	return nil
}
