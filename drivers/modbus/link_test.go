package modbus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

type stillClock struct{}

func (stillClock) Mono() int64 { return 42 }

// pipe returns a link whose peer answers each read of one register with answer, an edit of the right one.
func pipe(t *testing.T, timeout time.Duration, answer func(right []byte) []byte) *link {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		request := make([]byte, requestSize)
		for {
			if _, err := io.ReadFull(far, request); err != nil {
				return
			}
			if _, err := far.Write(answer(adu(frameID(request), request[6], request[7], 2, 0x12, 0x34))); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { near.Close(); far.Close(); <-done })
	return newLink(near, stillClock{}, timeout, &counters{})
}

func right(f []byte) []byte { return f }

// one is a request for one register.
var one = adu(0, 1, 3, 0, 7, 0, 1)

// The end of one poll's context has happened before the next poll begins with another.
func TestLinkOutlivesAContext(t *testing.T) {
	l := pipe(t, time.Minute, right)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		if err := l.watch(ctx); err != nil {
			t.Fatal(err)
		}
		if err := l.send(bytes.Clone(one), 5); err != nil {
			t.Fatal(err)
		}
		a, err := l.receive()
		if err != nil || a.outcome != answered || a.tag != 5 || l.arrived != 42 {
			t.Fatalf("%+v, %v", a, err)
		}
		cancel()
		l.interrupt(ctx) // at the latest now
		if err := l.watch(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("watching an ended context: %v", err)
		}
		if err := l.arm(0, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting after the end of the context: %v", err)
		}
	}
	if err := l.watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	l.interrupt(ended) // of a context that is not watched any more
	if err := l.send(bytes.Clone(one), 0); err != nil {
		t.Error(err)
	}
	if _, err := l.receive(); err != nil {
		t.Error(err)
	}
}

// goburrow's client gets its own transaction id back, though the link uses another on the wire.
func TestLinkCarriesGoburrow(t *testing.T) {
	l := pipe(t, time.Minute, right)
	if err := l.watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.nextID = 4711
	for _, id := range []uint16{1, 500} {
		request := adu(id, 1, 3, 0, 7, 0, 1)
		reply, err := l.Send(request)
		if err != nil || frameID(reply) != id || frameID(request) != id {
			t.Errorf("reply % x, %v", reply, err)
		}
	}
	if _, err := l.Send(adu(1, 1, 23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0)); err == nil {
		t.Error("a request that is neither a read nor a write of registers was sent")
	}
}

// FuzzLink lets a peer answer with anything: a link never panics, never blocks beyond its timeout, and takes as
// answered only what answers the request.
func FuzzLink(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 5, 1, 3, 2, 0x12, 0x34})
	f.Add([]byte{0, 0, 0, 0, 0, 3, 1, 0x83, 2})
	f.Add([]byte{0, 9, 0, 0, 0, 5, 1, 3, 2, 9, 9, 0, 0, 0, 0, 0, 5, 1, 3, 2, 0x12, 0x34})
	f.Add([]byte{0, 0, 0, 0, 0, 254, 1, 3})
	f.Add([]byte("HTTP/1.1 400 Bad Request"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		l := pipe(t, 5*time.Millisecond, func([]byte) []byte { return stream })
		if err := l.watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.send(bytes.Clone(one), 3); errors.Is(err, os.ErrDeadlineExceeded) {
			return // the peer had no time to read
		} else if err != nil {
			t.Fatal(err)
		}
		a, err := l.receive()
		if err != nil {
			return
		}
		if a.tag != 3 || len(l.waiting) != 0 {
			t.Fatalf("%+v, %d waiting", a, len(l.waiting))
		}
		if a.outcome == answered && (len(a.data) != 2 || frameID(a.frame) != 0 || a.frame[6] != 1 || a.frame[7] != 3) {
			t.Fatalf("% x is taken for an answer", a.frame)
		}
	})
}
