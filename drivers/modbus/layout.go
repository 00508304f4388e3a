package modbus

import (
	"cmp"
	"fmt"
	"slices"
)

// requestSize is the length of a Modbus TCP read request with its header.
const requestSize = 12

// request is one read of neighbouring addresses, and what to do with its answer.
type request struct {
	unit     uint8
	table    Table
	address  uint16
	quantity uint16
	items    []item // by address; never empty
	runs     []run
	adu      []byte // as goburrow packs it; the transaction id is set when it is sent
	split    *split // the refused request that it is a part of, or nil
}

// String returns the request as errors and logs name it.
func (r *request) String() string {
	return fmt.Sprintf("%s %d to %d", r.table, r.address, int(r.address)+int(r.quantity)-1)
}

// used returns how many of the request's addresses belong to a point.
func (r *request) used() int {
	n, next := 0, 0
	for _, i := range r.items {
		n += max(0, i.end()-max(next, int(i.address)))
		next = max(next, i.end())
	}
	return n
}

// limits bound a request. They are the device's options.
type limits struct{ registers, bits, gap int }

// of returns the most addresses and the widest gap of a request to t. A gap is as wide in bytes for bits as for registers.
func (l limits) of(t Table) (quantity, gap int) {
	if t.isBits() {
		return l.bits, 16 * l.gap
	}
	return l.registers, l.gap
}

// place is an address of a table of a unit.
type place struct {
	unit    uint8
	table   Table
	address uint16
}

// order puts items in the order of their addresses.
func order(a, b item) int {
	return cmp.Or(cmp.Compare(a.unit, b.unit), cmp.Compare(a.table, b.table), cmp.Compare(a.address, b.address), cmp.Compare(a.end(), b.end()), cmp.Compare(a.index, b.index))
}

// cover returns the fewest requests that read each of items, which are in order, once. A request never spans
// a cut: it holds the address of the cut or those before it, but not both. The requests keep parts of items.
func cover(items []item, l limits, cuts map[place]bool, p packer) ([]*request, error) {
	var requests []*request
	for from := 0; from < len(items); {
		first := items[from]
		most, gap := l.of(first.table)
		to, end := from+1, first.end()
		for ; to < len(items); to++ {
			next := items[to]
			wider := max(end, next.end())
			if next.unit != first.unit || next.table != first.table || wider-int(first.address) > most || int(next.address) > end+gap || cuts[next.place()] {
				break
			}
			end = wider
		}
		r, err := newRequest(items[from:to:to], p)
		if err != nil {
			return nil, err
		}
		requests = append(requests, r)
		from = to
	}
	return requests, nil
}

// newRequest returns the one request that covers items.
func newRequest(items []item, p packer) (*request, error) {
	end := 0
	for _, i := range items {
		end = max(end, i.end())
	}
	r := &request{unit: items[0].unit, table: items[0].table, address: items[0].address, items: items}
	r.quantity = uint16(end - int(r.address))
	adu, err := p.read(r.unit, r.table, r.address, r.quantity)
	if err != nil {
		return nil, err
	}
	r.adu = adu
	r.runs = compile(r)
	return r, nil
}

// compile returns the runs that decode the request's answer, as long as they come.
func compile(r *request) []run {
	unit := uint16(2) // bytes an address
	if r.table.isBits() {
		unit = 1
	}
	var runs []run
	for _, i := range r.items {
		offset := (i.address - r.address) * unit
		if n := len(runs); n > 0 {
			last := &runs[n-1]
			stride := offset - last.offset // of the first two; later ones must agree with it
			if last.count > 1 {
				stride = last.stride
			}
			if last.shape == i.shape && last.index+uint32(last.count) == i.index && int(offset) == int(last.offset)+int(last.count)*int(stride) {
				last.stride = stride
				last.count++
				continue
			}
		}
		runs = append(runs, run{index: i.index, offset: offset, count: 1, shape: i.shape})
	}
	return slices.Clip(runs)
}
