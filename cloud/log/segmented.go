package log

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/courtside-edge/courtside/sync/segment"
)

// Options say how a Segmented log keeps its records. The zero value is ready to use.
type Options struct {
	// SegmentBytes is about how many bytes go into one directory; 0 stands for 64 MiB, or 16 MiB on
	// 32-bit machines. At least MinSegmentBytes.
	SegmentBytes int64
	// CacheBytes is how many bytes of the newest records stay readable without the disk; 0 stands
	// for 32 MiB, a negative number for none.
	CacheBytes int64
	// MinSyncInterval is how long the log waits between the beginnings of two rounds of fsync; 0 for
	// not at all. It delays acks and spares a slow disk.
	MinSyncInterval time.Duration
	// MinFree and Ballast guard the disk; see segment.Options.
	MinFree, Ballast int64
	// Log takes what the log has to say; nil discards it.
	Log *slog.Logger
}

const (
	defaultSegmentBytes   = 64 << 20
	defaultSegmentBytes32 = 16 << 20
	defaultCacheBytes     = 32 << 20
	// MinSegmentBytes lets a segment hold a transaction of the largest record, which may take half of one.
	MinSegmentBytes = 4 << 20
)

// Segmented is a Log over sync/segment, for one machine.
type Segmented struct {
	store    *segment.Store
	interval time.Duration
	cancel   context.CancelFunc
	done     sync.WaitGroup
	buffers  sync.Pool     // of *[]byte, to encode into
	dirty    chan struct{} // holds one token while something is not synced
	synced   atomic.Uint64
	appended signal
	moved    signal

	mu     sync.Mutex // guards what follows
	err    error      // why no more is appended: ErrFailed or ErrClosed
	failed chan struct{}
}

var _ Log = (*Segmented)(nil)

// Open opens or creates the log in dir. What a crash left is repaired; Recovery tells of it.
func Open(dir string, o Options) (*Segmented, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
		if strconv.IntSize == 32 {
			o.SegmentBytes = defaultSegmentBytes32
		}
	}
	if o.SegmentBytes < MinSegmentBytes {
		return nil, fmt.Errorf("opening the log in %s: segment size %d is too small: use %d bytes or more", dir, o.SegmentBytes, MinSegmentBytes)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	store, err := segment.Open(dir, segment.Options{
		SegmentBytes: o.SegmentBytes, CacheBytes: o.CacheBytes, MinFree: o.MinFree, Ballast: o.Ballast, Log: o.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Segmented{
		store: store, interval: o.MinSyncInterval, cancel: cancel,
		dirty: make(chan struct{}, 1), failed: make(chan struct{}),
		buffers: sync.Pool{New: func() any { return new([]byte) }},
	}
	_, next := store.Bounds()
	l.synced.Store(next)
	l.done.Go(func() { l.sync(ctx) })
	return l, nil
}

// Append implements Log.
func (l *Segmented) Append(r Record) (offset uint64, err error) {
	buf := l.buffers.Get().(*[]byte)
	defer l.buffers.Put(buf)
	if *buf, err = appendRecord((*buf)[:0], r); err != nil {
		return 0, err
	}
	if err := l.stopped(); err != nil {
		return 0, err
	}
	offset, err = l.store.Append(segment.Tx{Records: [][]byte{*buf}})
	if err != nil {
		return 0, l.fail(fmt.Errorf("appending to the log: %w", err))
	}
	select {
	case l.dirty <- struct{}{}:
	default:
	}
	l.appended.wake()
	return offset, nil
}

// sync makes what is appended durable until ctx ends.
func (l *Segmented) sync(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.dirty:
		}
		begun := time.Now()
		next, err := l.store.Sync()
		if err != nil {
			_ = l.fail(fmt.Errorf("syncing the log: %w", err)) // Append and Failed tell of it
			return
		}
		l.synced.Store(next)
		l.moved.wake()
		if rest := l.interval - time.Since(begun); rest > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(rest):
			}
		}
	}
}

// fail makes err final, unless the log ended before, and returns what callers get.
func (l *Segmented) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrFailed, err)
		close(l.failed)
	}
	l.appended.wake()
	l.moved.wake()
	return l.err
}

