package image

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Tool is a program of the host that the build runs, and the Debian package that has it.
type Tool struct{ Program, Package string }

// Tools returns what a build needs of the host. `make image-tools` installs their packages.
func Tools() []Tool {
	return []Tool{
		{"apt-get", "apt"}, {"dpkg-deb", "dpkg"}, {"mmdebstrap", "mmdebstrap"}, {"arch-test", "arch-test"}, {"qemu-arm-static", "qemu-user-static"}, {"update-binfmts", "binfmt-support"},
		{"systemctl", "systemd"}, {"systemd-sysusers", "systemd"}, {"depmod", "kmod"}, {"cpio", "cpio"}, {"xz", "xz-utils"}, {"zstd", "zstd"},
		{"mke2fs", "e2fsprogs"}, {"mkfs.vfat", "dosfstools"}, {"mcopy", "mtools"}, {"sfdisk", "fdisk"}, {"mkimage", "u-boot-tools"}, {"mkenvimage", "u-boot-tools"},
		{"rauc", "rauc"}, {"mksquashfs", "squashfs-tools"}, {"bmaptool", "bmap-tools"},
	}
}

// Missing returns an error that names every tool that is not there, and how to install it.
func Missing() error {
	var programs, packages []string
	for _, t := range Tools() {
		if found(t.Program) {
			continue
		}
		programs = append(programs, t.Program)
		if !slices.Contains(packages, t.Package) {
			packages = append(packages, t.Package)
		}
	}
	if programs == nil {
		return nil
	}
	return fmt.Errorf("not installed: %s; install them with make image-tools, or by apt-get install %s", strings.Join(programs, ", "), strings.Join(packages, " "))
}

func found(program string) bool {
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if _, err := exec.LookPath(dir + program); err == nil {
			return true
		}
	}
	return false
}
