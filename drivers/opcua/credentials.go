package opcua

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// credentials are read from their files at every Open, so that new ones are taken up.
type credentials struct {
	cert     []byte // ours, DER
	uri      string // the application URI in it
	key      *rsa.PrivateKey
	servers  []*x509.Certificate // trusted
	password string

	userCert []byte // the user's, DER; nil for none
	userKey  *rsa.PrivateKey
}

func loadCredentials(o *options) (*credentials, error) {
	c := &credentials{}
	if o.Login.PasswordFile != "" {
		b, err := os.ReadFile(o.Login.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("password of %q: %w", o.Login.User, err)
		}
		c.password = strings.TrimRight(string(b), "\r\n")
	}
	if !o.secure() {
		return c, nil
	}
	own, key, err := readIdentity(o.Security.CertFile, o.Security.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("own %w", err)
	}
	c.cert, c.key = own.Raw, key
	if len(own.URIs) > 0 {
		c.uri = own.URIs[0].String()
	}
	if o.Login.CertFile != "" {
		user, key, err := readIdentity(o.Login.CertFile, o.Login.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("login's %w", err)
		}
		c.userCert, c.userKey = user.Raw, key
	}
	if c.servers, err = readCertificates(o.Security.ServerCertFile); err != nil {
		return nil, fmt.Errorf("certificate of the server: %w", err)
	}
	return c, nil
}

// trust returns nil when the certificate is one of the trusted ones, or issued by one that is an authority.
func (c *credentials) trust(der []byte) error {
	roots := x509.NewCertPool()
	for _, s := range c.servers {
		if bytes.Equal(s.Raw, der) {
			return nil
		}
		if s.IsCA {
			roots.AddCert(s)
		}
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil || len(certs) == 0 {
		return fmt.Errorf("the server's certificate cannot be read: %w", errors.Join(err))
	}
	between := x509.NewCertPool()
	for _, m := range certs[1:] {
		between.AddCert(m)
	}
	_, err = certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return fmt.Errorf("the server's certificate (%s, SHA-256 %x) is not the trusted one (%s, SHA-256 %x); if the server was renewed, replace server_cert_file: %w",
			certs[0].Subject, sha256.Sum256(certs[0].Raw), c.servers[0].Subject, sha256.Sum256(c.servers[0].Raw), err)
	}
	return nil
}

// readIdentity reads a certificate and the key that belongs to it.
func readIdentity(certFile, keyFile string) (*x509.Certificate, *rsa.PrivateKey, error) {
	certs, err := readCertificates(certFile)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate: %w", err)
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	if !key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, nil, fmt.Errorf("key: file %s is not the key of certificate file %s", keyFile, certFile)
	}
	return certs[0], key, nil
}

// readCertificates reads one or more certificates, PEM or DER.
func readCertificates(path string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	der := b
	if block, rest := pem.Decode(b); block != nil {
		der = nil
		for ; block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				der = append(der, block.Bytes...)
			}
		}
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return certs, nil
}

// readKey reads an RSA key, PEM or DER, PKCS#1 or PKCS#8.
func readKey(path string) (*rsa.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	if key, err := x509.ParsePKCS1PrivateKey(b); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s holds no key: %w", path, err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T; OPC UA needs an RSA key", path, key)
	}
	return rsaKey, nil
}
