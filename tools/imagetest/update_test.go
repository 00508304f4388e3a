//go:build image

package imagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/boards/image"
)

// updates installs what is good, offers what is not, and lets bad versions fall back. The machine runs slot A.
func updates(t *testing.T, i *built, s *site, m *machine, since [2]uint64) {
	foreign := t.TempDir()
	if err := image.MakeKeys(foreign, "Somebody else"); err != nil {
		t.Fatal(err)
	}
	// The first update brings a second authority; from then on the other signer's updates are taken.
	next := t.TempDir()
	if err := image.MakeKeys(next, "Next signer"); err != nil {
		t.Fatal(err)
	}
	i.make(t, s.folder, "next-signer", change{version: i.later(1), keys: next})
	good := i.make(t, s.folder, "good", change{version: i.later(1), files: map[string]string{"/etc/rauc/keyring.pem": authority(t, i.keys) + authority(t, next)}})
	if answer := m.ask("update install " + s.updates + "/next-signer.raucb"); !regexp.MustCompile(`(?i)sign|certificate`).MatchString(answer) {
		t.Errorf("a signer that is not known yet is not refused:\n%s", answer)
	}

	t.Log("-- a good update, which knows the next signer")
	s.update(t, m, good, "B")
	m.wait("the console's prompt", m.mark, `(?s)courtside: slot B.*gwctl> `)
	running(t, m, i.later(1), "B")
	s.equal("after a good update", since)

	t.Log("-- what is refused")
	for name, c := range map[string]change{
		"wrong-signer": {version: i.later(2), keys: foreign},
		"wrong-board":  {version: i.later(2), compatible: "courtside-raspberrypi4"},
		"older":        {version: i.later(-1)},
		"tampered":     {version: i.later(2), corrupt: true},
	} {
		i.make(t, s.folder, name, c)
		answer := m.ask("update install " + s.updates + "/" + name + ".raucb")
		want := map[string]string{"wrong-signer": `(?i)sign|certificate`, "wrong-board": `(?i)raspberrypi4`, "older": `(?i)older|downgrade`, "tampered": `(?i)error|fail|read`}[name]
		if !regexp.MustCompile(want).MatchString(answer) || regexp.MustCompile(`(?i)reboot to use`).MatchString(answer) {
			t.Errorf("%s: the answer is\n%s", name, answer)
		}
		t.Logf("%s: %s", name, tail(answer, 3))
	}
	running(t, m, i.later(1), "B")

	t.Log("-- an event")
	m.ask("event begin --for 1h")
	if answer := m.ask("update install " + s.updates + "/tampered.raucb"); !strings.Contains(strings.ToLower(answer), "event") {
		t.Errorf("an update during an event is not refused for that:\n%s", answer)
	}
	m.ask("event end")
	s.equal("after what was refused", since)

	version := 3
	for _, b := range bad() {
		if b.long && !*long {
			continue
		}
		t.Logf("-- falls back: %s", b.name)
		c := b.change
		c.version, c.keys = i.later(version), next
		version++
		s.update(t, m, i.make(t, s.folder, "bad", c), "A")
		// The rule's five minutes of silence, or three watchdogs of a minute, and four boots, on a machine that does other things too.
		m.waitLong("slot B again, and the console's prompt", m.mark, `(?s)courtside: slot A.*courtside: slot B.*gwctl> `, 3*patience)
		running(t, m, i.later(1), "B")
		s.moving(m)
		s.equal("after "+b.name, since)
	}
}

// authority is the certificate that a folder of keys stands on.
func authority(t *testing.T, keys string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(keys, "keyring.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type badVersion struct {
	name   string
	long   bool // only with -long
	change change
}

// bad are versions that do not come up, each at another place.
func bad() []badVersion {
	script := map[string]uint32{"/usr/bin/gateway": 0o755}
	return []badVersion{
		{"a service that dies", true, change{files: map[string]string{"/usr/bin/gateway": "#!/bin/sh\ncase $1 in setup) exit 0 ;; esac\nexit 1\n"}, modes: script}},
		{"a bad kernel", false, change{files: map[string]string{"/boot/vmlinuz": "no kernel\n"}}},
		{"a bad initrd", true, change{files: map[string]string{"/boot/initrd.img": "no initrd\n"}}},
		{"a service that hangs", true, change{files: map[string]string{"/usr/bin/gateway": "#!/bin/sh\ncase $1 in setup) exit 0 ;; esac\nsystemd-notify --ready\nexec sleep infinity\n"}, modes: script}},
	}
}

// update installs a bundle and reboots into it.
func (s *site) update(t *testing.T, m *machine, bundle, slot string) {
	t.Helper()
	begin := time.Now()
	m.mark = m.position()
	if _, err := fmt.Fprintf(m.console, "update install %s/%s --reboot\r", s.updates, filepath.Base(bundle)); err != nil {
		t.Fatal(err)
	}
	m.wait("the update is installed and the machine reboots into slot "+slot, m.mark, "courtside: slot "+slot)
	t.Logf("update, from the command to U-Boot: %.0f s", time.Since(begin).Seconds())
}

// running waits for the word that a version runs, confirmed.
func running(t *testing.T, m *machine, version, slot string) {
	t.Helper()
	m.until("version "+version+" runs in slot "+slot+", confirmed", "update status", "version "+regexp.QuoteMeta(version)+" in slot "+slot+": confirmed")
}
