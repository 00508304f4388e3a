package modbus

import (
	"bytes"
	"encoding/binary"
	"testing"

	goburrow "github.com/goburrow/modbus"

	"github.com/courtside-edge/courtside/sync/point"
)

// adu returns a frame around unit id and PDU.
func adu(id uint16, body ...byte) []byte {
	f := make([]byte, prefixSize, prefixSize+len(body))
	binary.BigEndian.PutUint16(f, id)
	binary.BigEndian.PutUint16(f[4:], uint16(len(body)))
	return append(f, body...)
}

func TestNextFrame(t *testing.T) {
	whole := adu(1, 1, 3, 2, 0, 7)
	for n := range whole {
		if f, err := nextFrame(whole[:n]); f != nil || err != nil {
			t.Fatalf("%d bytes of %d: frame % x, error %v", n, len(whole), f, err)
		}
	}
	if f, err := nextFrame(append(bytes.Clone(whole), 9, 9)); err != nil || !bytes.Equal(f, whole) {
		t.Errorf("frame % x, error %v", f, err)
	}
	for name, b := range map[string][]byte{
		"protocol id": {0, 1, 0, 1, 0, 5},
		"length 0":    {0, 1, 0, 0, 0, 0},
		"length 1":    {0, 1, 0, 0, 0, 1},
		"length 255":  {0, 1, 0, 0, 0, 255},
		"text":        []byte("HTTP/1.1 400"),
	} {
		if f, err := nextFrame(b); err == nil {
			t.Errorf("%s: taken as frame % x", name, f)
		}
	}
}

func TestJudge(t *testing.T) {
	e := expectation{unit: 1, function: 3, size: 4}
	cases := []struct {
		name string
		body []byte
		data []byte
		code byte
	}{
		{"right", []byte{1, 3, 4, 1, 2, 3, 4}, []byte{1, 2, 3, 4}, 0},
		{"exception", []byte{1, 0x83, 2}, nil, 2},
		{"exception 0", []byte{1, 0x83, 0}, nil, 0},
		{"exception with more", []byte{1, 0x83, 2, 0}, nil, 0},
		{"another function's exception", []byte{1, 0x84, 2}, nil, 0},
		{"another function", []byte{1, 4, 4, 1, 2, 3, 4}, nil, 0},
		{"another unit", []byte{2, 3, 4, 1, 2, 3, 4}, nil, 0},
		{"short", []byte{1, 3, 2, 1, 2}, nil, 0},
		{"long", []byte{1, 3, 6, 1, 2, 3, 4, 5, 6}, nil, 0},
		{"byte count beyond the frame", []byte{1, 3, 4, 1, 2}, nil, 0},
		{"byte count short of the frame", []byte{1, 3, 4, 1, 2, 3, 4, 5, 6}, nil, 0},
		{"no byte count", []byte{1, 3}, nil, 0},
	}
	for _, tc := range cases {
		data, code := e.judge(tc.body)
		if !bytes.Equal(data, tc.data) || code != tc.code {
			t.Errorf("%s: data % x, code %d", tc.name, data, code)
		}
	}
}

func TestExpect(t *testing.T) {
	for _, tc := range []struct {
		function      byte
		quantity      uint16
		size          byte
		unit, address byte
	}{
		{1, 1, 1, 9, 0}, {1, 8, 1, 9, 0}, {2, 9, 2, 0, 0}, {2, 2000, 250, 0, 0}, {3, 125, 250, 255, 0}, {4, 1, 2, 1, 0},
	} {
		f := adu(1, tc.unit, tc.function, 0, tc.address, byte(tc.quantity>>8), byte(tc.quantity))
		if e := expect(f[prefixSize:]); e != (expectation{tc.unit, tc.function, tc.size}) {
			t.Errorf("function %d, quantity %d: %+v", tc.function, tc.quantity, e)
		}
	}
}

// goburrow's own packager accepts what judge accepts, so that its client and the hot path agree.
func TestGoburrowAgrees(t *testing.T) {
	packager := goburrow.NewTCPClientHandler("")
	packager.SlaveId = 1
	request, err := packager.Encode(&goburrow.ProtocolDataUnit{FunctionCode: 3, Data: []byte{0, 0, 0, 2}})
	if err != nil {
		t.Fatal(err)
	}
	answer := adu(frameID(request), 1, 3, 4, 1, 2, 3, 4)
	if err := packager.Verify(request, answer); err != nil {
		t.Error(err)
	}
	pdu, err := packager.Decode(answer)
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := expect(request[prefixSize:]).judge(answer[prefixSize:]); !bytes.Equal(data, pdu.Data[1:]) {
		t.Errorf("% x against % x", data, pdu.Data)
	}
}

func TestExceptionQualities(t *testing.T) {
	for code, want := range map[byte]point.Quality{
		1: point.BadConfigurationError, 2: point.BadNodeIDUnknown, 3: point.BadConfigurationError, 4: point.BadDeviceFailure,
		5: point.BadResourceUnavailable, 6: point.BadResourceUnavailable, 8: point.BadDeviceFailure, 10: point.BadNotConnected,
		11: point.BadNotConnected, 99: point.BadDeviceFailure,
	} {
		if got := exceptionQuality(code); got != want {
			t.Errorf("exception %d is %v, want %v", code, got, want)
		}
	}
}

// FuzzFrames cuts a stream into frames and judges each, as a link does.
func FuzzFrames(f *testing.F) {
	f.Add(adu(1, 1, 3, 4, 1, 2, 3, 4), byte(1), byte(3), uint16(2))
	f.Add(append(adu(2, 1, 0x83, 2), adu(3, 1, 1, 1, 5)...), byte(1), byte(1), uint16(3))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), byte(1), byte(3), uint16(2))
	f.Add([]byte{0, 1, 0, 0, 0, 254, 1, 3}, byte(1), byte(3), uint16(125))
	f.Fuzz(func(t *testing.T, stream []byte, unit, function byte, quantity uint16) {
		function, quantity = 1+function%4, 1+quantity%125
		e := expect([]byte{unit, function, 0, 0, byte(quantity >> 8), byte(quantity)})
		for len(stream) > 0 {
			frame, err := nextFrame(stream)
			if err != nil || frame == nil {
				return
			}
			if len(frame) < prefixSize+minLength || len(frame) > prefixSize+maxLength {
				t.Fatalf("a frame of %d bytes", len(frame))
			}
			data, code := e.judge(frame[prefixSize:])
			if data != nil && (code != 0 || len(data) != int(e.size) || frame[6] != unit || frame[7] != function) {
				t.Fatalf("frame % x is taken for %+v with data % x, code %d", frame, e, data, code)
			}
			if data != nil { // what is accepted must be enough for every run of the request
				items := []item{{address: 0, table: Holding, shape: shape{kind: unsigned, width: 1}}}
				if function <= 2 {
					items[0].table, items[0].shape.kind = Coil, flag
				}
				for a := uint16(1); a < quantity; a++ {
					next := items[0]
					next.address, next.index = a, uint32(a)
					items = append(items, next)
				}
				r := request{table: items[0].table, items: items}
				n := 0
				for _, run := range compile(&r) {
					n += len(run.decode(data, nil))
				}
				if n != int(quantity) {
					t.Fatalf("%d readings of %d points", n, quantity)
				}
			}
			stream = stream[len(frame):]
		}
	})
}
