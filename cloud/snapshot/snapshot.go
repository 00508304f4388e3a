// Package snapshot keeps saved states of venues in files: whole ones, or none.
//
// A file is written under another name, made durable, and only then given its own; so is the directory. It ends with
// what it is and a checksum over everything. What Load cannot use it passes over with a reason, and whoever asked replays the log.
//
//	what fails                               what happens
//	the process or power, while writing      the unfinished file is removed at the next Open; the one before stays
//	the disk is full                         the same, with an error; the state in memory goes on
//	a file is torn, flipped or of another    Load passes it over with a reason
//	log or venue
//	the records that a state rests on are    a snapshot is not finished before they are: see Save
//	not durable yet
package snapshot

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// Keep is how many snapshots of a venue are kept: should the newest be unreadable, the one before serves.
const Keep = 2

// ErrUnusable is what every reason wraps for which a file cannot be used.
var ErrUnusable = errors.New("the snapshot cannot be used")

const (
	suffix     = ".snapshot"
	unfinished = ".unfinished"
	magic      = "CSSNAP01"
	tailBytes  = 4 + 4 + len(magic) // length of the description, checksum, magic
	maxMeta    = 4096
)

// Meta says what a snapshot is.
type Meta struct {
	Venue       point.ID  `json:"venue"`
	Incarnation string    `json:"incarnation"` // of the log
	From        uint64    `json:"from"`        // the log's records from here on are still to be applied
	Taken       time.Time `json:"taken"`
}

// Store is a directory of snapshots. One process uses it at a time: whoever holds the log.
type Store struct{ dir string }

// Open makes the directory if there is none and removes what was not finished.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("opening the snapshots: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"+unfinished))
	if err != nil {
		return nil, fmt.Errorf("opening the snapshots: %w", err)
	}
	for _, f := range left {
		if err := os.Remove(f); err != nil {
			return nil, fmt.Errorf("removing an unfinished snapshot: %w", err)
		}
	}
	return &Store{dir: dir}, nil
}

// Writer writes a state. It returns from where on the log is still to be applied, and below which offset everything has to be durable
// before the snapshot may be used.
type Writer func(io.Writer) (from, upTo uint64, err error)

// Save takes a snapshot. durable returns once everything below an offset is, or says why it never will be. Older snapshots of the venue
// are removed, but for one.
func (s *Store) Save(m Meta, write Writer, durable func(upTo uint64) error) (Meta, error) {
	name := filepath.Join(s.dir, string(m.Venue)+unfinished)
	m, err := s.write(name, m, write, durable)
	if err != nil {
		_ = os.Remove(name) // it may not be there; the next Open removes it in any case
		return m, fmt.Errorf("taking a snapshot of venue %s: %w", m.Venue, err)
	}
	if err := os.Rename(name, s.path(m)); err != nil {
		return m, fmt.Errorf("taking a snapshot of venue %s: %w", m.Venue, err)
	}
	if err := syncDir(s.dir); err != nil {
		return m, fmt.Errorf("taking a snapshot of venue %s: %w", m.Venue, err)
	}
	return m, s.prune(m.Venue)
}

func (s *Store) path(m Meta) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s.%020d%s", m.Venue, m.From, suffix))
}

func (s *Store) write(name string, m Meta, write Writer, durable func(uint64) error) (Meta, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return m, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	buf := bufio.NewWriterSize(io.MultiWriter(f, sum), 256<<10)
	from, upTo, err := write(buf)
	m.From = from
	if err == nil {
		err = finish(buf, f, sum, m)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = durable(upTo)
	}
	return m, err
}

type summer interface{ Sum32() uint32 }

// finish writes what the snapshot is, and the checksum.
func finish(buf *bufio.Writer, f io.Writer, sum summer, m Meta) error {
	meta, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := buf.Write(meta); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	tail := binary.LittleEndian.AppendUint32(nil, uint32(len(meta)))
	tail = binary.LittleEndian.AppendUint32(tail, sum.Sum32())
	_, err = f.Write(append(tail, magic...))
	return err
}

// syncDir makes names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// names returns the venue's snapshots, the newest first.
func (s *Store) names(venue point.ID) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(s.dir, string(venue)+".*"+suffix))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(b, a) })
	return all, nil
}

func (s *Store) prune(venue point.ID) error {
	names, err := s.names(venue)
	for _, old := range names[min(len(names), Keep):] {
		err = errors.Join(err, os.Remove(old))
	}
	return err
}

// Load gives the venue's snapshots that are whole and of this incarnation of the log to use, the newest first, until it returns nil. It returns
// what was used, and why others were not.
func (s *Store) Load(venue point.ID, incarnation string, use func(Meta, []byte) error) (used *Meta, refused []error) {
	names, err := s.names(venue)
	if err != nil {
		return nil, []error{err}
	}
	for _, name := range names {
		m, body, err := read(name)
		switch {
		case err != nil:
		case m.Venue != venue:
			err = fmt.Errorf("%w: it is of venue %s", ErrUnusable, m.Venue)
		case m.Incarnation != incarnation:
			err = fmt.Errorf("%w: it belongs to the log %s, this one is %s", ErrUnusable, m.Incarnation, incarnation)
		default:
			if err = use(m, body); err == nil {
				return &m, refused
			}
		}
		refused = append(refused, fmt.Errorf("%s: %w", name, err))
	}
	return nil, refused
}

// read returns a whole snapshot.
func read(name string) (m Meta, body []byte, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return m, nil, err
	}
	if len(b) < tailBytes || string(b[len(b)-len(magic):]) != magic {
		return m, nil, fmt.Errorf("%w: it does not end as one", ErrUnusable)
	}
	tail := b[len(b)-tailBytes:]
	b = b[:len(b)-tailBytes]
	n := binary.LittleEndian.Uint32(tail)
	if n > maxMeta || int(n) > len(b) {
		return m, nil, fmt.Errorf("%w: its description has %d bytes", ErrUnusable, n)
	}
	if want, got := binary.LittleEndian.Uint32(tail[4:]), crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)); want != got {
		return m, nil, fmt.Errorf("%w: checksum 0x%08X is written, 0x%08X found", ErrUnusable, want, got)
	}
	body = b[:len(b)-int(n)]
	if err := json.Unmarshal(b[len(body):], &m); err != nil {
		return m, nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return m, body, nil
}

// Oldest returns from where on the log is needed, so that every snapshot that is kept can be used; false when there is none.
func (s *Store) Oldest(venue point.ID) (from uint64, ok bool) {
	names, err := s.names(venue)
	if err != nil || len(names) < Keep { // with fewer the log is the other one
		return 0, false
	}
	_, err = fmt.Sscanf(strings.TrimPrefix(filepath.Base(names[len(names)-1]), string(venue)+"."), "%d"+suffix, &from)
	return from, err == nil
}
