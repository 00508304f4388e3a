package setup_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/setup"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

const domain = "courtside.test"

const good = `venue: dal-001
gateway: gw-north
identity: {trust_domain: courtside.test}
uplink: {broker: "mqtts://broker.example:8883"}
scan_classes: {fast: 100ms}
devices:
  - id: plc-1
    driver: modbus
    options: {address: "192.168.1.10:502", unit: 1}
    points:
      - {name: hall/temperature, type: int, scan: fast, source: {table: holding, address: 0, type: uint16}}
`

// bench is a device with a partition in it.
type bench struct {
	t         *testing.T
	dir       string
	o         setup.Options
	authority *identitytest.Authority
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	authority, err := identitytest.NewAuthority(domain, time.Now().Add(-72*time.Hour), 365*24*time.Hour) // longer than any SVID of a test
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: dir, authority: authority, o: setup.Options{Medium: filepath.Join(dir, "p1", "courtside"), Etc: filepath.Join(dir, "etc"),
		Network: filepath.Join(dir, "run", "network"), Hostname: filepath.Join(dir, "hostname"), Registry: all.All(),
		Version: "v1", Image: "courtside-qemu-arm64 20261123.140501", Board: "qemu-arm64", Now: time.Now()}}
	if err := os.MkdirAll(b.o.Medium, 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) put(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.o.Medium, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// papers puts an SVID of a gateway into the folder.
func (b *bench) papers(venue, gateway string, begin time.Time, life time.Duration) identitytest.SVID {
	b.t.Helper()
	svid, err := b.authority.Issue(identitytest.RequestFor(b.authority.Gateway(venue, gateway), begin, life))
	if err != nil {
		b.t.Fatal(err)
	}
	b.put("svid.pem", string(svid.CertPEM()))
	b.put("svid.key", string(svid.KeyPEM()))
	b.put("bundle.pem", string(b.authority.Bundle()))
	return svid
}

// boot runs setup once.
func (b *bench) boot(want setup.Outcome) *setup.Report {
	b.t.Helper()
	r, err := setup.Run(b.o)
	if err != nil {
		b.t.Fatalf("this device failed: %v", err)
	}
	if r.Outcome != want {
		b.t.Fatalf("the outcome is %s, want %s:\n%s", r.Outcome, want, r.Text())
	}
	return r
}

// etc returns a file that was taken; "" when there is none.
func (b *bench) etc(name string) string {
	raw, err := os.ReadFile(filepath.Join(b.o.Etc, name))
	if err != nil {
		return ""
	}
	return string(raw)
}

func (b *bench) lies(name string) bool {
	_, err := os.Stat(filepath.Join(b.o.Medium, name))
	return err == nil
}

// refused wants a fault that says all of these, and nothing taken.
func (b *bench) refused(want ...string) *setup.Report {
	b.t.Helper()
	before := b.etc("gateway.yaml") + b.etc("svid.pem") + b.etc("svid.key") + b.etc("network") + b.etc("join-token")
	r := b.boot(setup.Refused)
	text := r.Text()
	for _, w := range want {
		if !strings.Contains(text, w) {
			b.t.Errorf("the report does not say %q:\n%s", w, text)
		}
	}
	if strings.Contains(text, "staging") {
		b.t.Errorf("the report speaks of the folder where files wait:\n%s", text)
	}
	if after := b.etc("gateway.yaml") + b.etc("svid.pem") + b.etc("svid.key") + b.etc("network") + b.etc("join-token"); after != before {
		b.t.Errorf("something was taken:\n%s", after)
	}
	if left, _ := filepath.Glob(filepath.Join(b.o.Etc, ".staging-*")); len(left) > 0 {
		b.t.Errorf("%q stays", left)
	}
	return r
}

func TestFirstBoot(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.put("network", "hostname: north\nlinks: [{address: 192.168.10.5/24}]\n")
	svid := b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	r := b.boot(setup.Taken)
	if b.etc("gateway.yaml") != good || b.etc("svid.key") != string(svid.KeyPEM()) || b.etc("bundle.pem") == "" {
		t.Error("what was taken is not what was there")
	}
	if info, err := os.Stat(filepath.Join(b.o.Etc, "svid.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	if b.lies("svid.key") {
		t.Error("the key is still on the medium")
	}
	if _, err := config.Load(filepath.Join(b.o.Etc, "gateway.yaml"), all.All()); err != nil {
		t.Errorf("the gateway does not take it: %v", err)
	}
	report, err := os.ReadFile(filepath.Join(b.o.Medium, "REPORT.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TAKEN. Everything in this folder", "gw-north of venue dal-001", "courtside-qemu-arm64 20261123.140501", "Board     qemu-arm64", "svid.key        taken, and removed from here",
		"every wired interface: the address 192.168.10.5/24", "the name north", time.Now().UTC().Format("2006-01-02")} {
		if !strings.Contains(string(report), want) {
			t.Errorf("the report does not say %q:\n%s", want, report)
		}
	}
	if n := bytes.Count(report, []byte("\n")); n != bytes.Count(report, []byte("\r\n")) || n < 10 {
		t.Errorf("not all %d lines end as Windows wants it", n)
	}
	if got, _ := os.ReadFile(filepath.Join(b.o.Network, "20-courtside-wired.network")); !strings.Contains(string(got), "Address=192.168.10.5/24") {
		t.Errorf("networkd gets %q", got)
	}
	if got, _ := os.ReadFile(b.o.Hostname); string(got) != "north\n" {
		t.Errorf("the host is called %q", got)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("it warns of %q", r.Warnings)
	}
}

// A folder that is known to be as it was is mounted for reading: no report is tried, and none is missed.
func TestWithoutAReport(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.o.Report = setup.NoReport
	if r := b.boot(setup.Taken); len(r.Warnings) != 0 || b.lies("REPORT.txt") || b.lies("-") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

func TestTheSecondBootTakesNothing(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.boot(setup.Taken)
	renewed := "renewed since\n"
	if err := os.WriteFile(filepath.Join(b.o.Etc, "svid.pem"), []byte(renewed), 0o640); err != nil {
		t.Fatal(err)
	}
	b.boot(setup.Unchanged)
	first, err := os.Stat(filepath.Join(b.o.Medium, "REPORT.txt"))
	if err != nil {
		t.Fatal(err)
	}
	b.o.Now = b.o.Now.Add(time.Hour)
	b.boot(setup.Unchanged)
	if b.etc("svid.pem") != renewed {
		t.Error("what was renewed since was set back")
	}
	if second, err := os.Stat(filepath.Join(b.o.Medium, "REPORT.txt")); err != nil || !second.ModTime().Equal(first.ModTime()) || !os.SameFile(first, second) {
		t.Error("the report was written again though it says the same")
	}
}

func TestNothingThere(t *testing.T) {
	b := newBench(t)
	r := b.boot(setup.Unchanged)
	if text := r.Text(); !strings.Contains(text, "WAITING. There is no configuration yet.") || !strings.Contains(text, "Put courtside.yaml into the folder") {
		t.Errorf("it says:\n%s", text)
	}
	if err := os.RemoveAll(b.o.Medium); err != nil {
		t.Fatal(err)
	}
	if text := b.boot(setup.Absent).Text(); !strings.Contains(text, "NO FOLDER") {
		t.Errorf("it says:\n%s", text)
	}
	if got, _ := os.ReadFile(filepath.Join(b.o.Network, "20-courtside-wired.network")); !strings.Contains(string(got), "DHCP=yes") {
		t.Errorf("without anything the network is %q", got)
	}
}

func (b *bench) remove(name string) {
	b.t.Helper()
	if err := os.Remove(filepath.Join(b.o.Medium, name)); err != nil {
		b.t.Fatal(err)
	}
}

// TestNamesAndFormsOfOtherSystems is a folder as Windows and macOS leave it.
func TestNamesAndFormsOfOtherSystems(t *testing.T) {
	b := newBench(t)
	b.put("Courtside.YAML.txt", "\xef\xbb\xbf"+strings.ReplaceAll(good, "\n", "\r\n"))
	b.put("NETWORK.TXT", "hostname: north\r\n")
	svid := b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.remove("svid.pem")
	b.put("SVID.PEM", "\xef\xbb\xbf"+strings.ReplaceAll(string(svid.CertPEM()), "\n", "\r\n"))
	for _, junk := range []string{"._svid.pem", ".DS_Store", "Thumbs.db", "desktop.ini", "System Volume Information/x", "courtside.yaml.example", "README.txt", "courtside.yaml~"} {
		b.put(junk, "x")
	}
	b.put("couRtside.yml.bak", "x")
	b.put("netwrok", "hostname: x\n")
	text := b.boot(setup.Taken).Text()
	for _, want := range []string{"Courtside.YAML.txt  read as courtside.yaml, taken", "NETWORK.TXT         read as network, taken", "netwrok             not known here, left alone; is it meant to be network?",
		"couRtside.yml.bak   not known here"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	for _, junk := range []string{"._svid", "DS_Store", "Thumbs", "Volume", "example", "README"} {
		if strings.Contains(text, junk) {
			t.Errorf("the report speaks of %s", junk)
		}
	}
	if b.etc("gateway.yaml") != good || b.etc("svid.pem") != string(svid.CertPEM()) {
		t.Error("marks and line ends were taken too")
	}
}

// TestCompanions takes the files that a configuration names, changed ones again, and removes those that it names no more.
func TestCompanions(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good+"    points_file: Tags/plc.csv\n")
	b.put("TAGS/PLC.CSV", "name,type,scan,table,address,data_type\nseat/1,int,fast,holding,10,uint16\n") // FAT does not tell upper from lower case
	text := b.boot(setup.Taken).Text()
	if !strings.Contains(text, "TAGS/PLC.CSV    named by courtside.yaml, taken") {
		t.Errorf("it says:\n%s", text)
	}
	if !strings.Contains(b.etc("Tags/plc.csv"), "seat/1") {
		t.Fatal("the tag list was not taken")
	}
	b.boot(setup.Unchanged)
	b.put("TAGS/PLC.CSV", "name,type,scan,table,address,data_type\nseat/2,int,fast,holding,10,uint16\n")
	b.boot(setup.Taken)
	if !strings.Contains(b.etc("Tags/plc.csv"), "seat/2") {
		t.Error("the changed tag list was not taken")
	}
	b.remove("TAGS/PLC.CSV")
	b.boot(setup.Unchanged) // it lies on the device
	b.put("courtside.yaml", good)
	b.boot(setup.Taken)
	if b.etc("Tags/plc.csv") != "" {
		t.Error("a tag list that nothing names stays")
	}
}

// TestTemplates takes a template of one's own with the configuration, and one of the product's by its name alone.
func TestTemplates(t *testing.T) {
	b := newBench(t)
	head, _, _ := strings.Cut(good, "devices:")
	b.put("courtside.yaml", strings.Replace(head, "fast: 100ms", "fast: 100ms, slow: 1s", 1)+`devices:
  - {id: gates-3, template: turnstile-modbus, with: {gate: gate-03}, options: {address: "192.168.1.11:502"}}
  - {id: hall, template: models/hall.yaml, options: {address: "192.168.1.12:502"}}
`)
	b.put("models/hall.yaml", "model: hall\ndriver: modbus\npoints:\n  - {name: hall/temperature, type: int, scan: fast, source: {table: holding, address: 0, type: uint16}}\n")
	b.boot(setup.Taken)
	c, err := config.Load(filepath.Join(b.o.Etc, "gateway.yaml"), all.All())
	if err != nil || len(c.Devices) != 2 {
		t.Fatalf("the gateway reads %+v, %v", c, err)
	}
	b.put("models/hall.yaml", "model: hall\ndriver: modbus\npoint: []\n")
	b.refused("models/hall.yaml:3:1: unknown key \"point\"")
}

func TestFilesBesideTheFolder(t *testing.T) {
	b := newBench(t)
	b.put("../Courtside.yaml.txt", good)
	b.put("../start4.elf", "x")
	b.put("../network/x", "x") // a folder of that name is none of ours
	if r := b.boot(setup.Unchanged); len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "Courtside.yaml.txt lies beside the folder courtside, where nobody looks") {
		t.Errorf("it warns of %q", r.Warnings)
	}
}

// TestTheNetworkAlone needs nothing else.
func TestTheNetworkAlone(t *testing.T) {
	b := newBench(t)
	b.put("network", "links: [{vlan: 7}]\n")
	r := b.boot(setup.Taken)
	if !slices.Contains(r.Network, "VLAN 7 of the wired interface: an address by DHCP") || r.Configured {
		t.Errorf("it says %q", r.Network)
	}
}

func TestTheHostIsCalledAsItsGateway(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.boot(setup.Taken)
	if got, _ := os.ReadFile(b.o.Hostname); string(got) != "gw-north\n" {
		t.Errorf("the host is called %q", got)
	}
}

func TestShort(t *testing.T) {
	r := setup.Report{Outcome: setup.Refused, Faults: slices.Repeat([]string{"courtside.yaml:1:2: x\n    more\n    ^"}, 12), Warnings: []string{"w"}, Network: []string{"n"}, Next: []string{"do"}}
	lines := r.Short()
	if len(lines) != 1+8+1+3 || lines[1] != "fault: courtside.yaml:1:2: x" || lines[9] != "fault: and 4 more, see REPORT.txt" {
		t.Errorf("it says %q", lines)
	}
}
