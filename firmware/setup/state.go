package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// stateFile holds what was taken, in /etc/courtside.
const stateFile = ".imported"

// state is what was taken last: the hash of each file as it lay in the folder, by its name there; those that the configuration names begin with "./".
type state struct {
	Files map[string]string `json:"files"`
}

// loadState returns what was taken. A record that cannot be read is none: everything is taken again, which is safe.
func loadState(etc string) state {
	s := state{Files: map[string]string{}}
	raw, err := os.ReadFile(filepath.Join(etc, stateFile))
	if err != nil || json.Unmarshal(raw, &s) != nil || s.Files == nil {
		return state{Files: map[string]string{}}
	}
	return s
}

func (s state) save(etc string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(etc, stateFile), raw, 0o600)
}

// replace writes a file anew: its old or its new content is there, whatever happens.
func replace(path string, content []byte, mode os.FileMode) error {
	temp := path + ".tmp"
	if err := writeSynced(temp, content, mode); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path string, content []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			_ = os.Remove(path) // half of it helps nobody
		}
	}()
	if err := f.Chmod(mode); err != nil { // whatever the umask leaves
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("making the folder %s durable: %w", dir, err)
	}
	return nil
}
