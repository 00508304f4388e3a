package opcua_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
)

// identity is a certificate with its key, in files.
type identity struct {
	certFile, keyFile string
	cert              *x509.Certificate
	key               *rsa.PrivateKey
}

// newIdentity makes a certificate signed by issuer, or by itself when issuer is nil.
func newIdentity(t *testing.T, name string, issuer *identity, authority bool) *identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: authority, BasicConstraintsValid: true}
	parent, signer := tmpl, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	id := &identity{key: key, certFile: filepath.Join(t.TempDir(), name+".pem"), keyFile: filepath.Join(t.TempDir(), name+".key")}
	if id.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, id.certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, id.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return id
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secure returns the YAML of a security section.
func secure(policy, mode, server string, me *identity) string {
	return fmt.Sprintf("security: {policy: %s, mode: %s, server_cert_file: %q, cert_file: %q, key_file: %q}\n", policy, mode, server, me.certFile, me.keyFile)
}

// logInWith returns the YAML of a login by a certificate.
func logInWith(user *identity) string {
	return fmt.Sprintf("login: {cert_file: %q, key_file: %q}\n", user.certFile, user.keyFile)
}

func oneNode(t *testing.T, s *opcuaserver.Server, options string) drivers.Device {
	t.Helper()
	must(t, s, nodeA, opcuaserver.Int32, 42)
	var l logs
	return deviceOf("endpoint: "+s.Endpoint()+"\npublish_interval: 20ms\n"+options, l.logger(), single(nodeA, intPoint()))
}

func TestSecurityAndLogin(t *testing.T) {
	server, me := newIdentity(t, "server", nil, false), newIdentity(t, "gateway", nil, false)
	s := startServer(t, opcuaserver.Options{Certificate: server.cert.Raw, Key: server.key, Users: map[string]string{"gw": "s3cret"}})
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, []byte("s3cret\n"))
	login := fmt.Sprintf("login: {user: gw, password_file: %q}\n", password)
	for _, policy := range []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"} {
		for _, mode := range []string{"Sign", "SignAndEncrypt"} {
			t.Run(policy+mode, func(t *testing.T) {
				d := oneNode(t, s, secure(policy, mode, server.certFile, me)+login+"mode: poll")
				if g := pollAll(t, d, open(t, prepare(t, d))); g[0].Bits != 42 {
					t.Errorf("read %d", g[0].Bits)
				}
			})
		}
	}
	t.Run("subscribe", func(t *testing.T) {
		d := oneNode(t, s, secure("Basic256Sha256", "SignAndEncrypt", server.certFile, me)+login)
		f := follow(t, d, open(t, prepare(t, d)))
		f.untilBits(0, 42)
		set(t, s, nodeA, 43)
		f.untilBits(0, 43)
	})
	t.Run("a user's certificate", func(t *testing.T) {
		user := newIdentity(t, "user", nil, false)
		s := startServer(t, opcuaserver.Options{Certificate: server.cert.Raw, Key: server.key, UserCertificates: [][]byte{user.cert.Raw}})
		for _, policy := range []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"} {
			d := oneNode(t, s, secure(policy, "SignAndEncrypt", server.certFile, me)+logInWith(user)+"mode: poll")
			if g := pollAll(t, d, open(t, prepare(t, d))); g[0].Bits != 42 {
				t.Errorf("%s: read %d", policy, g[0].Bits)
			}
		}
		for who, wrong := range map[string]*identity{"a stranger": newIdentity(t, "stranger", nil, false), "a key of another": {certFile: user.certFile, keyFile: me.keyFile}} {
			d := oneNode(t, s, secure("Basic256Sha256", "SignAndEncrypt", server.certFile, me)+logInWith(wrong)+"mode: poll")
			if _, err := prepare(t, d).Open(t.Context()); !drivers.IsPermanent(err) || !strings.Contains(err.Error(), wrong.certFile) {
				t.Errorf("%s got %v", who, err)
			}
		}
	})
	t.Run("None with a password encrypted for the server", func(t *testing.T) {
		d := oneNode(t, s, fmt.Sprintf("login: {user: gw, password_file: %q, allow_clear: true}\nmode: poll", password))
		if g := pollAll(t, d, open(t, prepare(t, d))); g[0].Bits != 42 {
			t.Errorf("read %d", g[0].Bits)
		}
	})
}

