package setup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/courtside-edge/courtside/firmware/setup"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/join"
)

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
