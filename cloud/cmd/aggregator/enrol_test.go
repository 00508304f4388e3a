package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

func TestAuthority(t *testing.T) {
	dir := t.TempDir()
	ca, out := filepath.Join(dir, "ca"), filepath.Join(dir, "board")
	said, err := run("authority", "create", ca, "--trust-domain", "courtside.test")
	if err != nil || !strings.Contains(said, "trust domain courtside.test") {
		t.Fatalf("%v\n%s", err, said)
	}
	if info, err := os.Stat(filepath.Join(ca, authorityKey)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, id := range []string{"/aggregator", "venue/dal-001/gateway/gw-north", "spiffe://courtside.test/broker", "/venue/dal-001/subscriber/board"} {
		if said, err = run("authority", "issue", id, "--authority", ca, "--out", out, "--for", "2h", "--dns", "host.example"); err != nil || !strings.Contains(said, "spiffe://courtside.test/") {
			t.Errorf("%s: %v\n%s", id, err, said)
		}
	}
	s, err := identity.OpenFiles(identity.Options{TrustDomain: "courtside.test", CertFile: filepath.Join(out, "svid.pem"), KeyFile: filepath.Join(out, "svid.key"), BundleFile: filepath.Join(out, "bundle.pem")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if id, err := s.ID(); err != nil || id.Role != identity.Subscriber || time.Until(s.NotAfter()) > 2*time.Hour {
		t.Errorf("%v, %v, until %s", id, err, s.NotAfter())
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"create", ca, "--trust-domain", "courtside.test"}, "is there already"},
		{[]string{"create", filepath.Join(dir, "b")}, "trust-domain"},
		{[]string{"create", filepath.Join(dir, "b"), "--trust-domain", "Not A Domain"}, "trust domain"},
		{[]string{"issue", "/elsewhere", "--authority", ca, "--out", out}, "the path"},
		{[]string{"issue", "spiffe://elsewhere.test/broker", "--authority", ca, "--out", out}, "not of trust domain"},
		{[]string{"issue", "/broker", "--authority", dir, "--out", out}, "no such file"},
		{[]string{"issue", "/broker", "--authority", ca, "--out", out, "--for", "-1h"}, "--for"},
	} {
		if _, err := run(append([]string{"authority"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v; the error should say %q", c.args, err, c.want)
		}
	}
}

func TestTokens(t *testing.T) {
	dir, err := os.MkdirTemp("", "a") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if _, err := run("authority", "create", filepath.Join(dir, "ca"), "--trust-domain", "courtside.test"); err != nil {
		t.Fatal(err)
	}
	write := func(enrol string) string {
		path := filepath.Join(dir, "aggregator.yaml")
		text := fmt.Sprintf(`data_dir: d
identity: {trust_domain: courtside.test, workload_api: "unix:///nowhere"}
api: {listen: "127.0.0.1:0"}
broker: {listen: "127.0.0.1:0"}
%s
venues: [{id: dal-001, gateways: [{id: gw-north, devices: [plc]}]}]
`, enrol)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := run("token", "list", "-c", write("")); err == nil || !strings.Contains(err.Error(), "no enrol section") {
		t.Errorf("without the section: %v", err)
	}
	path := write(`enrol: {listen: "127.0.0.1:0", address: "cloud.example:8885", authority_cert: ca/authority.pem, authority_key: ca/authority.key}`)
	if _, err := run("token", "list", "-c", path); err == nil || !strings.Contains(err.Error(), "has to run") {
		t.Errorf("nobody runs: %v", err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := aggregator.Start(t.Context(), cfg, aggregator.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	line, err := run("token", "create", "dal-001/gw-north", "--for", "1h", "-c", path)
	if err != nil {
		t.Fatal(err)
	}
	line = line[strings.Index(line, join.Prefix):] // what people are told stands before it
	k, err := join.Parse(line)
	if err != nil || k.Address != "cloud.example:8885" || k.Gateway != "gw-north" {
		t.Fatalf("%v, %v", k, err)
	}
	if said, err := run("token", "list", "-c", path); err != nil || !strings.Contains(said, k.ID()+"  dal-001/gw-north  open") || strings.Contains(said, strings.TrimSpace(line)) {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := run("token", "revoke", k.ID(), "-c", path); err != nil || !strings.Contains(said, "1 tokens revoked") {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := run("token", "revoke", "dal-001/gw-north", "--svids", "-c", path); err != nil || !strings.Contains(said, "0 tokens revoked") {
		t.Errorf("%v\n%s", err, said)
	}
	for _, args := range [][]string{{"create", "dal-001/gw-other"}, {"create", "gw-north"}, {"create", "dal-001/gw-north", "--for", "1s"}, {"revoke", "abc"}} {
		if _, err := run(append(append([]string{"token"}, args...), "-c", path)...); err == nil {
			t.Errorf("%v was done", args)
		}
	}
}

// TestAnAuthorityThatDoesNotFit ends the start and names what to mend.
func TestAnAuthorityThatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	if _, err := run("authority", "create", filepath.Join(dir, "ca"), "--trust-domain", "elsewhere.test"); err != nil {
		t.Fatal(err)
	}
	for section, want := range map[string]string{
		"authority_cert: ca/authority.pem, authority_key: ca/authority.key": "elsewhere.test",
		"authority_cert: ca/authority.pem, authority_key: ca/absent":        "no such file",
		"authority_cert: ca/authority.key, authority_key: ca/authority.pem": "authority.key",
	} {
		path := filepath.Join(dir, "aggregator.yaml")
		text := fmt.Sprintf(`data_dir: d
identity: {trust_domain: courtside.test}
enrol: {listen: "127.0.0.1:0", %s}
venues: [{id: dal-001, gateways: [{id: gw-north, devices: [plc]}]}]
`, section)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := run("run", "-c", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; it should say %q", section, err, want)
		}
	}
}
