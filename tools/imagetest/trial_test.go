//go:build image

package imagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/boards/board"
)

// TestTrialThatDoesNotComeUp boots slot B on trial, written as an update would have written it, with versions that never reach the gateway: after three
// boots, or at once, the machine is back in slot A.
func TestTrialThatDoesNotComeUp(t *testing.T) {
	if !*long || *boardName != "qemu-arm64" {
		t.Skip("three watchdogs take their time: make image-test BOARD=qemu-arm64 LONG=1")
	}
	i := open(t, *boardName)
	text, err := os.ReadFile(filepath.Join(repo, "boards", "shared", "overlay", "usr", "lib", "courtside", "data"))
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), "-t ext4 -o noatime", "-t ext4 -o broken", 1)
	if broken == string(text) {
		t.Fatal("the script that mounts /data does not read as it did; nothing would be broken")
	}
	for _, b := range []badVersion{
		{"a hang before systemd", true, change{files: map[string]string{"/usr/sbin/init": "#!/bin/sh\nexec sleep infinity\n"}, modes: map[string]uint32{"/usr/sbin/init": 0o755}}},
		{"data that does not mount", true, change{files: map[string]string{"/usr/lib/courtside/data": broken},
			modes: map[string]uint32{"/usr/lib/courtside/data": 0o755}}},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, i)
			b.change.version = i.later(1)
			write(t, m.disk, i.slotOf(t, b.change))
			m.on()
			m.waitLong("slot A, and the console's prompt", 0, `(?s)courtside: slot B.*courtside: slot A.*gwctl> `, 3*patience)
			t.Logf("slot B was tried %d times", strings.Count(m.text(0), "courtside: slot B"))
			m.wait("version "+i.version+" runs in slot A", 0, "slot A, version "+regexp.QuoteMeta(i.version)+", is confirmed")
		})
	}
}

// write puts a file system into slot B, and the boot state as RAUC leaves it.
func write(t *testing.T, disk, slot string) {
	t.Helper()
	dir := t.TempDir()
	text, state := filepath.Join(dir, "state.txt"), filepath.Join(dir, "state.bin")
	if err := os.WriteFile(text, []byte("BOOT_ORDER=B A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\nCOURTSIDE_GOOD=A\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "mkenvimage", "-s", "512", "-o", state, text)
	tool(t, "dd", "if="+state, "of="+disk, "bs=512", fmt.Sprintf("seek=%d", board.StateOffset/512), "conv=notrunc", "status=none")
	tool(t, "dd", "if="+slot, "of="+disk, "bs=1M", fmt.Sprintf("seek=%d", slotB>>20), "conv=notrunc,sparse", "status=none")
}

// TestADayOfJournal boots a version that logs a day's records, one a second, as fast as it can, and looks at what the journal takes of /data.
func TestADayOfJournal(t *testing.T) {
	if !*long || *boardName != "qemu-arm64" {
		t.Skip("make image-test BOARD=qemu-arm64 LONG=1")
	}
	const records, limit = 24 * 60 * 60, 48 << 10 // KiB, as journald.conf.d says
	unit := fmt.Sprintf("[Unit]\nAfter=courtside-gateway.service\n[Service]\nType=oneshot\nLogRateLimitIntervalSec=0\nExecStart=/bin/bash -c 'for ((i = 0; i < %d; i++)); do "+
		"echo \"time=2026-11-23T14:00:00.000Z level=WARN msg=\\\"a device is silent\\\" venue=lab-001 gateway=gw-1 device=plc-1 err=\\\"timeout\\\" n=$i $RANDOM\"; done; sleep 5; "+
		"echo \"journal: $(du -sk /data/journal | cut -f1) KiB\" > /dev/console'\n", records)
	// systemd takes no plain file for a wish, so another unit's addition has it.
	const addition = "etc/systemd/system/courtside-gateway.service.d/image.conf"
	text, err := os.ReadFile(filepath.Join(repo, "boards", "shared", "overlay", addition))
	if err != nil {
		t.Fatal(err)
	}
	wish := strings.Replace(string(text), "[Unit]\n", "[Unit]\nWants=day.service\n", 1)
	i := open(t, *boardName)
	m := newMachine(t, i)
	write(t, m.disk, i.slotOf(t, change{version: i.later(1), files: map[string]string{"/etc/systemd/system/day.service": unit, "/" + addition: wish}}))
	m.on()
	found := m.waitLong("a day of journal", 0, `journal: (\d+) KiB`, 3*patience)
	t.Logf("%s KiB after %d records", found[1], records)
	if size, err := strconv.Atoi(found[1]); err != nil || size < 4<<10 || size > limit+limit/8 {
		t.Errorf("the journal takes %s KiB of /data after %d records; %d are its limit", found[1], records, limit)
	}
}
