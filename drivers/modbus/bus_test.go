package modbus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// rtuFrame returns body with its checksum.
func rtuFrame(body ...byte) []byte {
	sum := checksum(body)
	return append(body, byte(sum), byte(sum>>8))
}

// pair returns a bus, and the far end of its line.
func pair(t *testing.T, timeout time.Duration) (*bus, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	b := newBus(near, stillClock{}, timeout, &counters{}, &latecomers{})
	b.gap = 100 * time.Microsecond
	if err := b.watch(context.Background()); err != nil {
		t.Fatal(err)
	}
	return b, far
}

// ask sends a read of one register of unit 1 and lets the far end write pieces for it.
func ask(t *testing.T, b *bus, far net.Conn, pieces ...[]byte) (answer, error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.ReadFull(far, make([]byte, 8)); err != nil {
			return
		}
		for _, p := range pieces {
			if _, err := far.Write(p); err != nil {
				return
			}
		}
	}()
	defer func() { <-done }()
	if err := b.send(rtuFrame(1, 3, 0, 7, 0, 1), 5); err != nil {
		return answer{}, err
	}
	return b.receive()
}

// goburrow's packager and this checksum agree.
func TestChecksumIsGoburrows(t *testing.T) {
	adu, err := packer{rtu: true}.read(17, Holding, 107, 3)
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{0x11, 0x03, 0x00, 0x6B, 0x00, 0x03, 0x76, 0x87}; !bytes.Equal(adu, want) || !summed(adu, 6) {
		t.Errorf("% x, want % x", adu, want)
	}
}

