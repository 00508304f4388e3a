package gpio

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"
)

// TestLayout compares sizes and offsets with those of gpio.h as a C compiler lays them out, on every machine alike.
func TestLayout(t *testing.T) {
	var r uapiRequest
	var i uapiInfo
	for what, got := range map[string][2]uintptr{
		"request":                       {requestSize, 592},
		"request.consumer":              {unsafe.Offsetof(r.consumer), 256},
		"request.config":                {unsafe.Offsetof(r.config), 288},
		"request.config.attrs":          {unsafe.Offsetof(r.config) + unsafe.Offsetof(r.config.attrs), 320},
		"request.num_lines":             {unsafe.Offsetof(r.numLines), 560},
		"request.event_buffer_size":     {unsafe.Offsetof(r.eventBufferSize), 564},
		"request.fd":                    {unsafe.Offsetof(r.fd), 588},
		"values":                        {valuesSize, 16},
		"info":                          {infoSize, 256},
		"info.offset":                   {unsafe.Offsetof(i.offset), 64},
		"info.flags":                    {unsafe.Offsetof(i.flags), 72},
		"chip":                          {chipSize, 68},
		"GPIO_GET_CHIPINFO_IOCTL":       {ior(chipInfoNr, chipSize), 0x8044b401},
		"GPIO_V2_LINE_SET_VALUES_IOCTL": {iowr(setValuesNr, valuesSize), 0xc010b40f},
		"GPIO_V2_GET_LINEINFO_IOCTL":    {iowr(lineInfoNr, infoSize), 0xc100b405},
		"GPIO_V2_GET_LINE_IOCTL":        {iowr(requestNr, requestSize), 0xc250b407},
		"GPIO_V2_LINE_GET_VALUES_IOCTL": {iowr(getValuesNr, valuesSize), 0xc010b40e},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %#x, want %#x", what, got[0], got[1])
		}
	}
}

func TestRequestsGroupLinesThatAreWishedAlike(t *testing.T) {
	r, ok := requestOf([]wish{{line: 4}, {line: 7, bias: biasUp, low: true}, {line: 9}, {line: 11, bias: biasUp, low: true}, {line: 12, bias: biasNone}})
	if !ok || r.numLines != 5 || r.eventBufferSize != 1024 || r.offsets[3] != 11 || r.consumer[8] != 'e' {
		t.Errorf("%+v", r)
	}
	both := uint64(flagInput | flagEdgeRising | flagEdgeFalling)
	if r.config.flags != both || r.config.numAttrs != 2 {
		t.Errorf("flags %#x, %d exceptions", r.config.flags, r.config.numAttrs)
	}
	if a := r.config.attrs[0]; a.attr.id != attrFlags || a.attr.value != both|flagActiveLow|flagBiasUp || a.mask != 0b01010 {
		t.Errorf("first exception %+v", a)
	}
	if a := r.config.attrs[1]; a.attr.value != both|flagBiasDisabled || a.mask != 0b10000 {
		t.Errorf("second exception %+v", a)
	}
	if w := (wish{bias: biasDown}).flags(); w != both|flagBiasDown {
		t.Errorf("pulled down: %#x", w)
	}
	if w := (wish{edges: risingEdges}).flags(); w != flagInput|flagEdgeRising {
		t.Errorf("rising edges: %#x", w)
	}
	if w := (wish{edges: fallingEdges, low: true}).flags(); w != flagInput|flagEdgeFalling|flagActiveLow {
		t.Errorf("falling edges: %#x", w)
	}
	var eight []wish // every way there is
	for b := asIs; b <= biasNone; b++ {
		eight = append(eight, wish{bias: b}, wish{bias: b, low: true})
	}
	if _, ok := requestOf(eight); !ok {
		t.Error("the ways in which lines can be wished do not fit a request")
	}
}

// recorded is three events as the kernel of a Raspberry Pi 4 lays them out: line 17 rises, falls 1.2 ms later, and line 4 rises.
func recorded() []byte {
	var raw []byte
	event := func(at uint64, id, line, seq, lineSeq uint32) {
		raw = binary.NativeEndian.AppendUint64(raw, at)
		for _, w := range []uint32{id, line, seq, lineSeq, 0, 0, 0, 0, 0, 0} {
			raw = binary.NativeEndian.AppendUint32(raw, w)
		}
	}
	event(81_234_567_890_123, 1, 17, 1, 1)
	event(81_234_569_090_123, 2, 17, 2, 2)
	event(81_234_570_000_000, 1, 4, 3, 1)
	return raw
}

func known(line uint32) (int, bool) {
	at, ok := map[uint32]int{17: 0, 4: 1}[line]
	return at, ok
}

func TestDecodeEdges(t *testing.T) {
	var into [4]edge
	if n := decodeEdges(recorded(), known, into[:]); n != 3 || into[0] != (edge{0, 81_234_567_890_123, true, 1}) ||
		into[1] != (edge{0, 81_234_569_090_123, false, 2}) || into[2] != (edge{1, 81_234_570_000_000, true, 1}) {
		t.Errorf("%d: %+v", n, into)
	}
	if n := decodeEdges(recorded()[:eventSize+47], known, into[:]); n != 1 {
		t.Errorf("a torn event: %d", n)
	}
	if n := decodeEdges(recorded(), func(uint32) (int, bool) { return 0, false }, into[:]); n != 0 {
		t.Errorf("foreign lines: %d", n)
	}
	if n := decodeEdges(recorded(), known, into[:2]); n != 2 {
		t.Errorf("no room: %d", n)
	}
}

func FuzzDecodeEdges(f *testing.F) {
	f.Add(recorded())
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var into [8]edge
		n := decodeEdges(raw, known, into[:])
		if n > len(raw)/eventSize || n > len(into) {
			t.Fatalf("%d edges of %d bytes", n, len(raw))
		}
		for _, e := range into[:n] {
			if e.line != 0 && e.line != 1 {
				t.Fatalf("%+v", e)
			}
		}
	})
}
