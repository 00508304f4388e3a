package segment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ballastName is the file that holds space back; see Options.Ballast.
const ballastName = "ballast"

// dropBallast gives the ballast's space back and reports whether there was any.
func dropBallast(dir string) (bool, error) {
	err := os.Remove(filepath.Join(dir, ballastName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// layBallast sets size bytes aside. A failure leaves none.
func layBallast(dir string, size int64) error {
	path := filepath.Join(dir, ballastName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := allocate(f, size, false); err != nil {
		_ = os.Remove(path)
		return err
	}
	return nil
}