func TestBusKnowsItsAnswers(t *testing.T) {
	good := rtuFrame(1, 3, 2, 0x12, 0x34)
	refusal := rtuFrame(1, 0x83, 2)
	for name, tc := range map[string]struct {
		pieces [][]byte
		want   outcome
		code   byte
	}{
		"whole":                       {[][]byte{good}, answered, 0},
		"byte by byte":                {[][]byte{good[:1], good[1:2], good[2:3], good[3:5], good[5:]}, answered, 0},
		"an exception":                {[][]byte{refusal}, refused, 2},
		"an exception in two reads":   {[][]byte{refusal[:4], refusal[4:]}, refused, 2},
		"behind noise":                {[][]byte{{0}, {0xFF, 1, 3}, good}, answered, 0},
		"behind another unit's":       {[][]byte{rtuFrame(2, 3, 2, 9, 9), good}, answered, 0},
		"behind an echo":              {[][]byte{rtuFrame(1, 3, 0, 7, 0, 1), good}, answered, 0},
		"a wrong checksum":            {[][]byte{{1, 3, 2, 0x12, 0x34, 0, 0}}, malformed, 0},
		"another size":                {[][]byte{rtuFrame(1, 3, 4, 1, 2, 3, 4)}, malformed, 0},
		"another function":            {[][]byte{rtuFrame(1, 4, 2, 1, 2)}, malformed, 0},
		"text":                        {[][]byte{[]byte("HTTP/1.1 400 Bad Request")}, malformed, 0},
		"nothing":                     {nil, silent, 0},
		"another unit's alone":        {[][]byte{rtuFrame(2, 3, 2, 9, 9)}, silent, 0},
		"a wrong checksum, then good": {[][]byte{{1, 3, 2, 0x12, 0x34, 0, 0}, good}, answered, 0},
	} {
		b, far := pair(t, 60*time.Millisecond)
		a, err := ask(t, b, far, tc.pieces...)
		if err != nil || a.outcome != tc.want || a.code != tc.code || a.tag != 5 {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if tc.want == answered && !bytes.Equal(a.data, []byte{0x12, 0x34}) {
			t.Errorf("%s: data % x", name, a.data)
		}
	}
}

// An answer that comes after its timeout is not taken for that of the next request, which looks alike.
func TestBusLeavesLateAnswers(t *testing.T) {
	b, far := pair(t, 100*time.Millisecond)
	if a, err := ask(t, b, far); err != nil || a.outcome != silent {
		t.Fatal(a, err)
	}
	go far.Write(rtuFrame(1, 3, 2, 0xBA, 0xD0)) // waits for the bus to read, which it does before it asks again
	a, err := ask(t, b, far, rtuFrame(1, 3, 2, 0x12, 0x34))
	if err != nil || a.outcome != answered || !bytes.Equal(a.data, []byte{0x12, 0x34}) || b.stats.strays.Load() != 1 {
		t.Errorf("%+v, %v, %d strays", a, err, b.stats.strays.Load())
	}
	if len(b.late.list) != 0 {
		t.Errorf("%d late answers are still waited for", len(b.late.list))
	}
}

// Only what could be mistaken is waited for: another unit is asked at once.
func TestBusWaitsForNobodyElse(t *testing.T) {
	l := &latecomers{}
	one := expectation{1, 3, 2}
	l.add(one, time.Minute)
	for _, e := range []expectation{{2, 3, 2}, {1, 4, 2}} {
		if !l.until(e).IsZero() {
			t.Errorf("%+v waits for the late answer to %+v", e, one)
		}
	}
	if until := time.Until(l.until(one)); until <= 0 || until > maxLate {
		t.Errorf("a late answer is waited for %v", until)
	}
	if !l.take(append([]byte{0xFF}, rtuFrame(1, 0x83, 4)...)) || !l.until(one).IsZero() {
		t.Error("a late exception was not known")
	}
	for range 3 * maxLatecomers {
		l.add(one, time.Minute)
	}
	if len(l.list) != maxLatecomers {
		t.Errorf("%d late answers are kept", len(l.list))
	}
}

// A line that is closed at the other end is an error at once, not a loop.
func TestBusThatHangsUp(t *testing.T) {
	b, far := pair(t, time.Minute)
	go func() {
		io.ReadFull(far, make([]byte, 8))
		far.Close()
	}()
	if err := b.send(rtuFrame(1, 3, 0, 7, 0, 1), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.receive(); !errors.Is(err, errHungUp) {
		t.Errorf("%v", err)
	}
	if len(b.late.list) != 0 {
		t.Error("an answer is expected of a line that hung up")
	}
	b, _ = pair(t, time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	if err := b.watch(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := b.send(rtuFrame(1, 3, 0, 7, 0, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: %v", err)
	}
}

func TestSerialTimes(t *testing.T) {
	for _, tc := range []struct {
		s       serial
		perByte time.Duration
		gap     time.Duration
	}{
		{serial{Baud: 9600, Parity: "even", StopBits: 1, DataBits: 8}, 11 * time.Second / 9600, 4010416},
		{serial{Baud: 19200, Parity: "none", StopBits: 2, DataBits: 8}, 11 * time.Second / 19200, 2005208},
		{serial{Baud: 115200, Parity: "none", StopBits: 1, DataBits: 8}, 10 * time.Second / 115200, 1750 * time.Microsecond},
	} {
		if tc.s.perByte() != tc.perByte || tc.s.gap() != tc.gap {
			t.Errorf("%+v: a byte takes %v, the gap is %v; want %v and %v", tc.s, tc.s.perByte(), tc.s.gap(), tc.perByte, tc.gap)
		}
	}
}

// FuzzBus lets a line answer with anything: a bus takes as answered only what answers, and comes to an end.
func FuzzBus(f *testing.F) {
	f.Add(rtuFrame(1, 3, 2, 0x12, 0x34))
	f.Add(rtuFrame(1, 0x83, 2))
	f.Add(append(rtuFrame(9, 3, 2, 1, 1), rtuFrame(1, 3, 2, 0x12, 0x34)...))
	f.Add([]byte{1, 3, 250, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		b, _ := pair(t, time.Millisecond)
		b.asked = pending{expectation: expect([]byte{1, 3, 0, 7, 0, 1})}
		b.n = copy(b.in, stream)
		body := b.parse()
		if body == nil {
			return
		}
		if body[0] != 1 || !summed(body[:len(body)+checksumSize], len(body)) {
			t.Fatalf("% x of % x is taken for an answer", body, stream)
		}
		if data, _ := b.asked.judge(body); data != nil && (len(data) != 2 || body[1] != 3) {
			t.Fatalf("% x is taken for data", body)
		}
	})
}

// FuzzRingCursor reads foreign bytes as a cursor: none is taken that was not written as one.
func FuzzRingCursor(f *testing.F) {
	r := &ring{generation: 3, next: 1 << 33}
	f.Add(r.cursorBytes())
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		generation, next, err := parseRingCursor(b)
		if err != nil {
			return
		}
		if r := (&ring{generation: generation, next: next}); !bytes.Equal(r.cursorBytes(), b) {
			t.Fatalf("% x reads as %d, %d", b, generation, next)
		}
	})
}
