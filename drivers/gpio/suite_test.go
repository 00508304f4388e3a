package gpio

import (
	"fmt"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

// TestSuite runs the suite of all drivers over contacts. A board answers at once and never wrongly, so that most troubles are
// none of its own; what is left is going away, coming back, and lines that cannot be had.
func TestSuite(t *testing.T) { driverstest.Run(t, &harness{}) }

type harness struct{ board *fakeBoard }

// Driver returns the driver of the board that was started last.
func (h *harness) Driver() drivers.Driver { return Driver{board: h.board} }

// Limits implements driverstest.Narrow: more lines than one request takes.
func (h *harness) Limits() (int, uint16, point.Type) { return 200, 1, point.Bool }

func (h *harness) Start(_ testing.TB, points int) driverstest.Device {
	h.board = newFakeBoard(points)
	return &contacts{h.board, points}
}

type contacts struct {
	board  *fakeBoard
	points int
}

func (c *contacts) Options(time.Duration) string {
	return "chip: gpiochip0\ndebounce: 2ms\nresync: 100ms"
}

func (c *contacts) Sources() []driverstest.Source {
	const size = 50
	var all []driverstest.Source
	for from := 0; from < c.points; from += size {
		all = append(all, driverstest.Source{Options: fmt.Sprintf("line: %d", from), Points: min(size, c.points-from)})
	}
	return all
}

func (c *contacts) Set(values []uint16) {
	levels := make([]bool, len(values))
	for i, v := range values {
		levels[i] = v == 1
	}
	c.board.set(0, levels...)
}

func (c *contacts) Inject(f driverstest.Trouble) bool {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	switch f {
	case driverstest.None:
	case driverstest.RefuseSome:
		for n := c.points / 2; n < c.points; n++ {
			c.board.used[uint32(n)] = true
		}
	default:
		return false
	}
	return true
}

func (c *contacts) Stop()    { c.board.pull(true) }
func (c *contacts) Restart() { c.board.pull(false) }
