//go:build acceptance

package hardwaretest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long the machine may take for everything. A quiet host needs a minute.
const patience = 15 * time.Minute

// TestHardware boots the machine and tells what its tests say. HARDWARE_RUN selects among them, as -run does here.
func TestHardware(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root: sudo make hardware-test")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("qemu-system-aarch64"); err != nil {
		t.Fatal("qemu-system-aarch64 is missing: apt-get install qemu-system-arm")
	}
	kernel := build(t, root)
	dir := t.TempDir()
	initramfs(t, root, kernel, dir)
	results, console := boot(t, kernel, dir)
	tell(t, results, console)
}

// build makes kernel and modules, and returns their folder.
func build(t *testing.T, root string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(root, "boards", "hardware", "build"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("boards/hardware/build: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// initramfs adds the programs and the tests to the machine's file system.
func initramfs(t *testing.T, root, kernel, dir string) {
	t.Helper()
	stage := filepath.Join(dir, "stage")
	if err := os.MkdirAll(filepath.Join(stage, "tests"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(stage, "usr", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gateway", "gwctl"} {
		content, err := os.ReadFile(filepath.Join(root, "bin", "linux-arm64", name))
		if err != nil {
			t.Fatalf("%v; run make cross", err)
		}
		if err := os.WriteFile(filepath.Join(stage, "usr", "bin", name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	compile := exec.Command("go", "test", "-c", "-tags", "hardware", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(stage, "tests", "hardware.test"), "./tools/hardwaretest/inside")
	compile.Dir = root
	compile.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("building the tests: %v\n%s", err, out)
	}
	pack := exec.Command("sh", "-c", "find . | cpio --quiet -o -H newc -R 0:0 | cat "+filepath.Join(kernel, "base.cpio")+" - > ../initrd")
	pack.Dir = stage
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("packing the initramfs: %v\n%s", err, out)
	}
}

// boot runs the machine until it switches itself off, and returns what its tests and its console said.
func boot(t *testing.T, kernel, dir string) (results, console []byte) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	path := func(name string) string { return filepath.Join(dir, name) }
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "512", "-display", "none", "-nic", "none", "-no-reboot",
		"-kernel", filepath.Join(kernel, "vmlinuz"), "-initrd", path("initrd"), "-append", "console=ttyAMA0 panic=-1 loglevel=4 courtside.run="+cmp.Or(os.Getenv("HARDWARE_RUN"), "."),
		"-serial", "file:"+path("console"),
		"-device", "virtio-serial-pci", "-chardev", "file,id=results,path="+path("results"), "-device", "virtserialport,chardev=results,name=courtside.results",
		// two serial ports and the cable between them
		"-chardev", "socket,id=left,path="+path("cable")+",server=on,wait=off", "-device", "pci-serial,chardev=left",
		"-chardev", "socket,id=right,path="+path("cable"), "-device", "pci-serial,chardev=right")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begin := time.Now()
	err := cmd.Run()
	console, _ = os.ReadFile(path("console"))
	results, _ = os.ReadFile(path("results"))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("the machine was not done after %v", patience)
	}
	if err != nil {
		t.Errorf("qemu-system-aarch64: %v %s", err, said.Bytes())
	}
	t.Logf("the machine ran for %v", time.Since(begin).Round(time.Second))
	return results, console
}

// tell repeats the machine's tests as subtests.
func tell(t *testing.T, results, console []byte) {
	t.Helper()
	text := string(results)
	verdict := regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+)`)
	start := regexp.MustCompile(`(?m)^=== RUN   ([^/\s]+)$`)
	marks := start.FindAllStringSubmatchIndex(text, -1)
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		part := text[m[0]:end]
		t.Run(text[m[2]:m[3]], func(t *testing.T) {
			switch v := verdict.FindStringSubmatch(part); {
			case v == nil:
				t.Errorf("it did not end:\n%s", part)
			case v[1] == "FAIL":
				t.Errorf("\n%s", part)
			case v[1] == "SKIP":
				t.Skip(part)
			default:
				t.Log("\n" + part)
			}
		})
	}
	if !strings.HasSuffix(text, "\nEXIT 0\n") || len(marks) == 0 {
		t.Errorf("the tests ended with %q\nconsole:\n%s", text[max(0, len(text)-2000):], console)
	} else {
		t.Logf("console:\n%s", console)
	}
}
