package slot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// MemoryFile is the file's name in the gateway's data directory.
	MemoryFile = "slot.json"
	// memoryForm is the file's form. Versions that know a later one read this one too; what they add, earlier ones leave as it is.
	memoryForm = 1
	// maxMemoryBytes is the largest file that is read: a gateway of 10,000 devices has some 400 KB.
	maxMemoryBytes = 4 << 20
)

// Forget is how long something has to be away, while the gateway runs, until it does not count as evidence any more.
const Forget = 30 * time.Minute

// ErrMemory is what a memory that cannot be used wraps.
var ErrMemory = errors.New("the evidence of the slots cannot be read")

// Seen is what a gateway sees at a look, and what a version leaves behind as evidence.
type Seen struct {
	Link       bool     `json:"link,omitempty"`       // batches go and acks come
	Healthy    bool     `json:"healthy,omitempty"`    // it does all that it promises
	Devices    []string `json:"devices,omitempty"`    // that answer
	Interfaces []string `json:"interfaces,omitempty"` // of the network
	Carriers   []string `json:"carriers,omitempty"`   // of them, those with a carrier
}

// entry is what the file holds of one slot.
type entry struct {
	Version Version `json:"version"`
	Seen
}

// memory is the file. Entries of other slots are kept as they are, so that what another version added to its own is not lost.
type memory struct {
	Form  int                      `json:"form"`
	Slots map[Name]json.RawMessage `json:"slots"`
}

// Keeper keeps the evidence of the running slot: what was there at one of the looks of the last half an hour of running. What answers
// is evidence at once; what is away is forgotten slowly, so that neither a restart nor a moment decides. It has no goroutine and is not safe for concurrent use.
type Keeper struct {
	path    string
	slot    Name
	version Version
	file    memory
	at      map[string]time.Duration // when each was seen last
	kept    []string                 // as the file has it
}

// OpenKeeper reads the memory in dir for a gateway of a version in a slot. What the same version left there counts as seen at now. A file that
// cannot be used is told, and replaced at the next change; the Keeper is usable all the same.
func OpenKeeper(dir string, slot Name, version Version, now time.Duration) (*Keeper, error) {
	k := &Keeper{path: filepath.Join(dir, MemoryFile), slot: slot, version: version, at: map[string]time.Duration{}, file: memory{Form: memoryForm}}
	m, err := readMemory(k.path)
	if err == nil {
		k.file = m
		var own entry
		if raw, ok := m.Slots[slot]; ok && json.Unmarshal(raw, &own) == nil && own.Version == version {
			k.kept = keys(own.Seen)
			for _, key := range k.kept {
				k.at[key] = now
			}
		}
	}
	if k.file.Slots == nil {
		k.file.Slots = map[Name]json.RawMessage{}
	}
	return k, err
}

// Look takes in what the gateway sees at a monotonic time, and writes the file when the evidence has changed. After an error it tries again at
// the next look.
func (k *Keeper) Look(now time.Duration, s Seen) error {
	for _, key := range keys(s) {
		k.at[key] = now
	}
	maps.DeleteFunc(k.at, func(_ string, at time.Duration) bool { return now-at >= Forget })
	held := slices.Sorted(maps.Keys(k.at))
	if _, written := k.file.Slots[k.slot]; written && slices.Equal(held, k.kept) {
		return nil
	}
	raw, err := json.Marshal(entry{Version: k.version, Seen: seen(held)})
	if err != nil {
		return fmt.Errorf("keeping the slot's evidence: %w", err)
	}
	next := memory{Form: memoryForm, Slots: maps.Clone(k.file.Slots)}
	next.Slots[k.slot] = raw
	text, err := json.Marshal(next)
	if err == nil {
		err = replace(k.path, text)
	}
	if err != nil {
		return fmt.Errorf("keeping the slot's evidence: %w", err)
	}
	k.file, k.kept = next, held
	return nil
}

// Recall returns what the version in a slot left behind in dir; known is false when it left nothing. An error, which wraps ErrMemory,
// says why what is there cannot be used.
func Recall(dir string, slot Name) (version Version, s Seen, known bool, err error) {
	m, err := readMemory(filepath.Join(dir, MemoryFile))
	if err != nil {
		return "", Seen{}, false, err
	}
	raw, ok := m.Slots[slot]
	if !ok {
		return "", Seen{}, false, nil
	}
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return "", Seen{}, false, fmt.Errorf("%w: slot %s: %w", ErrMemory, slot, err)
	}
	return e.Version, e.Seen, true, nil
}

// readMemory reads the file; one that is absent is empty.
func readMemory(path string) (memory, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return memory{Form: memoryForm}, nil
	}
	if err == nil && !info.Mode().IsRegular() { // whoever reads may be root, and must not wait for a pipe
		err = errors.New("it is not a regular file")
	}
	if err == nil && info.Size() > maxMemoryBytes {
		err = fmt.Errorf("it has %d bytes", info.Size())
	}
	if err != nil {
		return memory{}, fmt.Errorf("%w: %s: %w", ErrMemory, path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return memory{}, fmt.Errorf("%w: %w", ErrMemory, err)
	}
	defer f.Close()
	m, err := parseMemory(io.LimitReader(f, maxMemoryBytes))
	if err != nil {
		return memory{}, fmt.Errorf("%w: %s: %w", ErrMemory, path, err)
	}
	return m, nil
}

func parseMemory(r io.Reader) (memory, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return memory{}, err
	}
	var m memory
	if err := json.Unmarshal(raw, &m); err != nil {
		return memory{}, err
	}
	if m.Form < 1 {
		return memory{}, fmt.Errorf("form %d", m.Form)
	}
	return m, nil
}

// keys writes what is seen as a sorted list of texts.
func keys(s Seen) []string {
	var out []string
	if s.Link {
		out = append(out, "link")
	}
	if s.Healthy {
		out = append(out, "healthy")
	}
	for prefix, list := range map[string][]string{"device/": s.Devices, "interface/": s.Interfaces, "carrier/": s.Carriers} {
		for _, name := range list {
			out = append(out, prefix+name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// seen is the reverse of keys.
func seen(keys []string) (s Seen) {
	for _, k := range keys {
		kind, name, _ := strings.Cut(k, "/")
		switch kind {
		case "link":
			s.Link = true
		case "healthy":
			s.Healthy = true
		case "device":
			s.Devices = append(s.Devices, name)
		case "interface":
			s.Interfaces = append(s.Interfaces, name)
		case "carrier":
			s.Carriers = append(s.Carriers, name)
		}
	}
	return s
}

// replace replaces a file in one step. After a power cut the old or the new one is there.
func replace(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
