package gpio

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// What include/uapi/linux/gpio.h says, version 2 of the interface (Linux 5.10 and later). The structs have the same layout on every
// machine, 32-bit ones too: their 64-bit fields are aligned by hand there.
const (
	maxName     = 32
	maxAttrs    = 10
	eventSize   = 48
	chipInfoNr  = 0x01
	lineInfoNr  = 0x05
	requestNr   = 0x07
	getValuesNr = 0x0e
	setValuesNr = 0x0f
	ioctlType   = 0xb4
	// bufferedEdges is how many edges the kernel keeps for a request until they are read; 1,024 is the most that it takes.
	bufferedEdges = 1024
)

// Flags of a line.
const (
	flagUsed         = 1 << 0
	flagActiveLow    = 1 << 1
	flagInput        = 1 << 2
	flagOutput       = 1 << 3
	flagEdgeRising   = 1 << 4
	flagEdgeFalling  = 1 << 5
	flagBiasUp       = 1 << 8
	flagBiasDown     = 1 << 9
	flagBiasDisabled = 1 << 10
)

// consumer is what others see who ask whose a line is.
const consumer = "courtside"

const (
	attrFlags  = 1
	risingEdge = 1
)

type uapiAttribute struct {
	id, _ uint32
	value uint64
}

type uapiConfigAttribute struct {
	attr uapiAttribute
	mask uint64
}

type uapiConfig struct {
	flags    uint64
	numAttrs uint32
	_        [5]uint32
	attrs    [maxAttrs]uapiConfigAttribute
}

type uapiRequest struct {
	offsets         [maxLines]uint32
	consumer        [maxName]byte
	config          uapiConfig
	numLines        uint32
	eventBufferSize uint32
	_               [5]uint32
	fd              int32
}

type uapiValues struct{ bits, mask uint64 }

type uapiInfo struct {
	name, consumer   [maxName]byte
	offset, numAttrs uint32
	flags            uint64
	attrs            [maxAttrs]uapiAttribute
	_                [4]uint32
}

type uapiChip struct {
	name, label [maxName]byte
	lines       uint32
}

// ior and iowr return the request numbers of ioctls that read size bytes, and that write them too.
func ior(nr, size uintptr) uintptr  { return 2<<30 | size<<16 | ioctlType<<8 | nr }
func iowr(nr, size uintptr) uintptr { return 3<<30 | size<<16 | ioctlType<<8 | nr }

// text returns what stands in a field of the kernel's.
func text(field [maxName]byte) string {
	s, _, _ := bytes.Cut(field[:], []byte{0})
	return string(s)
}

// requestOf returns the request for lines as inputs whose edges are told. A request has flags for all and up to ten exceptions; lines that are
// wished alike share one.
func requestOf(wishes []wish) (uapiRequest, bool) {
	r := uapiRequest{numLines: uint32(len(wishes)), eventBufferSize: bufferedEdges}
	copy(r.consumer[:maxName-1], consumer)
	masks := make(map[uint64]uint64)
	var order []uint64
	for n, w := range wishes {
		r.offsets[n] = w.line
		f := w.flags()
		if masks[f] == 0 {
			order = append(order, f)
		}
		masks[f] |= 1 << n
	}
	for n, f := range order {
		switch {
		case n == 0:
			r.config.flags = f
		case n > maxAttrs:
			return r, false
		default:
			r.config.attrs[n-1] = uapiConfigAttribute{attr: uapiAttribute{id: attrFlags, value: f}, mask: masks[f]}
			r.config.numAttrs = uint32(n)
		}
	}
	return r, true
}

// flags returns the kernel's word for w.
func (w wish) flags() uint64 {
	f := uint64(flagInput)
	if w.edges != fallingEdges {
		f |= flagEdgeRising
	}
	if w.edges != risingEdges {
		f |= flagEdgeFalling
	}
	if w.low {
		f |= flagActiveLow
	}
	switch w.bias {
	case biasUp:
		f |= flagBiasUp
	case biasDown:
		f |= flagBiasDown
	case biasNone:
		f |= flagBiasDisabled
	}
	return f
}

// decodeEdges puts the events that the kernel wrote into edges, and returns how many they are. position finds a line in its request; edges
// of others, and what is no whole event, are left out.
func decodeEdges(raw []byte, position func(line uint32) (int, bool), into []edge) int {
	n := 0
	for ; len(raw) >= eventSize && n < len(into); raw = raw[eventSize:] {
		word := func(at int) uint32 { return binary.NativeEndian.Uint32(raw[at:]) }
		at, ok := position(word(12))
		if !ok {
			continue
		}
		into[n] = edge{line: at, at: int64(binary.NativeEndian.Uint64(raw)), rising: word(8) == risingEdge, seq: word(20)}
		n++
	}
	return n
}

// sizes of what goes through an ioctl.
const (
	chipSize    = unsafe.Sizeof(uapiChip{})
	requestSize = unsafe.Sizeof(uapiRequest{})
	valuesSize  = unsafe.Sizeof(uapiValues{})
	infoSize    = unsafe.Sizeof(uapiInfo{})
)
