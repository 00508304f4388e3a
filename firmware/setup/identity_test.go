package setup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/setup"
)

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
