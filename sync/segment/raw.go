package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

const (
	rawChunkBytes = 256 << 10
	// rawBlockBytes is what is given up around a place that the disk cannot read.
	rawBlockBytes = 4 << 10
)

// scanRaw finds the frames in the value logs of the segment in dir without Badger's help and calls
// fn with each, in the order of the file; a frame is valid during the call only. Whatever lies
// between two frames is skipped: Badger's own headers, and what a fault left. A nil mark accepts
// frames of any store. It returns how many it found, and whether the files hold anything at all, so
// that an unused segment can be told from a ruined one.
//
// Badger itself is not asked because opening an uncleanly closed database for writing cuts its
// value log at the first entry that is not as written, whatever comes behind it.
func scanRaw(dir string, m *mark, fn func(frame) error) (found int, used bool, err error) {
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		return 0, false, err
	}
	slices.Sort(logs)
	for _, path := range logs {
		n, data, err := scanFile(path, m, fn)
		found, used = found+n, used || data
		if err != nil {
			return found, used, err
		}
	}
	return found, used, nil
}

func scanFile(path string, m *mark, fn func(frame) error) (found int, used bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, true, fmt.Errorf("reading %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, true, err
	}
	// A value log begins with 20 bytes that say how it is encrypted; they are no data.
	w := window{r: f, at: valueLogHeader, size: info.Size()}
	for {
		i := bytes.Index(w.buf, frameMagic())
		if i < 0 {
			skip := max(0, len(w.buf)-len(frameMagic())+1)
			used = used || !zero(w.buf[:skip])
			w.discard(skip)
			if !w.more() {
				return found, used || !zero(w.buf), nil
			}
			continue
		}
		w.discard(i)
		if !w.fill(frameHeaderSize) {
			return found, true, nil
		}
		n, ok := frameLength(w.buf, m)
		if ok && w.fill(n) {
			if got, err := parseFrame(w.buf, m); err == nil {
				found, used = found+1, true
				if err := fn(got); err != nil {
					return found, true, err
				}
				w.discard(n)
				continue
			}
		}
		used = true
		w.discard(1)
	}
}

// valueLogHeader is the size of the head of Badger's value log.
const valueLogHeader = 20

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// window is the part of a file that is being looked at. What cannot be read counts as zeros.
type window struct {
	r    io.ReaderAt
	at   int64 // where the next read begins
	size int64
	buf  []byte
	mem  []byte // what buf is a part of
}

func (w *window) discard(n int) { w.buf = w.buf[n:] }

// fill makes the window hold at least n bytes, and reports whether the file has that many left.
func (w *window) fill(n int) bool {
	for len(w.buf) < n {
		if !w.more() {
			return false
		}
	}
	return true
}

// more reads on, and reports whether there was anything left.
func (w *window) more() bool {
	n := int(min(rawChunkBytes, w.size-w.at))
	if n <= 0 {
		return false
	}
	if need := len(w.buf) + n; cap(w.buf) < need {
		if cap(w.mem) < need {
			w.mem = make([]byte, max(need, 2*rawChunkBytes))
		}
		w.buf = w.mem[:copy(w.mem[:cap(w.mem)], w.buf)]
	}
	part := w.buf[len(w.buf) : len(w.buf)+n]
	for done := 0; done < n; {
		k, err := w.r.ReadAt(part[done:], w.at+int64(done))
		done += k
		if done < n && err != nil {
			if errors.Is(err, io.EOF) {
				clear(part[done:])
				break
			}
			bad := min(n-done, rawBlockBytes)
			clear(part[done : done+bad])
			done += bad
		}
	}
	w.at += int64(n)
	w.buf = w.buf[:len(w.buf)+n]
	return true
}
