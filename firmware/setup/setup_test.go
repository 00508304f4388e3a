package setup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/setup"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/join"
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
	b := &bench{t: t, dir: dir, authority: identitytest.New(t, domain), o: setup.Options{Medium: filepath.Join(dir, "p1", "courtside"), Etc: filepath.Join(dir, "etc"),
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

// TestAFaultAnywhereTakesNothing puts one fault at a time into a folder that is right otherwise.
func TestAFaultAnywhereTakesNothing(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		spoil func(b *bench)
		want  []string
	}{
		"configuration": {func(b *bench) { b.put("courtside.yaml", strings.Replace(good, "driver: modbus", "driver: modbuss", 1)) },
			[]string{`courtside.yaml:8:13: no driver is called "modbuss"`, `did you mean "modbus"`, "NOT TAKEN: one fault"}},
		"two faults": {func(b *bench) {
			b.put("courtside.yaml", "venu: dal-001\n"+good+"more: x\n")
			b.put("network", "links: [{address: 10.0.0.5}]\n")
		}, []string{"1. courtside.yaml:1:1", "2. courtside.yaml:13:1", "3. network:1:19", "NOT TAKEN: 3 faults"}},
		"network":  {func(b *bench) { b.put("network", "links: 5\n") }, []string{"network:1:8"}},
		"data_dir": {func(b *bench) { b.put("courtside.yaml", good+"data_dir: /tmp/x\n") }, []string{"courtside.yaml:12:11: data_dir is \"/tmp/x\", but on an image only /var/lib/courtside", "remove the line"}},
		"another gateway's SVID": {func(b *bench) { b.papers("dal-001", "gw-south", now, time.Hour) },
			[]string{"svid.pem: it is the identity spiffe://courtside.test/venue/dal-001/gateway/gw-south, but the configuration is that of spiffe://courtside.test/venue/dal-001/gateway/gw-north"}},
		"another authority": {func(b *bench) { b.put("bundle.pem", string(identitytest.New(b.t, domain).Bundle())) }, []string{"svid.pem: no authority in bundle.pem vouches for it"}},
		"another key": {func(b *bench) {
			svid := b.papers("dal-001", "gw-north", now, time.Hour)
			b.papers("dal-001", "gw-north", now, time.Hour)
			b.put("svid.key", string(svid.KeyPEM()))
		}, []string{"svid.key does not belong to svid.pem"}},
		"an encrypted key": {func(b *bench) {
			b.put("svid.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
		}, []string{"svid.key: the key is encrypted"}},
		"an older key": {func(b *bench) {
			b.put("svid.key", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")
		}, []string{"svid.key: the key is not PKCS #8", "openssl pkcs8 -topk8"}},
		"a cut certificate": {func(b *bench) {
			text, err := os.ReadFile(filepath.Join(b.o.Medium, "svid.pem"))
			if err != nil {
				b.t.Fatal(err)
			}
			b.put("svid.pem", string(text[:len(text)/2]))
		}, []string{"svid.pem: 0 of 1 PEM blocks are whole"}},
		"DER":                   {func(b *bench) { b.put("svid.pem", "0\x82\x01") }, []string{"svid.pem: it is no PEM file"}},
		"no certificate at all": {func(b *bench) { b.put("svid.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") }, []string{"svid.pem: certificate 1 of it cannot be read"}},
		"key and certificate in one": {func(b *bench) {
			svid := b.papers("dal-001", "gw-north", now, time.Hour)
			b.put("svid.pem", string(svid.CertPEM())+string(svid.KeyPEM()))
		}, []string{"svid.pem: it holds a private key; keep that in svid.key alone"}},
		"no key":          {func(b *bench) { b.remove("svid.key") }, []string{"svid.key is missing"}},
		"no bundle":       {func(b *bench) { b.remove("bundle.pem") }, []string{"bundle.pem is missing"}},
		"UTF-16":          {func(b *bench) { b.put("courtside.yaml", utf16le(good)) }, []string{"courtside.yaml: it is saved as UTF-16", "encoding UTF-8"}},
		"UTF-16, no mark": {func(b *bench) { b.put("network", utf16le("hostname: x\n")[2:]) }, []string{"network: it is saved as UTF-16"}},
		"zeros":           {func(b *bench) { b.put("network", strings.Repeat("\x00", 100)) }, []string{"network: it holds nothing but zeros"}},
		"Latin-1":         {func(b *bench) { b.put("network", "hostname: caf\xe9\n") }, []string{"network:1:14: a byte that is not UTF-8"}},
		"twice":           {func(b *bench) { b.put("courtside.yaml.txt", good) }, []string{"courtside.yaml and courtside.yaml.txt are both there"}},
		"too long":        {func(b *bench) { b.put("network", strings.Repeat("# a line\n", 10000)) }, []string{"network has 90000 bytes"}},
		"a folder":        {func(b *bench) { b.remove("network"); b.put("network/x", "") }, []string{"network is no file"}},
		"a token of another gateway": {func(b *bench) { b.put("join-token", token(b.t, "gw-south")) },
			[]string{"join-token: it is for gateway gw-south of venue dal-001 in courtside.test, but the configuration is that of gateway gw-north"}},
		"a token that slipped": {func(b *bench) { b.put("join-token", token(b.t, "gw-north")[:60]) }, []string{"join-token: ", "copy the whole line"}},
		"a token that is none": {func(b *bench) { b.put("join-token", "hello\n") }, []string{"join-token: ", "does not begin with"}},
		"a way out": {func(b *bench) { b.put("courtside.yaml", good+"    points_file: ../../etc/passwd\n") },
			[]string{`courtside.yaml:12:18: "../../etc/passwd" leads out of the folder`}},
		"a tag list that is not there": {func(b *bench) { b.put("courtside.yaml", good+"    points_file: tags/plc.csv\n") }, []string{"courtside.yaml:12:18", "open tags/plc.csv: no such file"}},
		"a tag list with a fault": {func(b *bench) {
			b.put("courtside.yaml", good+"    points_file: tags/plc.csv\n")
			b.put("tags/plc.csv", "name,typ\nx,int\n")
		}, []string{"tags/plc.csv:1:6"}},
		"a template that is not there": {func(b *bench) {
			b.put("courtside.yaml", strings.Replace(good, "driver: modbus", "template: ./own.yaml", 1))
		}, []string{"the template cannot be read"}},
		"a driver's file that is not there": {func(b *bench) { b.put("courtside.yaml", opcua(good)) },
			[]string{`"opcua/server.pem" is named, but no such file lies in the folder`}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.put("courtside.yaml", good)
			b.put("network", "hostname: north\n")
			b.papers("dal-001", "gw-north", now, 24*time.Hour*90)
			c.spoil(b)
			b.refused(c.want...)
			if _, err := os.Stat(filepath.Join(b.o.Medium, "REPORT.txt")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAFaultLeavesWhatRuns spoils the folder of a gateway that runs.
func TestAFaultLeavesWhatRuns(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.put("network", "hostname: north\n")
	b.boot(setup.Taken)
	b.put("courtside.yaml", good+"more: x\n")
	b.put("network", "hostname: south\n") // which is right, and has to wait all the same
	b.refused("What was taken before stays in use", "the gateway runs with what was taken before")
	if got, _ := os.ReadFile(b.o.Hostname); string(got) != "north\n" {
		t.Errorf("the host is called %q", got)
	}
	b.put("courtside.yaml", good)
	b.boot(setup.Taken)
	if got, _ := os.ReadFile(b.o.Hostname); string(got) != "south\n" {
		t.Errorf("once all is right the host is called %q", got)
	}
}

func (b *bench) remove(name string) {
	b.t.Helper()
	if err := os.Remove(filepath.Join(b.o.Medium, name)); err != nil {
		b.t.Fatal(err)
	}
}

func utf16le(s string) string {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return string(out)
}

func token(t *testing.T, gateway string) string {
	t.Helper()
	k := join.Token{Address: "cloud.example:8885", TrustDomain: domain, Venue: "dal-001"}
	k.Gateway = "gw-north"
	if gateway != "gw-north" {
		k.Gateway = "gw-south"
	}
	text, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// opcua is a configuration whose driver names files.
func opcua(s string) string {
	head, _, _ := strings.Cut(s, "  - id: plc-1")
	return head + `  - id: panels
    driver: opcua
    options:
      endpoint: opc.tcp://192.168.1.20:4840
      security: {policy: Basic256Sha256, server_cert_file: opcua/server.pem, cert_file: opcua/own.pem, key_file: opcua/own.key}
    points:
      - {name: panel/n/text, type: text, scan: fast, source: {node: "ns=2;s=Panel.N.Text"}}
`
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

// TestADriversKeyIsASecretToo takes the files of a driver; the private key among them does not stay on the medium.
func TestADriversKeyIsASecretToo(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", opcua(good))
	b.put("opcua/server.pem", "-----BEGIN CERTIFICATE-----\n")
	b.put("opcua/own.pem", "-----BEGIN CERTIFICATE-----\n")
	b.put("opcua/own.key", "-----BEGIN PRIVATE KEY-----\n")
	b.boot(setup.Taken)
	info, err := os.Stat(filepath.Join(b.o.Etc, "opcua", "own.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	if b.lies("opcua/own.key") || !b.lies("opcua/own.pem") {
		t.Error("the key stays on the medium, or the certificate does not")
	}
	b.boot(setup.Unchanged)
	b.put("courtside.yaml", opcua(good)+"log: {level: debug}\n")
	b.boot(setup.Taken) // with the key that lies on the device
}

func TestAbsolutePathsBelowEtcAreTheFolders(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", strings.Replace(good, "{trust_domain: courtside.test}", "{trust_domain: courtside.test, cert_file: "+b.o.Etc+"/svid.pem, key_file: "+b.o.Etc+"/svid.key, bundle_file: "+b.o.Etc+"/bundle.pem}", 1))
	b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.boot(setup.Taken)
	b.boot(setup.Unchanged)
}

func TestJoinToken(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.put("join-token.txt", " "+token(t, "gw-north")+"\r\n\r\n")
	text := b.boot(setup.Taken).Text()
	if b.etc("join-token") != token(t, "gw-north")+"\n" {
		t.Errorf("the token taken is %q", b.etc("join-token"))
	}
	if b.lies("join-token.txt") || !strings.Contains(text, "join-token.txt  read as join-token, taken, and removed from here") {
		t.Errorf("it says:\n%s", text)
	}
	if strings.Contains(text, "courtside-join-1.") {
		t.Error("the report shows the secret")
	}
}

// TestATokenReplacesFiles, which would count before it; with both in the folder the report says which counts.
func TestATokenReplacesFiles(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	svid := b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.boot(setup.Taken)
	b.put("join-token", token(t, "gw-north"))
	if r := b.boot(setup.Taken); b.etc("svid.pem") == "" || !strings.Contains(strings.Join(r.Warnings, "\n"), "join-token is not used while svid.pem lies in the folder") {
		t.Errorf("it warns of %q", r.Warnings)
	}
	b.remove("svid.pem")
	b.remove("bundle.pem")
	b.put("join-token", token(t, "gw-north")+"\n") // the same, and another file
	b.boot(setup.Taken)
	if b.etc("svid.pem")+b.etc("svid.key")+b.etc("bundle.pem") != "" || b.etc("join-token") == "" {
		t.Error("the files before count before the token")
	}
	b.put("svid.pem", string(svid.CertPEM()))
	b.put("svid.key", string(svid.KeyPEM()))
	b.put("bundle.pem", string(b.authority.Bundle()))
	b.boot(setup.Taken)
	if b.etc("svid.key") == "" {
		t.Error("there is no way back")
	}
}

func TestNoIdentityIsSaid(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	for _, o := range []setup.Outcome{setup.Taken, setup.Unchanged} {
		if r := b.boot(o); len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "there is no identity: put join-token") {
			t.Errorf("it warns of %q", r.Warnings)
		}
	}
	b.put("courtside.yaml", strings.Replace(good, "{trust_domain: courtside.test}", `{trust_domain: courtside.test, workload_api: "unix:///run/agent.sock"}`, 1))
	if r := b.boot(setup.Taken); len(r.Warnings) != 0 {
		t.Errorf("it warns of %q", r.Warnings)
	}
}

func TestDatesWarnAndNeverRefuse(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		begin time.Time
		life  time.Duration
		clock time.Time
		want  string
	}{
		"expired":       {now.Add(-48 * time.Hour), time.Hour, now, "svid.pem expired on " + now.Add(-47*time.Hour).UTC().Format("2006-01-02")},
		"soon":          {now.Add(-time.Hour), 72 * time.Hour, now, "svid.pem expires on " + now.Add(71*time.Hour).UTC().Format("2006-01-02")},
		"later":         {now.Add(48 * time.Hour), 24 * 90 * time.Hour, now, "svid.pem begins on " + now.Add(48*time.Hour).UTC().Format("2006-01-02")},
		"no clock":      {now, time.Hour, time.Unix(1000, 0), ""},
		"an old clock":  {now, time.Hour, now.Add(-time.Hour), ""},
		"well in order": {now, 90 * 24 * time.Hour, now, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var err error
			if b.authority, err = identitytest.NewAuthority(domain, now.Add(-72*time.Hour), 365*24*time.Hour); err != nil {
				t.Fatal(err)
			}
			if name == "an old clock" { // the build knows better
				b.o.Since = now.Add(-time.Minute)
			}
			b.o.Now = c.clock
			b.put("courtside.yaml", good)
			b.papers("dal-001", "gw-north", c.begin, c.life)
			r := b.boot(setup.Taken)
			if warned := strings.Join(r.Warnings, "\n"); c.want == "" && warned != "" || !strings.Contains(warned, c.want) {
				t.Errorf("it warns %q, want %q", warned, c.want)
			}
			if unset := strings.Contains(r.Text(), "clock not set yet"); unset != strings.HasSuffix(name, "clock") {
				t.Errorf("it says of the clock:\n%s", r.Text())
			}
		})
	}
}

// TestANewCertificateWithoutItsKey is held against the key that lies on the device.
func TestANewCertificateWithoutItsKey(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.boot(setup.Taken)
	b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.remove("svid.key")
	b.refused("svid.key does not belong to svid.pem")
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

// TestABrokenNetworkOfTheDevice stands for a file that somebody edited by hand.
func TestABrokenNetworkOfTheDevice(t *testing.T) {
	b := newBench(t)
	b.put("network", "links: [{address: 10.0.0.5/24}]\n")
	b.boot(setup.Taken)
	if err := os.WriteFile(filepath.Join(b.o.Etc, "network"), []byte("links: 5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := b.boot(setup.Unchanged)
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "DHCP on every wired interface stands in for it") || !slices.Contains(r.Network, "every wired interface: an address by DHCP") {
		t.Errorf("it warns %q, network %q", r.Warnings, r.Network)
	}
}

func TestPowerCuts(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	svid := b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	b.boot(setup.Taken)
	t.Run("after the files, before the record", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		if err := os.Remove(filepath.Join(b.o.Etc, ".imported")); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Taken)
	})
	t.Run("before the key was removed", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		r := b.boot(setup.Unchanged)
		if b.lies("svid.key") || !strings.Contains(r.Text(), "svid.key        as it was taken before, and removed from here") {
			t.Errorf("it says:\n%s", r.Text())
		}
	})
	t.Run("after the key was written over", func(t *testing.T) {
		b.put("svid.key", strings.Repeat("\x00", 241))
		b.boot(setup.Unchanged)
		if b.lies("svid.key") {
			t.Error("zeros stay on the medium")
		}
	})
	t.Run("before the key was removed, and then a fault elsewhere", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		b.put("network", "links: 5\n")
		b.boot(setup.Refused)
		if b.lies("svid.key") {
			t.Error("a key that was taken stays on the medium as long as something is wrong")
		}
		b.remove("network")
	})
	t.Run("while files waited", func(t *testing.T) {
		left := filepath.Join(b.o.Etc, ".staging-123")
		if err := os.MkdirAll(filepath.Join(left, "tags"), 0o700); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Unchanged)
		if _, err := os.Stat(left); err == nil {
			t.Error("it stays for ever")
		}
	})
	t.Run("a record that is torn", func(t *testing.T) {
		b.put("svid.key", string(svid.KeyPEM()))
		if err := os.WriteFile(filepath.Join(b.o.Etc, ".imported"), []byte(`{"files":`), 0o600); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Taken)
	})
	t.Run("a configuration that was lost", func(t *testing.T) {
		if err := os.Remove(filepath.Join(b.o.Etc, "gateway.yaml")); err != nil {
			t.Fatal(err)
		}
		b.boot(setup.Taken)
		if b.etc("gateway.yaml") != good {
			t.Error("it was not taken again")
		}
	})
}

// TestALinkInTheRoot is /etc/courtside of an image: it leads to /data, where nothing lies at the first boot.
func TestALinkInTheRoot(t *testing.T) {
	b := newBench(t)
	if err := os.Symlink(filepath.Join(b.dir, "data", "etc", "courtside"), b.o.Etc); err != nil {
		t.Fatal(err)
	}
	b.put("courtside.yaml", good)
	b.boot(setup.Taken)
	if _, err := os.Stat(filepath.Join(b.dir, "data", "etc", "courtside", "gateway.yaml")); err != nil {
		t.Error(err)
	}
}

// TestThisDeviceFails cannot write to /data: nothing is taken, and the report says whose fault it is.
func TestThisDeviceFails(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	if err := os.WriteFile(b.o.Etc, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := setup.Run(b.o)
	if err == nil || r.Outcome != setup.Failed || !strings.Contains(r.Text(), "this device could not write what it took") {
		t.Errorf("%v, it says:\n%s", err, r.Text())
	}
}

// TestNobodyToReadIt is a device without the user whose files they are to be: the network is described all the same.
func TestNobodyToReadIt(t *testing.T) {
	b := newBench(t)
	b.put("courtside.yaml", good)
	b.o.NoOwner = errors.New("user courtside is unknown")
	r, err := setup.Run(b.o)
	if err == nil || r.Outcome != setup.Failed || b.etc("gateway.yaml") != "" || !strings.Contains(r.Text(), "user courtside is unknown") {
		t.Errorf("%v, it says:\n%s", err, r.Text())
	}
	if _, err := os.Stat(filepath.Join(b.o.Network, "20-courtside-wired.network")); err != nil {
		t.Error(err)
	}
}

// TestAMediumThatTakesNothing cannot be written to: the boot goes on, and what can be said is said.
func TestAMediumThatTakesNothing(t *testing.T) {
	if os.Geteuid() == 0 {
		mountReadOnly(t)
		return
	}
	b := newBench(t)
	takesNothing(t, b, func() {
		if err := os.Chmod(b.o.Medium, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(b.o.Medium, 0o755) })
	})
}

func takesNothing(t *testing.T, b *bench, seal func()) {
	b.put("courtside.yaml", good)
	b.papers("dal-001", "gw-north", time.Now(), 24*time.Hour*90)
	seal()
	r := b.boot(setup.Taken)
	warned := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"svid.key could not be removed from the medium", "REPORT.txt could not be written"} {
		if !strings.Contains(warned, want) {
			t.Errorf("it does not warn that %s: %q", want, warned)
		}
	}
	b.boot(setup.Unchanged)
}

func TestShort(t *testing.T) {
	r := setup.Report{Outcome: setup.Refused, Faults: slices.Repeat([]string{"courtside.yaml:1:2: x\n    more\n    ^"}, 12), Warnings: []string{"w"}, Network: []string{"n"}, Next: []string{"do"}}
	lines := r.Short()
	if len(lines) != 1+8+1+3 || lines[1] != "fault: courtside.yaml:1:2: x" || lines[9] != "fault: and 4 more, see REPORT.txt" {
		t.Errorf("it says %q", lines)
	}
}

func mountReadOnly(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it mounts")
	}
	b := newBench(t)
	takesNothing(t, b, func() { readOnly(t, b.o.Medium) })
}
