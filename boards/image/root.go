package image

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// units are enabled in every image.
func units() []string {
	return []string{
		"systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service",
		"courtside-data.service", "courtside-setup.service", "courtside-gateway.service",
		"courtside-confirm.service", "courtside-reboot.path", "courtside-console.service",
	}
}

// masked are units of Debian's that an unattended, read-only system has no use for, or that would offer a login.
func masked() []string {
	return []string{
		"getty@.service", "serial-getty@.service", "console-getty.service", "container-getty@.service", "getty.target", "debug-shell.service",
		"e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "dpkg-db-backup.timer",
		"systemd-networkd-wait-online.service", "systemd-firstboot.service", "systemd-hibernate-clear.service", "systemd-pcrphase.service",
	}
}

// programs builds the gateway and gwctl for the board.
func (b *Build) programs(ctx context.Context) error {
	out := filepath.Join(b.Work, "programs")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+b.Version,
		"-o", out+"/", "./firmware/cmd/gateway", "./firmware/cmd/gwctl")
	cmd.Dir, cmd.Env = b.Repo, append(os.Environ(), b.Board.Go()...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, last(string(text), 15))
	}
	return nil
}

// assemble lays the system, the kernel and the programs over the root file system.
func (b *Build) assemble(ctx context.Context) error {
	root := b.root()
	for _, dir := range []string{"var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "var/log", "boot", "etc/apt", "etc/cron.d", "etc/cron.daily", "usr/share/doc-base"} {
		if err := empty(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	if err := b.installKernel(ctx); err != nil {
		return err
	}
	for _, tree := range []string{filepath.Join(b.Repo, "boards", "deb", "courtside-gateway", "root"), filepath.Join(b.shared(), "overlay")} {
		if err := b.overlay(tree); err != nil {
			return err
		}
	}
	for _, p := range []string{"gateway", "gwctl"} {
		if _, err := b.command(ctx, "install", "-m", "0755", filepath.Join(b.Work, "programs", p), filepath.Join(root, "usr", "bin", p)); err != nil {
			return err
		}
	}
	if err := b.identify(); err != nil {
		return err
	}
	if err := b.installKeys(); err != nil {
		return err
	}
	if _, err := b.command(ctx, "systemd-sysusers", "--root="+root); err != nil {
		return err
	}
	if _, err := b.command(ctx, "systemctl", append([]string{"--root=" + root, "--quiet", "enable"}, units()...)...); err != nil {
		return err
	}
	if _, err := b.command(ctx, "systemctl", append([]string{"--root=" + root, "--quiet", "mask"}, masked()...)...); err != nil {
		return err
	}
	if _, err := b.command(ctx, "systemctl", "--root="+root, "--quiet", "set-default", "multi-user.target"); err != nil {
		return err
	}
	return b.lock0(ctx)
}

// lock0 leaves no password that opens anything, and checks it.
func (b *Build) lock0(ctx context.Context) error {
	path := filepath.Join(b.root(), "etc", "shadow")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, ":")
		f[1] = "!*"
		out.WriteString(strings.Join(f, ":"))
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o640); err != nil {
		return err
	}
	_, err = b.command(ctx, "rm", "-f", path+"-", filepath.Join(b.root(), "etc", "passwd-"), filepath.Join(b.root(), "etc", "group-"), filepath.Join(b.root(), "etc", "gshadow-"))
	return err
}

// identify writes what the image is, and the places that are links to /data.
func (b *Build) identify() error {
	root := b.root()
	release := filepath.Join(root, "usr", "lib", "os-release")
	text, err := os.ReadFile(release)
	if err != nil {
		return err
	}
	text = fmt.Appendf(text, "IMAGE_ID=courtside-%s\nIMAGE_VERSION=%s\n", b.Board.ID, b.Version)
	facts := fmt.Sprintf("COURTSIDE_BOARD=%s\nCOURTSIDE_LED=%s\nCOURTSIDE_CONSOLE=%s\n", b.Board.ID, b.Board.LED, b.Board.Console)
	for path, s := range map[string]string{"usr/lib/os-release": string(text), "usr/lib/courtside/board.env": facts, "etc/hostname": "courtside\n", "etc/machine-id": "",
		"etc/hosts": "127.0.0.1 localhost\n::1 localhost\n"} {
		if err := replace(filepath.Join(root, path), []byte(s), 0o644); err != nil {
			return err
		}
	}
	for link, to := range map[string]string{
		"etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf",
		"etc/courtside":   "/data/etc/courtside",
		"etc/localtime":   "/usr/share/zoneinfo/Etc/UTC",
	} {
		p := filepath.Join(root, link)
		if err := os.RemoveAll(p); err != nil {
			return err
		}
		if err := os.Symlink(to, p); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(root, "data"), 0o755)
}

// overlay copies a tree of texts over the root, with @BOARD@ and @SIGNATURE@ filled in.
func (b *Build) overlay(tree string) error {
	fill := strings.NewReplacer("@BOARD@", b.Board.ID, "@SIGNATURE@", b.Board.Signature())
	return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return replace(filepath.Join(b.root(), name), []byte(fill.Replace(string(text))), mode)
	})
}

// empty removes what is in a folder, if it is there.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// slot makes the file system of a slot. U-Boot reads the kernel from it, so it has none of the features that U-Boot does not know; and it is
// never written, so it needs no journal.
func (b *Build) slot(ctx context.Context) error {
	root := b.root()
	if _, err := b.command(ctx, "find", root, "-exec", "touch", "-h", "-d", fmt.Sprintf("@%d", b.Epoch.Unix()), "{}", "+"); err != nil {
		return err
	}
	// As small as its content allows: an update writes and verifies every block of it.
	used, err := b.command(ctx, "du", "-sk", "--apparent-size", root)
	if err != nil {
		return err
	}
	blocks, err := b.command(ctx, "du", "-sk", root)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, s := range []string{used, blocks} {
		n, err := strconv.ParseInt(strings.Fields(s)[0], 10, 64)
		if err != nil {
			return fmt.Errorf("the size of %s: %w", root, err)
		}
		size = max(size, n<<10)
	}
	if size += size/16 + 16<<20; size > slotSize {
		return fmt.Errorf("the system has %d MB and a slot %d", size>>20, slotSize>>20)
	}
	const uuid = "636f7572-7473-4964-8520-000000000001"
	if _, err := b.command(ctx, "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal,^metadata_csum,^64bit,^orphan_file", "-m", "0",
		"-L", "courtside", "-U", uuid, "-E", "hash_seed="+uuid, "-d", root, b.slotFile(), fmt.Sprintf("%dM", size>>20)); err != nil {
		return err
	}
	_, err = b.command(ctx, "e2fsck", "-fn", b.slotFile())
	return err
}

func (b *Build) slotFile() string { return filepath.Join(b.Work, "rootfs.ext4") }
