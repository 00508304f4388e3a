package gpio

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

// told is one reading, or one gap, as a block brought it.
type told struct {
	at      int64
	index   uint32
	quality point.Quality
	bits    uint64
	lost    *drivers.Gap
	edge    int64 // device time
}

// follower subscribes in a bubble and keeps what it is told.
type follower struct {
	t    *testing.T
	conn drivers.Conn
	stop context.CancelFunc
	done chan error

	mu  sync.Mutex
	all []told
}

// device is lines of board: a contact on line 0 and 1, a counter on 2, by their sources.
func device(board *fakeBoard, options string, sources ...string) drivers.Device {
	d := drivers.Device{ID: "board", Options: driverstest.Section("options", "chip: gpiochip0\n"+options), Log: slog.New(slog.DiscardHandler), Clock: board}
	for n, s := range sources {
		p := &point.Point{Name: "p", Type: point.Bool, Class: point.State}
		if counts, is := strings.CutPrefix(s, "count "); is {
			p.Type, p.Class, p.Bits, s = point.Int, point.Counter, 64, counts
		}
		d.Groups = append(d.Groups, drivers.Group{Options: driverstest.Section(fmt.Sprintf("source-%d", n), s), Targets: []drivers.Target{{Index: uint32(n), Point: p}}})
	}
	return d
}

func follow(t *testing.T, board *fakeBoard, options string, sources ...string) *follower {
	t.Helper()
	return followOn(t, board, board, options, sources...)
}

// followOn follows lines of any board; clock is the one that dates them.
func followOn(t *testing.T, from board, clock *fakeBoard, options string, sources ...string) *follower {
	t.Helper()
	source, err := Driver{board: from}.Prepare(device(clock, options, sources...))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := source.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	f := &follower{t: t, conn: conn, stop: stop, done: make(chan error, 1)}
	go func() {
		f.done <- conn.(drivers.Subscriber).Subscribe(ctx, func(b *drivers.Block) {
			f.mu.Lock()
			defer f.mu.Unlock()
			for i, r := range b.Readings {
				x := told{at: b.Time, index: r.Index, quality: r.Quality, bits: r.Bits}
				if i < len(b.DeviceTimes) {
					x.edge = b.DeviceTimes[i]
				}
				if i < len(b.Gaps) {
					gap := b.Gaps[i]
					x.lost = &gap
				}
				f.all = append(f.all, x)
			}
		})
	}()
	synctest.Wait()
	return f
}

// take returns what was told since the last take.
func (f *follower) take() []told {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.all
	f.all = nil
	return all
}

func (f *follower) end() {
	f.t.Helper()
	f.stop()
	if err := <-f.done; err != nil {
		f.t.Errorf("the context ended; subscribing says %v", err)
	}
	if err := f.conn.Close(); err != nil {
		f.t.Error(err)
	}
}

const ms = time.Millisecond
