package segment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/courtside-edge/courtside/sync/interval"
)

// Tx is what one Append stores, all of it or nothing.
type Tx struct {
	Records [][]byte          // in order; each gets an offset; may be empty, and a record may be
	Set     map[string][]byte // small state; a nil value deletes the key
}

// Record is one stored record.
type Record struct {
	Offset uint64
	Bytes  []byte // must not be modified; may be kept
}

// Stats are a store's figures since it was opened, and what it holds now.
type Stats struct {
	Segments     int    // directories, the newest one included
	Records      uint64 // not released
	LiveBytes    int64  // of records not released; a segment released in part counts in proportion
	DiskBytes    int64  // allocated on disk for the segments, what is held ahead included
	Appends      uint64 // transactions
	Syncs        uint64 // rounds of fsync
	WrittenBytes uint64 // handed to Badger: records, headers and state
	CorruptReads uint64 // reads that met a record that cannot be read back
	OpenDBs      int    // Badger databases open now
}

// SetAside is something that could not be used and was moved out of the way for a person to look at.
type SetAside struct {
	Path   string
	Reason string
}

// Recovery says what Open found and did.
type Recovery struct {
	Created   bool                // there was no store
	Clean     bool                // the last process that held the store closed it
	Lost      []interval.Interval // offsets that had been synced and cannot be read any more; Scan names them too
	Torn      interval.Interval   // offsets that had been appended but never synced, and were cut off; they are given again
	Repaired  []uint64            // segments, by id, that were written anew from what could be read
	SetAside  []SetAside
	StateLost bool // the small state, or its newest changes, could not be read
}

// Store is an append-only store. Its methods are safe for concurrent use.
//
// Locks are taken in this order: appending, syncing, reading, mu. A database's own comes last.
type Store struct {
	dir      string // the caller's
	root     string // the store proper, below dir
	opts     Options
	id       identity
	mark     mark
	lock     *os.File
	recovery Recovery
	keeper   *keeper

	appending sync.Mutex // held by whoever writes a frame or changes the active segment
	syncing   sync.Mutex // held by whoever runs a round of fsync
	water     *watermark // guarded by syncing
	reading   sync.Mutex // held by whoever reads a closed segment
	reader    *reader    // guarded by reading; the one closed segment that is open, or nil

	mu        sync.RWMutex // guards what follows
	moved     *sync.Cond   // on mu: a spare came, a round of fsync ended, the store failed
	segments  []*segment   // ascending; the last one is active
	sealing   *segment     // was rotated away and is not closed yet
	spare     *segment     // opened ahead
	tries     uint64       // at opening a spare
	spareErr  error        // of the last try
	wanted    bool         // an appender waits for a spare
	sealErr   error        // of the last try at closing what was rotated away
	nextID    uint64       // of a segment
	state     *state
	pending   interval.Set // released and not written yet
	sweepable bool         // some closed segment may be wholly released
	ring      ring
	next      uint64 // the next offset
	frames    uint64 // appended since Open
	synced    uint64 // every offset below is durable
	durable   uint64 // how many of frames are
	rounding  bool   // a caller of Sync is at it
	failed    error  // final
	closed    bool
	unclosed  []*segment // that a full disk kept from closing
	appends   uint64
	syncs     uint64
	written   uint64
	corrupt   uint64
}

// segment is one directory.
type segment struct {
	id          uint64
	dir         string
	first, next uint64
	bytes       int64 // of frames
	recordBytes int64
	frames      int
	refs        []frameRef // of an open one that is written or was
	db          *db        // nil once closed
	indexed     bool       // its index is written: it may be opened read-only
	removed     bool
	mended      bool  // was written anew; guarded by reading
	disk        int64 // once closed
}

// Bounds returns the first offset that was not released and the next one that will be given.
// They are equal when nothing is held.
func (s *Store) Bounds() (first, next uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.skipReleased(0), s.next
}

// skipReleased returns the first offset from off on that was not released. The caller holds mu.
func (s *Store) skipReleased(off uint64) uint64 {
	for i := range s.state.released.Missing(interval.Interval{From: off, To: s.next}) {
		return i.From
	}
	return max(off, s.next)
}

