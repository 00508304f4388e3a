package setup

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/courtside-edge/courtside/sync/identity"
)

// dateFormat is how dates are written for people.
const dateFormat = "2006-01-02 15:04 UTC"

// inspect judges certificate, key and bundle; its errors name the file and what would be right.
func inspect(names [3]string, parts [3][]byte) (identity.Papers, error) {
	chain, err := certificates(parts[0])
	if err != nil {
		return identity.Papers{}, fmt.Errorf("%s: %w", names[0], err)
	}
	public, err := publicKey(parts[1])
	if err != nil {
		return identity.Papers{}, fmt.Errorf("%s: %w", names[1], err)
	}
	if own, ok := chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && !own.Equal(public) {
		return identity.Papers{}, fmt.Errorf("%s does not belong to %s; copy both from the same issue, the gateway's own certificate first", names[1], names[0])
	}
	if _, err := certificates(parts[2]); err != nil {
		return identity.Papers{}, fmt.Errorf("%s: %w", names[2], err)
	}
	papers, err := identity.Inspect(parts[0], parts[1], parts[2])
	switch {
	case errors.Is(err, identity.ErrChain):
		return papers, fmt.Errorf("%s: no authority in %s vouches for it; copy both from the same authority, intermediate certificates behind the gateway's own", names[0], names[2])
	case err != nil:
		return papers, fmt.Errorf("%s, %s, %s: %w", names[0], names[1], names[2], err)
	}
	return papers, nil
}

// certificates reads a list of certificates, and nothing else.
func certificates(text []byte) (list []*x509.Certificate, err error) {
	blocks, err := blocksOf(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			if strings.Contains(b.Type, "PRIVATE KEY") {
				return nil, fmt.Errorf("it holds a private key; keep that in %s alone", keyFile)
			}
			return nil, fmt.Errorf("it holds a %s; a CERTIFICATE is wanted", b.Type)
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of it cannot be read: %w; copy the file again", len(list)+1, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// publicKey returns the public half of a private key.
func publicKey(text []byte) (any, error) {
	blocks, err := blocksOf(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		switch b.Type {
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
			if err != nil {
				return nil, fmt.Errorf("the key cannot be read: %w; copy the file again", err)
			}
			if k, ok := key.(crypto.Signer); ok {
				return k.Public(), nil
			}
			return nil, fmt.Errorf("a %T cannot sign; issue an ECDSA key", key)
		case "ENCRYPTED PRIVATE KEY":
			return nil, fmt.Errorf("the key is encrypted, and nobody is there to type a password; write it plainly: openssl pkcs8 -in %s -out plain.key", keyFile)
		case "EC PRIVATE KEY", "RSA PRIVATE KEY":
			return nil, fmt.Errorf("the key is not PKCS #8; convert it: openssl pkcs8 -topk8 -nocrypt -in %s -out plain.key", keyFile)
		}
	}
	return nil, errors.New("it holds no private key; a block PRIVATE KEY is wanted")
}

// blocksOf reads PEM whose blocks are all whole.
func blocksOf(text []byte) (blocks []*pem.Block, err error) {
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		blocks = append(blocks, b)
	}
	switch begun := bytes.Count(text, []byte("-----BEGIN ")); {
	case begun == 0:
		return nil, errors.New(`it is no PEM file, which begins with "-----BEGIN"; convert it: openssl x509 -inform der -in FILE -out FILE.pem`)
	case begun != len(blocks):
		return nil, fmt.Errorf("%d of %d PEM blocks are whole; the end is missing: copy the file again", len(blocks), begun)
	}
	return blocks, nil
}
