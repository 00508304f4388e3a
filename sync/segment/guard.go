package segment

import (
	"errors"
	"fmt"
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

// closeReserve is what Badger may write when a database is closed: its tables, through a mapping.
const closeReserve = 1 << 20

// roomFor refuses with ErrFull unless rest bytes stay free beside a new segment for size more.
func (s *Store) roomFor(size, rest int64) error {
	free, err := s.opts.Free(s.dir)
	if err != nil || s.opts.MinFree < 0 {
		return err
	}
	if need := segmentSpace(size) + rest; free < need {
		return fmt.Errorf("%w: %s has %d bytes left, a new segment needs %d and %d must stay free", ErrFull, s.dir, free, segmentSpace(size), rest)
	}
	return nil
}

// roomToOpen is roomFor for what Open and repairs need: they may use the ballast, and most of what
// MinFree keeps from appenders, or a full store could not be drained after a restart.
func (s *Store) roomToOpen(size int64) error {
	rest := min(s.opts.MinFree/4, closeReserve)
	if _, err := s.freeAtLeast(segmentSpace(size) + rest); err != nil {
		return err
	}
	return s.roomFor(size, rest)
}

// roomToClose refuses with ErrFull while Badger could run out of space in the middle of closing.
func (s *Store) roomToClose() error {
	free, err := s.freeAtLeast(closeReserve)
	if err == nil && free < closeReserve && s.opts.MinFree >= 0 {
		err = fmt.Errorf("%w: %s has %d bytes left, closing a segment needs %d", ErrFull, s.dir, free, closeReserve)
	}
	return err
}

// freeAtLeast returns the free bytes, having dropped the ballast if they are fewer than need.
func (s *Store) freeAtLeast(need int64) (int64, error) {
	free, err := s.opts.Free(s.dir)
	if err != nil || free >= need {
		return free, err
	}
	if dropped, err := dropBallast(s.dir); err != nil || !dropped {
		return free, err
	}
	s.opts.Log.Warn("space is short: the ballast was removed", "dir", s.dir, "free", free)
	return s.opts.Free(s.dir)
}

// guard drops the ballast when space is about to end, and lays it again when there is plenty.
func (s *Store) guard() {
	if s.opts.Ballast == 0 {
		return
	}
	free, err := s.freeAtLeast(closeReserve)
	if err == nil && free > max(0, s.opts.MinFree)+2*s.opts.Ballast+segmentSpace(s.opts.SegmentBytes) {
		err = layBallast(s.dir, s.opts.Ballast)
	}
	if err != nil {
		s.opts.Log.Warn("the ballast could not be kept", "dir", s.dir, "err", err)
	}
}
