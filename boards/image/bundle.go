package image

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// bundle makes the signed file that updates a slot: one ext4 image, verified block by block as it is read (dm-verity), so that it can be
// installed from a server without being stored first.
func (b *Build) bundle(ctx context.Context) error {
	b.Result.Bundle = b.name(".raucb")
	return Bundle(ctx, BundleOptions{Slot: b.slotFile(), Compatible: "courtside-" + b.Board.ID, Version: b.Version, Keys: b.Result.Keys,
		Out: b.Result.Bundle, Work: filepath.Join(b.Work, "bundle"), Epoch: b.Epoch})
}

// BundleOptions say what a bundle holds.
type BundleOptions struct {
	Slot                string // ext4 image
	Compatible, Version string
	Keys                string // folder with sign.crt and sign.key
	Out, Work           string
	Epoch               time.Time
}

// Bundle makes a bundle with RAUC's own tool.
func Bundle(ctx context.Context, o BundleOptions) error {
	if err := os.RemoveAll(o.Work); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Work, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(o.Out); err != nil {
		return err
	}
	if err := os.Link(o.Slot, filepath.Join(o.Work, "rootfs.ext4")); err != nil {
		return err
	}
	manifest := fmt.Sprintf("[update]\ncompatible=%s\nversion=%s\n\n[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=rootfs.ext4\n", o.Compatible, o.Version)
	if err := os.WriteFile(filepath.Join(o.Work, "manifest.raucm"), []byte(manifest), 0o644); err != nil {
		return err
	}
	b := Build{Options: Options{Epoch: o.Epoch}}
	_, err := b.command(ctx, "rauc", "bundle", "--cert="+filepath.Join(o.Keys, "sign.crt"), "--key="+filepath.Join(o.Keys, "sign.key"),
		"--mksquashfs-args=-comp zstd -Xcompression-level 9 -no-progress", o.Work, o.Out)
	return err
}

// installKeys puts the authorities whose bundles the image accepts into it. Without keys of one's own, keys of development are made once
// and kept in the cache: whoever has that folder can sign for every gateway that was flashed with it.
func (b *Build) installKeys() error {
	keys := b.Keys
	if keys == "" {
		keys = filepath.Join(b.Cache, "keys")
		if _, err := os.Stat(filepath.Join(keys, "keyring.pem")); err != nil {
			if err := MakeKeys(keys, "Courtside development"); err != nil {
				return err
			}
		}
	}
	b.Result.Keys = keys
	text, err := os.ReadFile(filepath.Join(keys, "keyring.pem"))
	if err != nil {
		return fmt.Errorf("the authorities for updates: %w", err)
	}
	return replace(filepath.Join(b.root(), "etc", "rauc", "keyring.pem"), text, 0o644)
}

// MakeKeys makes an authority and a signer below it: keyring.pem, authority.key, sign.crt and sign.key. A keyring may hold several authorities, one
// behind the other: that is how a signer is changed.
func MakeKeys(dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	authority := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name + " updates authority"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	signer := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name + " updates"}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
	signKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		template *x509.Certificate
		of       *ecdsa.PrivateKey
		crt, key string
	}{{authority, key, "keyring.pem", "authority.key"}, {signer, signKey, "sign.crt", "sign.key"}} {
		der, err := x509.CreateCertificate(rand.Reader, c.template, authority, c.of.Public(), key)
		if err != nil {
			return err
		}
		private, err := x509.MarshalPKCS8PrivateKey(c.of)
		if err != nil {
			return err
		}
		if err := replace(filepath.Join(dir, c.key), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
			return err
		}
		if err := replace(filepath.Join(dir, c.crt), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's source of randomness does not fail
	}
	return n
}
