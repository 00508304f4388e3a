package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// defaultPoll is how often PEM files are read. They are a few kilobytes, and reading them
// needs no trust in modification times, symbolic links or notifications.
const defaultPoll = 5 * time.Second

// maxPEMBytes is the largest PEM file that is read; a larger one is refused.
const maxPEMBytes = 1 << 20

// OpenFiles returns a source that reads PEM files now and again every Options.Poll, until Close. It does not wait for files
// that are absent. A set that is half written or does not fit together is refused as a whole, and the one before stays. Its
// error is one of configuration.
func OpenFiles(o Options) (*Source, error) {
	if o.CertFile == "" || o.KeyFile == "" || o.BundleFile == "" {
		return nil, errors.New("identity: cert_file, key_file and bundle_file are all needed")
	}
	poll := o.Poll
	if poll <= 0 {
		poll = defaultPoll
	}
	from := fmt.Sprintf("files %s, %s, %s", o.CertFile, o.KeyFile, o.BundleFile)
	return open(context.Background(), o, from, func(ctx context.Context, s *Source) {
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		var read [sha256.Size]byte
		for {
			if sum, err := s.read(o, read); err != nil {
				s.fail(err)
			} else {
				read = sum
				s.succeed()
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

// read takes the files' content into use when its hash differs from before, and returns the hash.
func (s *Source) read(o Options, before [sha256.Size]byte) ([sha256.Size]byte, error) {
	var parts [3][]byte
	hash := sha256.New()
	for i, name := range []string{o.CertFile, o.KeyFile, o.BundleFile} {
		b, err := readPEM(name)
		if err != nil {
			return before, err
		}
		parts[i] = b
		each := sha256.Sum256(b)
		_, _ = hash.Write(each[:]) // never fails
	}
	sum := [sha256.Size]byte(hash.Sum(nil))
	if sum == before {
		return before, nil
	}
	svid, err := x509svid.Parse(parts[0], parts[1])
	if err != nil {
		return before, fmt.Errorf("files %s and %s do not make an SVID: %w", o.CertFile, o.KeyFile, err)
	}
	bundle, err := x509bundle.Parse(s.domain, parts[2])
	if err != nil {
		return before, fmt.Errorf("file %s is not a bundle: %w", o.BundleFile, err)
	}
	return sum, s.set(svid, bundle)
}

// readPEM returns a file whose PEM blocks are all whole. Without this a file cut
// between two certificates would pass for a shorter list.
func readPEM(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading PEM: %w", err)
	}
	if info.Size() > maxPEMBytes {
		return nil, fmt.Errorf("file %s has %d bytes, at most %d are read", name, info.Size(), maxPEMBytes)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading PEM: %w", err)
	}
	blocks := 0
	for rest := content; ; blocks++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
	}
	if begun := bytes.Count(content, []byte("-----BEGIN ")); blocks == 0 || begun != blocks {
		return nil, fmt.Errorf("file %s: %d of %d PEM blocks are whole; is it still being written?", name, blocks, begun)
	}
	return content, nil
}
