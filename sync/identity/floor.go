package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// floorEvery is how often a time that goes on is written down: often enough to judge certificates by, rarely enough for flash.
const floorEvery = 10 * time.Minute

// maxFloorBytes is the largest file that is read; a larger one is none of ours.
const maxFloorBytes = 4096

// Floor keeps the latest time that is known to have passed, across restarts, in a small file. Only times from verified acks belong
// there: whoever could set it could expire every certificate. It is safe for concurrent use.
type Floor struct {
	path  string
	build time.Time

	mu    sync.Mutex
	kept  time.Time // as the file has it
	tried time.Time // to write, though it may have failed
	last  time.Time // the latest observed
}

// floorFile is the file's content.
type floorFile struct {
	Version int       `json:"v"`
	Cloud   time.Time `json:"cloud_time"`
}

// OpenFloor reads the floor kept at path. A file that is absent is no error; one that cannot be read is told, and stands for none:
// the Floor is usable all the same.
func OpenFloor(path string) (*Floor, error) {
	f := &Floor{path: path, build: BuildTime()}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil && info.Size() > maxFloorBytes {
		err = fmt.Errorf("it has %d bytes", info.Size())
	}
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile(path)
	}
	var content floorFile
	if err == nil {
		err = json.Unmarshal(raw, &content)
	}
	if err == nil && content.Version != 1 {
		err = fmt.Errorf("version %d, 1 is known here", content.Version)
	}
	if err != nil {
		return f, fmt.Errorf("reading the time kept at %s: %w", path, err)
	}
	f.kept, f.last = content.Cloud, content.Cloud
	return f, nil
}

// Time returns the latest time that is known to have passed: the last one kept or observed, or the build's.
func (f *Floor) Time() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last.After(f.build) {
		return f.last
	}
	return f.build
}

// Observe takes in the time of a verified ack, and writes it down when it is ten minutes later than what the file has. An earlier one than
// before changes nothing.
func (f *Floor) Observe(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.After(f.last) {
		f.last = t
	}
	if f.last.Sub(f.kept) < floorEvery || f.last.Sub(f.tried) < floorEvery {
		return nil
	}
	f.tried = f.last
	return f.write()
}

// Close writes down what was observed last.
func (f *Floor) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.last.After(f.kept) {
		return nil
	}
	return f.write()
}

// write replaces the file in one step. After a power cut the old or the new one is there.
func (f *Floor) write() (err error) {
	raw, err := json.Marshal(floorFile{1, f.last.UTC()})
	if err != nil {
		return fmt.Errorf("keeping the time: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".new-*")
	if err != nil {
		return fmt.Errorf("keeping the time: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(raw)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("keeping the time: %w", err)
	}
	f.kept = f.last
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return fmt.Errorf("keeping the time: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("keeping the time: %w", err)
	}
	return nil
}
