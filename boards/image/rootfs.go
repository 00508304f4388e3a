package image

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// excluded is what an image has no reader for.
func excluded() []string {
	return []string{
		"path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright",
		"path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/info/*", "path-exclude=/usr/share/lintian/*",
		"path-exclude=/usr/share/bash-completion/*", "path-exclude=/usr/share/zsh/*",
	}
}

// rootfs unpacks the root file system of the architecture, made once for a list of packages and a state of the archive.
func (b *Build) rootfs(ctx context.Context) error {
	packages, err := words(filepath.Join(b.shared(), "packages"))
	if err != nil {
		return err
	}
	args := []string{"--architectures=" + b.Board.Arch, "--variant=essential", "--include=" + strings.Join(packages, ",")}
	for _, o := range excluded() {
		args = append(args, "--dpkgopt="+o)
	}
	key := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(args, "\n")+b.archive.state)))[:16]
	tar := filepath.Join(b.Cache, "rootfs-"+b.Board.Arch+"-"+key+".tar")
	if _, err := os.Stat(tar); err != nil {
		if err := b.binfmt(ctx); err != nil {
			return err
		}
		args = append(args, "", tar+".part.tar", "-")
		// Dated by the archive: the same state of it gives the same tree, whichever commit asks first.
		dated := Build{Options: Options{Epoch: b.archive.date}}
		if _, err := dated.run(ctx, strings.NewReader(b.archive.sources), "", "mmdebstrap", args...); err != nil {
			if !b.StaleArchive {
				err = fmt.Errorf("%w\n    if it is the mirror's index that is past its date: another mirror (-mirror), or -stale-archive for a test", err)
			}
			return err
		}
		if err := os.Rename(tar+".part.tar", tar); err != nil {
			return err
		}
		if err := b.forget("rootfs-"+b.Board.Arch+"-*.tar", tar); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.root(), 0o755); err != nil {
		return err
	}
	_, err = b.command(ctx, "tar", "--numeric-owner", "-C", b.root(), "-xf", tar)
	return err
}

// binfmt sees to it that the host runs programs of the architecture, by qemu-user.
func (b *Build) binfmt(ctx context.Context) error {
	const dir = "/proc/sys/fs/binfmt_misc"
	if _, err := os.Stat(dir + "/status"); err != nil {
		if _, err := b.command(ctx, "mount", "-t", "binfmt_misc", "binfmt_misc", dir); err != nil {
			return fmt.Errorf("the kernel has to run programs of %s by qemu-user: %w", b.Board.Arch, err)
		}
	}
	entry := map[string]string{"arm64": "qemu-aarch64", "armhf": "qemu-arm"}[b.Board.Arch]
	if _, err := os.Stat(filepath.Join(dir, entry)); err == nil {
		return nil
	}
	_, err := b.command(ctx, "update-binfmts", "--enable", entry)
	return err
}

// forget removes cached files of a pattern but one.
func (b *Build) forget(pattern, but string) error {
	old, err := filepath.Glob(filepath.Join(b.Cache, pattern))
	if err != nil {
		return err
	}
	for _, f := range slices.DeleteFunc(old, func(f string) bool { return f == but }) {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}
