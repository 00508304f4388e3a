package gpio

import "errors"

// The failures of a line that are no failures of the board.
var (
	errNoLine = errors.New("there is no such line")
	errInUse  = errors.New("the line is in use")
)

// maxLines is how many lines the kernel gives out in one request.
const maxLines = 64

// place is where a line is.
type place struct {
	path string // of its chip, /dev/gpiochip0
	line uint32
}

// edges says which changes of a line are told; the zero value tells both.
type edges uint8

const (
	bothEdges edges = iota
	risingEdges
	fallingEdges
)

// wish is a line as it is wanted.
type wish struct {
	line  uint32
	bias  bias
	low   bool // active low
	edges edges
}

// edge is one change of one line.
type edge struct {
	line   int   // position in the request
	at     int64 // ns of the clock that lines.now tells
	rising bool  // after active low
	seq    uint32
}

// board gives out lines. It is safe for concurrent use.
type board interface {
	// find returns where a line is. Its error wraps errNoLine unless the board itself cannot be read.
	find(chip, line string) (place, error)
	// free returns nil when a line can be had, or what wraps errNoLine or errInUse.
	free(p place) error
	// request takes up to maxLines lines of the chip at path as inputs whose edges are told.
	request(path string, wishes []wish) (lines, error)
}

// lines are lines that were taken.
type lines interface {
	// read waits for edges and returns how many it put into, which has room for one at least. It ends with an error after close.
	read(into []edge) (int, error)
	// levels returns the present level of each line, by position, after active low.
	levels() (uint64, error)
	// now returns the present time of the clock that edges are dated with.
	now() int64
	// close gives the lines back. It may be called twice, and beside read.
	close() error
}