// Incarnation returns the random id that the store was given when it was created and keeps for
// ever: an offset means something together with it only.
func (s *Store) Incarnation() string { return s.id.Incarnation }

// Recovery returns what Open found.
func (s *Store) Recovery() Recovery { return s.recovery }

// Stats returns the store's figures. It asks the file system about the open segments.
func (s *Store) Stats() Stats {
	s.reading.Lock()
	open := 0
	if s.reader != nil {
		open++
	}
	s.reading.Unlock()
	s.mu.RLock()
	st := Stats{
		Segments: len(s.segments), Appends: s.appends, Syncs: s.syncs, WrittenBytes: s.written, CorruptReads: s.corrupt,
		OpenDBs: open,
	}
	var measure []string
	for _, g := range s.segments {
		held := uint64(0)
		for i := range s.state.released.Missing(g.interval()) {
			held += i.Len()
		}
		st.Records += held
		if g.next > g.first {
			st.LiveBytes += int64(float64(g.recordBytes) * float64(held) / float64(g.next-g.first))
		}
		if g.db != nil {
			st.OpenDBs++
		}
		if st.DiskBytes += g.disk; g.disk == 0 {
			measure = append(measure, g.dir)
		}
	}
	if s.spare != nil {
		st.OpenDBs++
		measure = append(measure, s.spare.dir)
	}
	s.mu.RUnlock()
	for _, dir := range measure {
		st.DiskBytes += diskBytes(dir)
	}
	return st
}

// fail makes err final, and returns what callers get from now on.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		s.opts.Log.Error("the store failed", "dir", s.dir, "err", err)
	}
	s.moved.Broadcast()
	return s.failed
}

// usable returns why nothing may be written. The caller holds mu.
func (s *Store) usable() error {
	if s.closed {
		return fmt.Errorf("%s: %w", s.dir, ErrClosed)
	}
	return s.failed
}

// Close writes what was released, syncs, closes and unlocks the store. It waits for calls in progress;
// later ones get ErrClosed. Calling it again does nothing, but for a segment that a full disk kept from closing (ErrFull): that
// is tried again, and the store stays locked until then or the end of the process.
func (s *Store) Close() error {
	s.appending.Lock()
	defer s.appending.Unlock()
	s.mu.Lock()
	if s.closed {
		rest := s.unclosed
		s.unclosed = nil
		s.mu.Unlock()
		if len(rest) == 0 {
			return nil
		}
		return errors.Join(s.closeSegments(rest, false), s.unlock())
	}
	failed := s.failed
	s.mu.Unlock()
	s.keeper.stop()
	var errs []error
	if failed == nil {
		errs = append(errs, s.writeReleases(), s.syncRound())
	}
	s.mu.Lock()
	s.closed = true
	s.moved.Broadcast()
	active, sealing, spare := s.segments[len(s.segments)-1], s.sealing, s.spare
	s.spare = nil
	s.mu.Unlock()
	errs = append(errs, s.closeSegments([]*segment{sealing, active}, errors.Join(errs...) == nil && failed == nil))
	if spare != nil {
		errs = append(errs, spare.db.close(), os.RemoveAll(spare.dir))
	}
	return errors.Join(append(errs, s.release())...)
}

// closeSegments closes those that are not nil; what cannot be closed yet is kept for the next Close.
func (s *Store) closeSegments(list []*segment, durable bool) error {
	var errs []error
	for _, g := range list {
		if g == nil {
			continue
		}
		err := s.closeSegment(g, durable && errors.Join(errs...) == nil)
		if errors.Is(err, ErrFull) {
			s.mu.Lock()
			s.unclosed = append(s.unclosed, g)
			s.mu.Unlock()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// release gives back what is held beside the segments that are written.
func (s *Store) release() error {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.reader.close()
	s.reader = nil
	return errors.Join(err, s.water.close(), s.unlock())
}

// unlock gives the lock back unless a segment is still open: what its database writes when it closes must not meet another's.
func (s *Store) unlock() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unclosed) > 0 {
		return nil
	}
	return unlock(s.lock)
}

// segmentDir returns where the segment of that id lives.
func (s *Store) segmentDir(id uint64) string { return filepath.Join(s.root, segmentName(id)) }

func segmentName(id uint64) string { return fmt.Sprintf("seg-%016x", id) }
