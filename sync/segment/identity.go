package segment

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// identityName is the file that says whose the segments beside it are.
const identityName = "IDENTITY"

// formatVersion is the version of everything below the store's directory. A store of a later one
// is set aside whole.
const formatVersion = 1

// identity is what a store keeps for ever.
type identity struct {
	Format      int    `json:"format"`
	Incarnation string `json:"incarnation"`
	Mark        string `json:"mark"` // 8 bytes in hexadecimal
	Sum         uint32 `json:"sum"`  // CRC32C of the above, each followed by a newline
}

var errIdentity = errors.New("the store's identity is not as written")

func newIdentity() identity {
	var m mark
	_, _ = rand.Read(m[:]) // never fails
	return identity{Format: formatVersion, Incarnation: rand.Text(), Mark: hex.EncodeToString(m[:])}
}

func (id identity) checksum() uint32 {
	return castagnoli(fmt.Appendf(nil, "%d\n%s\n%s\n", id.Format, id.Incarnation, id.Mark))
}

func (id identity) mark() (m mark) {
	_, _ = hex.Decode(m[:], []byte(id.Mark)) // checked by decodeIdentity
	return m
}

func (id identity) write(dir string) error {
	id.Sum = id.checksum()
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return writeFile(dir, identityName, append(b, '\n'))
}

// readIdentity returns the identity in dir; the error wraps fs.ErrNotExist, errLater or errIdentity.
func readIdentity(dir string) (identity, error) {
	b, err := os.ReadFile(filepath.Join(dir, identityName))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return identity{}, err
		}
		return identity{}, fmt.Errorf("%w: %w", errIdentity, err)
	}
	return decodeIdentity(b)
}

var errLater = errors.New("the store was written by a later version")

func decodeIdentity(b []byte) (identity, error) {
	var id identity
	if err := json.Unmarshal(b, &id); err != nil {
		return identity{}, fmt.Errorf("%w: %w", errIdentity, err)
	}
	if id.Format > formatVersion {
		return identity{}, fmt.Errorf("%w: format %d, this program knows up to %d", errLater, id.Format, formatVersion)
	}
	raw, err := hex.DecodeString(id.Mark)
	if err != nil || len(raw) != len(mark{}) || id.Incarnation == "" || id.Sum != id.checksum() {
		return identity{}, errIdentity
	}
	return id, nil
}
