package image

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kernel is an unpacked kernel package. It is never installed: that would pull Debian's own initrd in, and make it under qemu.
type kernel struct {
	dir     string
	release string // as in uname -r
}

// fetch gets the packages of kernel and boot chain.
func (b *Build) fetch(ctx context.Context) error {
	name := b.Board.Kernel.Package
	for {
		next, err := b.archive.depends(ctx, name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(next, func(p string) bool { return strings.HasPrefix(p, "linux-image-") })
		if i < 0 {
			break
		}
		name = next[i]
	}
	var err error
	if b.kernel.dir, err = b.archive.unpack(ctx, name); err != nil {
		return err
	}
	b.kernel.release = strings.TrimPrefix(name, "linux-image-")
	if _, err := os.Stat(filepath.Join(b.kernel.dir, "boot", "vmlinuz-"+b.kernel.release)); err != nil {
		return fmt.Errorf("%s holds no kernel of its own name: %w", name, err)
	}
	b.packages = map[string]string{}
	for _, p := range append(b.Board.Packages(), "busybox-static") {
		if b.packages[p], err = b.archive.unpack(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// installKernel copies the kernel, the modules that stay and the device trees into the root.
func (b *Build) installKernel(ctx context.Context) error {
	boot := filepath.Join(b.root(), "boot")
	if err := os.MkdirAll(filepath.Join(boot, "dtb"), 0o755); err != nil {
		return err
	}
	if _, err := b.command(ctx, "cp", filepath.Join(b.kernel.dir, "boot", "vmlinuz-"+b.kernel.release), filepath.Join(boot, "vmlinuz")); err != nil {
		return err
	}
	for _, d := range b.Board.Kernel.DeviceTrees {
		from, err := b.deviceTree(d)
		if err != nil {
			return err
		}
		if _, err := b.command(ctx, "cp", from, filepath.Join(boot, "dtb", filepath.Base(d))); err != nil {
			return err
		}
	}
	keep, err := words(filepath.Join(b.shared(), "modules"))
	if err != nil {
		return err
	}
	from := filepath.Join(b.kernel.dir, "usr", "lib", "modules", b.kernel.release)
	to := filepath.Join(b.root(), "usr", "lib", "modules", b.kernel.release)
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(name, "modules.") && !kept(name, keep) {
			return nil
		}
		return b.copyFile(path, filepath.Join(to, name))
	})
	if err != nil {
		return err
	}
	_, err = b.command(ctx, "depmod", "-b", filepath.Join(b.root(), "usr"), b.kernel.release)
	return err
}

// kept says whether a module, named below its release's folder, is on the list.
func kept(name string, list []string) bool {
	name = strings.TrimPrefix(name, "kernel/")
	for _, k := range list {
		if name == k || strings.HasPrefix(name, k+"/") || strings.HasPrefix(name, k+".") {
			return true
		}
	}
	return false
}

// deviceTree returns the path of a device tree of the kernel's package.
func (b *Build) deviceTree(name string) (string, error) {
	for _, sub := range []string{"", "ti/omap", "broadcom"} {
		p := filepath.Join(b.kernel.dir, "usr", "lib", "linux-image-"+b.kernel.release, sub, name)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s has no device tree %s", filepath.Base(b.kernel.dir), name)
}

func (b *Build) copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// initrd makes the initrd: a static busybox, the modules that lead to the root, and boards/shared/init.
func (b *Build) initrd(ctx context.Context) error {
	dir := filepath.Join(b.Work, "initrd")
	mods := filepath.Join(dir, "modules")
	for _, d := range []string{mods, filepath.Join(dir, "bin")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if _, err := b.command(ctx, "cp", filepath.Join(b.packages["busybox-static"], "usr", "bin", "busybox"), filepath.Join(dir, "bin", "busybox")); err != nil {
		return err
	}
	if _, err := b.command(ctx, "cp", filepath.Join(b.shared(), "init"), filepath.Join(dir, "init")); err != nil {
		return err
	}
	if err := b.initrdModules(ctx, mods, "order", append([]string{"ext4"}, b.Board.Kernel.Modules...)); err != nil {
		return err
	}
	w := b.Board.Watchdog
	var watchdog []string
	if w.Module != "" {
		watchdog = []string{w.Module}
	}
	if err := b.initrdModules(ctx, mods, "order.watchdog", watchdog); err != nil {
		return err
	}
	facts := fmt.Sprintf("module=%q\noptions=%q\n", w.Module, w.Options)
	if err := os.WriteFile(filepath.Join(mods, "watchdog"), []byte(facts), 0o644); err != nil {
		return err
	}
	_, err := b.in(ctx, dir, "sh", "-c", fmt.Sprintf("find . -exec touch -h -d @%d {} + && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0 | zstd -q -19 > %s",
		b.Epoch.Unix(), filepath.Join(b.root(), "boot", "initrd.img")))
	return err
}

// initrdModules copies modules with what they depend on, uncompressed, and writes the order to load them in. Those that are built in need nothing.
func (b *Build) initrdModules(ctx context.Context, dir, order string, names []string) error {
	var list []string
	for _, m := range names {
		out, err := b.command(ctx, "modprobe", "-d", filepath.Join(b.root(), "usr"), "-S", b.kernel.release, "--show-depends", m)
		if err != nil {
			return fmt.Errorf("module %s is not in the image (boards/shared/modules): %w", m, err)
		}
		for line := range strings.Lines(out) {
			path, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
			if !ok {
				continue // builtin
			}
			path, _, _ = strings.Cut(path, " ")
			name := strings.TrimSuffix(filepath.Base(path), ".xz")
			if slices.Contains(list, name) {
				continue
			}
			if _, err := b.command(ctx, "sh", "-c", fmt.Sprintf("xz -dc %s > %s", path, filepath.Join(dir, name))); err != nil {
				return err
			}
			list = append(list, name)
		}
	}
	return os.WriteFile(filepath.Join(dir, order), []byte(strings.Join(list, "\n")+"\n"), 0o644)
}
