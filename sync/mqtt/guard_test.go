package mqtt

import (
	"bytes"
	"sync/atomic"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// FuzzGuard checks that the guard judges a stream alike however it is cut, and that what it lets pass is what the library's own
// decoder sees: no longer than allowed.
func FuzzGuard(f *testing.F) {
	for _, seed := range [][]byte{{0x20, 2, 0, 0, 0x30, 4, 0, 1, 'x', 'y'}, {0x30, 0xFF, 0xFF, 0xFF, 0x7F}, {0x90, 3, 0, 1, 0}, {0x34, 0}, {0xD0, 0, 0xD0, 0},
		{0x30, 0x80, 0x80, 0x80, 0x80, 1}, {}} {
		f.Add(seed, byte(1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut byte) {
		var filters atomic.Int32
		filters.Store(2)
		const limit = 64
		whole := guard{maxBytes: limit, filters: &filters}
		want := whole.check(stream)
		pieces := guard{maxBytes: limit, filters: &filters}
		var got error
		for rest := stream; len(rest) > 0 && got == nil; {
			n := min(int(cut%7)+1, len(rest))
			got = pieces.check(rest[:n])
			rest = rest[n:]
		}
		if (want == nil) != (got == nil) {
			t.Fatalf("whole: %v, in pieces: %v", want, got)
		}
		if want != nil {
			return
		}
		for r := bytes.NewReader(stream); r.Len() > 0; {
			p, err := packets.ReadPacket(r)
			if err != nil {
				return
			}
			switch p := p.(type) {
			case *packets.PublishPacket:
				if len(p.Payload) > limit || p.Qos > 1 {
					t.Fatalf("passed: %s", p)
				}
			case *packets.SubackPacket:
				if len(p.ReturnCodes) > 2 {
					t.Fatalf("passed: %s", p)
				}
			}
		}
	})
}
