package modbus

import (
	"encoding/binary"
	"sync"

	goburrow "github.com/goburrow/modbus"
)

// pageSize is how many addresses a page of the image holds.
const pageSize = 256

// image is what a device held last, as far as it was read. It is safe for concurrent use.
type image struct {
	mu    sync.RWMutex
	pages map[place]*page // by the place of their first address
}

type page struct {
	words [pageSize]uint16 // registers, or 0 and 1
	at    [pageSize]int64  // monotonic time at which it was read, plus 1; 0 for never
}

func newImage() *image { return &image{pages: map[place]*page{}} }

// store keeps what the answer to r said.
func (m *image) store(r *request, data []byte, at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := range int(r.quantity) {
		address := int(r.address) + n
		first := place{r.unit, r.table, uint16(address - address%pageSize)}
		p := m.pages[first]
		if p == nil {
			p = &page{}
			m.pages[first] = p
		}
		word := uint16(0)
		if r.table.isBits() {
			word = uint16(data[n>>3] >> (n & 7) & 1)
		} else {
			word = binary.BigEndian.Uint16(data[2*n:])
		}
		p.words[address%pageSize], p.at[address%pageSize] = word, at+1
	}
}

// read appends the data of an answer for quantity addresses from at on, or returns the exception that says why there is none: an
// address that is never read, or one that was last read before the monotonic time since.
func (m *image) read(into []byte, at place, quantity int, since int64) (data []byte, exception byte) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if int(at.address)+quantity > addresses {
		return nil, goburrow.ExceptionCodeIllegalDataAddress
	}
	base := len(into)
	for n := range quantity {
		address := int(at.address) + n
		p := m.pages[place{at.unit, at.table, uint16(address - address%pageSize)}]
		if p == nil || p.at[address%pageSize] == 0 {
			return nil, m.unknown(at.unit)
		}
		if p.at[address%pageSize] <= since {
			return nil, goburrow.ExceptionCodeGatewayTargetDeviceFailedToRespond
		}
		word := p.words[address%pageSize]
		switch {
		case !at.table.isBits():
			into = binary.BigEndian.AppendUint16(into, word)
		case n%8 == 0:
			into = append(into, byte(word))
		default:
			into[base+n/8] |= byte(word) << (n % 8)
		}
	}
	return into, 0
}

// unknown returns the exception for addresses that were never read: a unit of which nothing is known may be silent, or not polled at all.
func (m *image) unknown(unit uint8) byte {
	for at := range m.pages {
		if at.unit == unit {
			return goburrow.ExceptionCodeIllegalDataAddress
		}
	}
	return goburrow.ExceptionCodeGatewayTargetDeviceFailedToRespond
}
