package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"
)

// fakeBoard is a board of one chip, whose lines the test drives. Its kernel keeps few edges, so that it overruns soon.
type fakeBoard struct {
	start time.Time
	skew  int64 // the kernel's clock less the gateway's

	mu     sync.Mutex
	levels []bool
	used   map[uint32]bool
	gone   bool // the chip is not there
	denied bool
	raced  bool // somebody takes each line just before we do
	muted  bool // edges are not told, as when one is missed
	slow   bool // edges wait: nobody is told that they are there
	hasty  bool // of two edges of a line that nobody has read yet the kernel tells one, with the level that it finds
	taken  []*fakeLines
	keeps  int // edges that the kernel keeps
}

func newFakeBoard(lines int) *fakeBoard {
	return &fakeBoard{start: time.Now(), skew: 1000, levels: make([]bool, lines), used: make(map[uint32]bool), keeps: bufferedEdges}
}

// Mono makes the board a gateway's clock too.
func (b *fakeBoard) Mono() int64 { return int64(time.Since(b.start)) + 1 }

func (b *fakeBoard) find(chip, line string) (place, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := strconv.Atoi(line)
	switch {
	case b.denied:
		return place{}, fmt.Errorf("open: %w", fs.ErrPermission)
	case b.gone, err != nil, n >= len(b.levels), chip != "gpiochip0":
		return place{}, fmt.Errorf("%w: %s of %s", errNoLine, line, chip)
	}
	return place{"/dev/gpiochip0", uint32(n)}, nil
}

func (b *fakeBoard) free(p place) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used[p.line] {
		return fmt.Errorf("%w by \"somebody\"", errInUse)
	}
	return nil
}

func (b *fakeBoard) request(_ string, wishes []wish) (lines, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.raced {
		return nil, errInUse
	}
	l := &fakeLines{board: b, wishes: wishes, seq: make(map[int]uint32), signal: make(chan struct{}, 1), closed: make(chan struct{})}
	b.taken = append(b.taken, l)
	return l, nil
}

// set drives lines from first on.
func (b *fakeBoard) set(first int, levels ...bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, level := range levels {
		b.drive(uint32(first+n), level)
	}
}

func (b *fakeBoard) drive(line uint32, level bool) {
	if b.levels[line] == level {
		return
	}
	b.levels[line] = level
	if b.muted {
		return
	}
	for _, l := range b.taken {
		for at, w := range l.wishes {
			rising := level != w.low
			if w.line != line || w.edges == risingEdges && !rising || w.edges == fallingEdges && rising {
				continue
			}
			if n := len(l.queue); b.hasty && n > 0 && l.queue[n-1].line == at {
				l.queue[n-1].at, l.queue[n-1].rising = b.Mono()+b.skew, rising
				continue
			}
			l.seq[at]++
			l.queue = append(l.queue, edge{line: at, at: b.Mono() + b.skew, rising: rising, seq: l.seq[at]})
			if len(l.queue) > b.keeps {
				l.queue = l.queue[1:] // as the kernel does: the oldest goes
			}
			if !b.slow {
				l.wake()
			}
		}
	}
}

// mute makes edges wait, or tells of those that did. The board is locked.
func (b *fakeBoard) mute(on bool) {
	b.slow = on
	for _, l := range b.taken {
		if !on && len(l.queue) > 0 {
			l.wake()
		}
	}
}

func (l *fakeLines) wake() {
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// pull takes the chip away.
func (b *fakeBoard) pull(gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = gone
	if gone {
		for _, l := range b.taken {
			l.end(errors.New("no such device"))
		}
		b.taken = nil
	}
}

type fakeLines struct {
	board  *fakeBoard
	wishes []wish
	queue  []edge
	seq    map[int]uint32
	signal chan struct{}
	once   sync.Once
	closed chan struct{}
	err    error
}

func (l *fakeLines) end(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.closed)
	})
}

func (l *fakeLines) read(into []edge) (int, error) {
	for {
		select {
		case <-l.closed:
			return 0, l.err
		case <-l.signal:
		}
		l.board.mu.Lock()
		n := copy(into, l.queue)
		l.queue = l.queue[n:]
		more := len(l.queue) > 0
		l.board.mu.Unlock()
		if more {
			l.wake()
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (l *fakeLines) levels() (bits uint64, err error) {
	select {
	case <-l.closed:
		return 0, l.err
	default:
	}
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	for n, w := range l.wishes {
		if l.board.levels[w.line] != w.low {
			bits |= 1 << n
		}
	}
	return bits, nil
}

func (l *fakeLines) now() int64 { return l.board.Mono() + l.board.skew }

func (l *fakeLines) close() error {
	l.end(os.ErrClosed)
	return nil
}

// rack is a board of several chips.
type rack map[string]*fakeBoard

func (r rack) find(chip, line string) (place, error) {
	if r[chip] == nil {
		return place{}, fmt.Errorf("%w: %s", errNoLine, chip)
	}
	p, err := r[chip].find("gpiochip0", line)
	p.path = chip
	return p, err
}

func (r rack) free(p place) error { return r[p.path].free(p) }

func (r rack) request(path string, wishes []wish) (lines, error) {
	return r[path].request(path, wishes)
}
