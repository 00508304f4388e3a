package segment

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

const (
	memTableBytes = 1 << 20
	// maxFrames is how many frames go into one segment. The memtable must never fill before the
	// segment does: Badger's Sync reaches the newest memtable's log only, so a flush in the
	// background would leave entries that no Sync made durable. A frame takes at most 140 bytes of it.
	maxFrames = 6000
	// entryOverhead is more than what Badger adds to a value in its value log.
	entryOverhead = 64
)

var errDBClosed = errors.New("the segment's database is closed")

// db is one segment's Badger database. Reads may go on while close waits for them.
type db struct {
	mu       sync.RWMutex // held shared in use, exclusively by close
	b        *badger.DB   // nil once closed
	readOnly bool
}

// segmentSpace is how many bytes a new segment for size bytes of frames takes on disk at most.
func segmentSpace(size int64) int64 { return size + entryOverhead*maxFrames + memTableBytes }

func badgerOptions(dir string, segmentBytes int64, log *slog.Logger) badger.Options {
	valueLog := segmentBytes + entryOverhead*maxFrames + (1 << 20)
	return badger.DefaultOptions(dir).WithLogger(badgerLog{log}).
		WithSyncWrites(false).WithDetectConflicts(false).WithMetricsEnabled(false).
		WithMemTableSize(memTableBytes).WithNumMemtables(2).
		// Every frame goes to the value log, where it can be found without Badger. Badger's own marks of
		// the end of a transaction (20 bytes at most) must not: replay would not know them again.
		WithValueThreshold(frameHeaderSize / 2).WithValueLogFileSize(valueLog).WithValueLogMaxEntries(2 * maxFrames).
		WithBlockCacheSize(0).WithIndexCacheSize(0).WithCompression(options.None).
		// At most maxFrames keys of a few dozen bytes make two tables: there is never anything to compact, and idle compactors look 20
		// times a second.
		WithNumCompactors(0).WithNumLevelZeroTables(8).WithNumLevelZeroTablesStall(16).
		WithNumGoroutines(1).WithCompactL0OnClose(false)
}

// createDB makes a new database in dir, which must not exist, and has the file system set aside
// what it can grow to. The entries of dir are durable when it returns, dir's own name is not.
func createDB(dir string, segmentBytes int64, log *slog.Logger) (_ *db, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	d, err := openBadger(badgerOptions(dir, segmentBytes, log))
	if err != nil {
		return nil, err
	}
	for name, size := range map[string]int64{"000001.vlog": segmentBytes + entryOverhead*maxFrames, "00001.mem": memTableBytes} {
		if err := allocateFile(filepath.Join(dir, name), size); err != nil {
			_ = d.close()
			return nil, err
		}
	}
	if err := syncDir(dir); err != nil {
		_ = d.close()
		return nil, err
	}
	return d, nil
}

func allocateFile(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("looking for what Badger created: %w", err)
	}
	defer f.Close()
	return allocate(f, size, true)
}

// openReadOnly opens a database that was closed cleanly. Opened for writing, Badger would cut its
// value log at the first flipped bit and lose everything behind it.
func openReadOnly(dir string, segmentBytes int64, log *slog.Logger) (*db, error) {
	d, err := openBadger(badgerOptions(dir, segmentBytes, log).WithReadOnly(true))
	if err != nil {
		return nil, err
	}
	d.readOnly = true
	return d, nil
}

func openBadger(o badger.Options) (d *db, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("opening %s: Badger panicked: %v", o.Dir, p)
		}
	}()
	b, err := badger.Open(o)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", o.Dir, err)
	}
	return &db{b: b}, nil
}

// put commits one entry.
func (d *db) put(r frameRef, f frame) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.b == nil {
		return errDBClosed
	}
	txn := d.b.NewTransaction(true)
	defer txn.Discard()
	if err := txn.SetEntry(badger.NewEntry(r.key(), f)); err != nil {
		return err
	}
	return txn.Commit()
}

// view calls fn with the entry's value, which is valid during the call only. A page that cannot be
// read in becomes an error, where the process would otherwise be killed.
func (d *db) view(r frameRef, fn func(value []byte) error) (err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.b == nil {
		return errDBClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading through Badger: %v", p)
		}
	}()
	return d.b.View(func(txn *badger.Txn) error {
		item, err := txn.Get(r.key())
		if err != nil {
			return err
		}
		return item.Value(fn)
	})
}

// get returns a copy of the frame that r names, once its header is known to be as written.
func (d *db) get(r frameRef, m *mark) (f frame, err error) {
	err = d.view(r, func(value []byte) error {
		seen, err := parseFrame(value, m)
		if err == nil && seen.ref() != r {
			err = fmt.Errorf("%w: it is another one", errNotFrame)
		}
		if err == nil {
			f = bytes.Clone(seen)
		}
		return err
	})
	return f, err
}

// refs returns what frames the database lists, in order.
func (d *db) refs() (refs []frameRef, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.b == nil {
		return nil, errDBClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("listing through Badger: %v", p)
		}
	}()
	err = d.b.View(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.PrefetchValues = false
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if r, ok := parseKey(it.Item().Key()); ok {
				refs = append(refs, r)
			}
		}
		return nil
	})
	return refs, err
}

// sync makes every committed entry durable.
func (d *db) sync() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.b == nil {
		return errDBClosed
	}
	return d.b.Sync()
}

// close waits for the reads in progress and closes the database. Calling it again does nothing.
func (d *db) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.b == nil {
		return nil
	}
	b := d.b
	d.b = nil
	return b.Close()
}

// badgerLog passes on what Badger says that a person may need.
type badgerLog struct{ log *slog.Logger }

// Errorf logs at error level.
func (l badgerLog) Errorf(f string, a ...any) { l.log.Error("badger: " + line(f, a)) }

// Warningf logs at warning level.
func (l badgerLog) Warningf(f string, a ...any) { l.log.Warn("badger: " + line(f, a)) }

// Infof drops the message: Badger reports every opening and every level.
func (l badgerLog) Infof(string, ...any) {}

// Debugf drops the message.
func (l badgerLog) Debugf(string, ...any) {}

func line(f string, a []any) string {
	return string(bytes.TrimSpace([]byte(fmt.Sprintf(f, a...))))
}
