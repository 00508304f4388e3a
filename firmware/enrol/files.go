package enrol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

const (
	svidFile    = "svid.pem"
	bundleFile  = "bundle.pem"
	pendingFile = "pending.pem"
	recordBlock = "COURTSIDE ENROLMENT"

	// maxFileBytes is the largest of these files that is read.
	maxFileBytes = 1 << 20
)

// Files returns where sync/identity finds what is kept in dir: certificates and key in one file, and the bundle.
func Files(dir string) (svid, bundle string) {
	return filepath.Join(dir, svidFile), filepath.Join(dir, bundleFile)
}

// record is what a file says beside certificates and keys.
type record struct {
	Token   string `json:"token"`             // the id of the one that it came by
	Address string `json:"address,omitempty"` // where to renew
}

func (r record) pem() []byte {
	raw, err := json.Marshal(r)
	if err != nil {
		panic(err) // two strings
	}
	return pem.EncodeToMemory(&pem.Block{Type: recordBlock, Bytes: raw})
}

// held is the SVID on disk.
type held struct {
	record
	begin, end time.Time // when it was issued, and when it expires
}

// files is the folder.
type files struct {
	dir   string
	write func(path string, content []byte) error
}

// read returns a file's blocks by type; of several of a type the first. An absent file has none.
func (f files) read(name string) (map[string][]byte, error) {
	content, err := readSmall(filepath.Join(f.dir, name), maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	blocks := map[string][]byte{}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if blocks[block.Type] == nil {
			blocks[block.Type] = block.Bytes
		}
	}
	return blocks, nil
}

// readSmall returns a file's content, unless it has more than max bytes.
func readSmall(path string, max int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, max+1))
	if err == nil && int64(len(content)) > max {
		err = fmt.Errorf("file %s has more than %d bytes", path, max)
	}
	return content, err
}

// held returns the SVID on disk, or nil when there is none that can be used.
func (f files) held() (*held, error) {
	blocks, err := f.read(svidFile)
	if err != nil || blocks == nil {
		return nil, err
	}
	h := &held{}
	cert, err := x509.ParseCertificate(blocks["CERTIFICATE"])
	if err == nil {
		h.begin, h.end = cert.NotBefore.Add(identity.Backdate), cert.NotAfter
		err = json.Unmarshal(blocks[recordBlock], &h.record)
	}
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", filepath.Join(f.dir, svidFile), err)
	}
	return h, nil
}

// pending returns the key that a token is used with: the one kept for it, or a new one, which is kept before this returns.
func (f files) pending(token string) (crypto.Signer, error) {
	blocks, err := f.read(pendingFile)
	if err != nil {
		return nil, err
	}
	var r record
	if json.Unmarshal(blocks[recordBlock], &r) == nil && r.Token == token {
		if key, err := identity.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: blocks["PRIVATE KEY"]})); err == nil {
			return key, nil
		}
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	text, err := identity.MarshalKey(key)
	if err != nil {
		return nil, err
	}
	return key, f.write(filepath.Join(f.dir, pendingFile), append(record{Token: token}.pem(), text...))
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// keep writes an SVID with its key: the bundle first, which an SVID of a new authority needs and an older one does not mind.
func (f files) keep(a join.Answer, key crypto.Signer, r record) error {
	text, err := identity.MarshalKey(key)
	if err != nil {
		return err
	}
	if err := f.write(filepath.Join(f.dir, bundleFile), identity.MarshalCerts(a.Bundle)); err != nil {
		return err
	}
	if err := f.write(filepath.Join(f.dir, svidFile), append(append(identity.MarshalCerts(a.SVID), text...), r.pem()...)); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(f.dir, pendingFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a key that has served: %w", err)
	}
	return nil
}