func TestAuthorityIsTrusted(t *testing.T) {
	ca := newIdentity(t, "authority", nil, true)
	server, me := newIdentity(t, "server", ca, false), newIdentity(t, "gateway", ca, false)
	s := startServer(t, opcuaserver.Options{Certificate: server.cert.Raw, Key: server.key, SecureOnly: true})
	d := oneNode(t, s, secure("Basic256Sha256", "SignAndEncrypt", ca.certFile, me)+"mode: poll")
	if g := pollAll(t, d, open(t, prepare(t, d))); g[0].Bits != 42 {
		t.Errorf("read %d", g[0].Bits)
	}
}

// What only a person can mend is permanent, and says what it is.
func TestPermanentRefusals(t *testing.T) {
	server, other, me := newIdentity(t, "server", nil, false), newIdentity(t, "other", nil, false), newIdentity(t, "gateway", nil, false)
	s := startServer(t, opcuaserver.Options{Certificate: server.cert.Raw, Key: server.key, SecureOnly: true, Users: map[string]string{"gw": "s3cret"}})
	dir := t.TempDir()
	right, wrong := filepath.Join(dir, "right"), filepath.Join(dir, "wrong")
	write(t, right, []byte("s3cret"))
	write(t, wrong, []byte("wrong"))
	login := func(path string) string { return fmt.Sprintf("login: {user: gw, password_file: %q}\n", path) }
	good := secure("Basic256Sha256", "SignAndEncrypt", server.certFile, me)
	mixed := &identity{certFile: me.certFile, keyFile: other.keyFile}
	for name, tc := range map[string]struct{ options, says string }{
		"another certificate": {secure("Basic256Sha256", "SignAndEncrypt", other.certFile, me) + login(right), "not the trusted one"},
		"no file":             {secure("Basic256Sha256", "SignAndEncrypt", filepath.Join(dir, "none.pem"), me) + login(right), "none.pem"},
		"not a certificate":   {secure("Basic256Sha256", "SignAndEncrypt", wrong, me) + login(right), "wrong"},
		"another key":         {secure("Basic256Sha256", "SignAndEncrypt", server.certFile, mixed) + login(right), "is not the key of"},
		"no password file":    {good + login(filepath.Join(dir, "none")), "password of"},
		"wrong password":      {good + login(wrong), "activate the session"},
		"no certificates":     {good + logInWith(me), "takes no user's certificate"},
		"nobody anonymous":    {good, "set login"},
		"no such endpoint":    {"", "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := prepare(t, oneNode(t, s, tc.options+"mode: poll")).Open(t.Context())
			if !drivers.IsPermanent(err) {
				t.Errorf("%v is not permanent", err)
			}
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v does not say %q", err, tc.says)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Error("the error tells the password")
			}
		})
	}
}

// The server is given new keys while the gateway still has the old certificate, then gets the new one: no restart is needed.
func TestRenewedServerCertificate(t *testing.T) {
	first, second, me := newIdentity(t, "first", nil, false), newIdentity(t, "second", nil, false), newIdentity(t, "gateway", nil, false)
	pin := filepath.Join(t.TempDir(), "pin.pem")
	copyFile := func(from string) {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, pin, b)
	}
	copyFile(first.certFile)
	s := startServer(t, opcuaserver.Options{Certificate: second.cert.Raw, Key: second.key})
	src := prepare(t, oneNode(t, s, secure("Basic256Sha256", "SignAndEncrypt", pin, me)+"mode: poll"))
	if _, err := src.Open(t.Context()); !drivers.IsPermanent(err) {
		t.Fatalf("the other certificate got %v", err)
	}
	copyFile(second.certFile)
	open(t, src)
}