// stopped returns why nothing more is appended, or nil.
func (l *Segmented) stopped() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Read implements Log.
func (l *Segmented) Read(ctx context.Context, from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if _, next := l.store.Bounds(); from > next {
			yield(Record{Offset: from}, fmt.Errorf("reading the log from offset %d: %w: the next is %d", from, ErrNotFound, next))
			return
		}
		for at := from; ; {
			more := l.appended.wait()
			stopped := l.stopped()
			for r, err := range l.store.Scan(at) {
				if ctx.Err() != nil {
					return
				}
				rec, next, err := decoded(r, err)
				if !yield(rec, err) {
					return
				}
				if next == 0 { // an error that is none of the record
					return
				}
				at = next
			}
			if stopped != nil {
				yield(Record{Offset: at}, fmt.Errorf("reading the log from offset %d: %w", at, stopped))
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-more:
			}
		}
	}
}

// decoded turns what the store yields into what Read yields, with the offset to go on at; 0 for none.
func decoded(r segment.Record, err error) (Record, uint64, error) {
	if bad, ok := errors.AsType[*segment.CorruptError](err); ok {
		return Record{Offset: bad.From}, bad.To, &CorruptError{From: bad.From, To: bad.To, Cause: bad.Cause}
	}
	if err != nil {
		return Record{Offset: r.Offset}, 0, translate(err)
	}
	rec, err := parseRecord(r.Offset, r.Bytes)
	if err != nil {
		return Record{Offset: r.Offset}, r.Offset + 1, &CorruptError{From: r.Offset, To: r.Offset + 1, Cause: err}
	}
	return rec, r.Offset + 1, nil
}

// translate puts the log's kind of error before the store's.
func translate(err error) error {
	for from, to := range map[error]error{segment.ErrClosed: ErrClosed, segment.ErrNotFound: ErrNotFound, segment.ErrReleased: ErrTrimmed} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrFailed, err)
}

// Get implements Log.
func (l *Segmented) Get(offset uint64) (Record, error) {
	b, err := l.store.Get(offset)
	r, _, err := decoded(segment.Record{Offset: offset, Bytes: b}, err)
	if err != nil {
		return Record{}, fmt.Errorf("reading offset %d of the log: %w", offset, err)
	}
	return r, nil
}

// Synced implements Log.
func (l *Segmented) Synced() uint64 { return l.synced.Load() }

// Watch implements Log.
func (l *Segmented) Watch() <-chan struct{} {
	moved := l.moved.wait()
	if l.stopped() != nil {
		l.moved.wake() // nothing will move any more
	}
	return moved
}

// Failed implements Log.
func (l *Segmented) Failed() <-chan struct{} { return l.failed }

// Err implements Log.
func (l *Segmented) Err() error {
	if err := l.stopped(); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// Trim implements Log.
func (l *Segmented) Trim(before uint64) error {
	if err := l.store.Release(0, before); err != nil {
		return fmt.Errorf("trimming the log before offset %d: %w", before, translate(err))
	}
	return nil
}

// Bounds implements Log.
func (l *Segmented) Bounds() (first, next uint64) { return l.store.Bounds() }

// Incarnation implements Log.
func (l *Segmented) Incarnation() string { return l.store.Incarnation() }

// Stats returns the figures of the store below.
func (l *Segmented) Stats() segment.Stats { return l.store.Stats() }

// LiveBytes returns about how many bytes the records take that were not trimmed.
func (l *Segmented) LiveBytes() int64 { return l.store.Stats().LiveBytes }

// Recovery returns what Open found.
func (l *Segmented) Recovery() segment.Recovery { return l.store.Recovery() }

// Close makes everything durable and closes the log; readers get ErrClosed. Calling it again does nothing.
func (l *Segmented) Close() error {
	l.mu.Lock()
	if l.err == nil {
		l.err = ErrClosed
	}
	l.mu.Unlock()
	l.cancel()
	l.done.Wait()
	_, next := l.store.Bounds()
	err := l.store.Close()
	if err == nil && l.Err() == nil {
		l.synced.Store(next)
	}
	l.appended.wake()
	l.moved.wake()
	if err != nil {
		return fmt.Errorf("closing the log: %w", err)
	}
	return nil
}
