package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/point"
)

// patience is how long the suite waits for what must come; it is no measure of speed.
const patience = 30 * time.Second

// Harness is what the suite needs of an implementation.
type Harness struct {
	// Open returns an empty log. It is closed when the test ends.
	Open func(t *testing.T) log.Log
	// Reopen closes l as a process that ends well does, and opens the same log again.
	Reopen func(t *testing.T, l log.Log) log.Log
	// Break makes l fail as its storage may. Nil if an implementation cannot be made to.
	Break func(t *testing.T, l log.Log)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"records read back as appended":      testRoundTrip,
		"offsets are dense and ascending":    testOffsets,
		"a reader follows":                   testFollows,
		"readers see the same order":         testReadersAgree,
		"reading ends with its context":      testContext,
		"reading may begin and end anywhere": testFrom,
		"everything becomes durable":         testSynced,
		"a log outlives its process":         testReopen,
		"what is trimmed is gone":            testTrim,
		"what is no record is refused":       testRefused,
		"a failure is final":                 testBroken,
		"everybody at once":                  testConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

// Make returns a record whose contents follow from n, of a size in bytes.
func Make(n, size int) log.Record {
	kinds := []log.Kind{log.Batch, log.Table, log.Inventory, log.Status}
	return log.Record{
		Kind: kinds[n%len(kinds)], Venue: point.ID(fmt.Sprintf("venue-%d", n%3)), Gateway: point.ID(fmt.Sprintf("gw-%d", n%5)),
		Received: time.Date(2026, 11, 23, 20, 0, 0, n, time.UTC), Payload: bytes.Repeat([]byte{byte(n)}, size),
	}
}

// Differ says in what got is not want at offset, or is empty.
func Differ(got, want log.Record, offset uint64) string {
	switch {
	case got.Offset != offset:
		return fmt.Sprintf("offset is %d, want %d", got.Offset, offset)
	case got.Kind != want.Kind || got.Venue != want.Venue || got.Gateway != want.Gateway:
		return fmt.Sprintf("record %d is %v of %s/%s, want %v of %s/%s", offset, got.Kind, got.Venue, got.Gateway, want.Kind, want.Venue, want.Gateway)
	case !got.Received.Equal(want.Received):
		return fmt.Sprintf("record %d came at %v, want %v", offset, got.Received, want.Received)
	case !bytes.Equal(got.Payload, want.Payload):
		return fmt.Sprintf("record %d has %d bytes that are not the %d that were appended", offset, len(got.Payload), len(want.Payload))
	}
	return ""
}

func appendAll(t *testing.T, l log.Log, from, to, size int) {
	t.Helper()
	for n := from; n < to; n++ {
		if off, err := l.Append(Make(n, size)); err != nil || off != uint64(n) {
			t.Fatalf("Append = %d, %v, want %d", off, err, n)
		}
	}
}

// waitSynced waits until everything below next is durable.
func waitSynced(t *testing.T, l log.Log, next uint64) {
	t.Helper()
	deadline := time.After(patience)
	for {
		moved := l.Watch()
		if l.Synced() >= next {
			return
		}
		select {
		case <-moved:
		case <-deadline:
			t.Fatalf("Synced() = %d, want %d", l.Synced(), next)
		}
	}
}

// readAll reads from an offset up to another and compares.
func readAll(ctx context.Context, l log.Log, from, to uint64, size int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	at := from
	for r, err := range l.Read(ctx, from) {
		if err != nil {
			return err
		}
		if d := Differ(r, Make(int(at), size), at); d != "" {
			return errors.New(d)
		}
		if at++; at == to {
			return nil
		}
	}
	return fmt.Errorf("reading ended at %d of %d", at, to)
}

func testRoundTrip(t *testing.T, h Harness) {
	l := h.Open(t)
	for n, size := range []int{0, 1, 100, 256 << 10, log.MaxPayloadBytes} {
		r := Make(n, size)
		off, err := l.Append(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Get(off)
		if err != nil {
			t.Fatal(err)
		}
		if d := Differ(got, r, off); d != "" {
			t.Error(d)
		}
	}
	if _, err := l.Get(5); !errors.Is(err, log.ErrNotFound) {
		t.Errorf("Get of what was not appended = %v, want ErrNotFound", err)
	}
	payload := []byte("before")
	off, err := l.Append(log.Record{Kind: log.Batch, Venue: "v", Gateway: "g", Received: time.Unix(1, 0), Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	copy(payload, "after!")
	if got, err := l.Get(off); err != nil || string(got.Payload) != "before" {
		t.Errorf("the log kept its caller's bytes: %q, %v", got.Payload, err)
	}
}

func testOffsets(t *testing.T, h Harness) {
	l := h.Open(t)
	if first, next := l.Bounds(); first != 0 || next != 0 {
		t.Errorf("an empty log has Bounds() = %d, %d", first, next)
	}
	appendAll(t, l, 0, 50, 10)
	if first, next := l.Bounds(); first != 0 || next != 50 {
		t.Errorf("Bounds() = %d, %d, want 0, 50", first, next)
	}
}

func testFollows(t *testing.T, h Harness) {
	l := h.Open(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const records = 20
	// Each record is appended only once the one before was read: nothing may wait for more.
	appendAll(t, l, 0, 1, 10)
	at := 0
	for r, err := range l.Read(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if d := Differ(r, Make(at, 10), uint64(at)); d != "" {
			t.Fatal(d)
		}
		if at++; at == records {
			break
		}
		appendAll(t, l, at, at+1, 10)
	}
	if at != records {
		t.Errorf("reading ended at %d of %d", at, records)
	}
}

func testReadersAgree(t *testing.T, h Harness) {
	l := h.Open(t)
	const records = 300
	errs := make(chan error, 6)
	for i := range cap(errs) {
		from := uint64(0)
		if i%2 == 1 {
			appendAll(t, l, i*10-10, i*10+10, 2000)
			from = uint64(i * 10)
		}
		go func() { errs <- readAll(t.Context(), l, from, records, 2000) }()
	}
	appendAll(t, l, 60, records, 2000)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func testContext(t *testing.T, h Harness) {
	l := h.Open(t)
	appendAll(t, l, 0, 3, 10)
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan uint64)
	ended := make(chan error)
	go func() {
		var last error
		for r, err := range l.Read(ctx, 0) {
			if last = err; err == nil {
				seen <- r.Offset
			}
		}
		ended <- last
	}()
	for range 3 {
		<-seen
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("reading ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("reading did not end with its context")
	}
}

func testFrom(t *testing.T, h Harness) {
	l := h.Open(t)
	appendAll(t, l, 0, 40, 10)
	for _, from := range []uint64{0, 1, 39} {
		if err := readAll(t.Context(), l, from, 40, 10); err != nil {
			t.Errorf("from %d: %v", from, err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- readAll(t.Context(), l, 40, 41, 10) }()
	appendAll(t, l, 40, 41, 10)
	if err := <-done; err != nil {
		t.Errorf("from the next one: %v", err)
	}
	if err := readAll(t.Context(), l, 1000, 1001, 10); !errors.Is(err, log.ErrNotFound) {
		t.Errorf("from far beyond the newest: %v, want ErrNotFound", err)
	}
}

func testSynced(t *testing.T, h Harness) {
	l := h.Open(t)
	for n := range 20 {
		before := l.Synced()
		appendAll(t, l, n, n+1, 100)
		waitSynced(t, l, uint64(n+1))
		if after := l.Synced(); after < before || after > uint64(n+1) {
			t.Fatalf("Synced() went from %d to %d with %d records", before, after, n+1)
		}
	}
	select {
	case <-l.Failed():
		t.Errorf("the log failed: %v", l.Err())
	default:
	}
	if err := l.Err(); err != nil {
		t.Errorf("Err() = %v", err)
	}
}

func testReopen(t *testing.T, h Harness) {
	l := h.Open(t)
	name := l.Incarnation()
	if name == "" {
		t.Fatal("the log has no incarnation")
	}
	for round := range 3 {
		appendAll(t, l, round*30, round*30+30, 500)
		l = h.Reopen(t, l)
		if l.Incarnation() != name {
			t.Errorf("the incarnation went from %s to %s", name, l.Incarnation())
		}
		next := uint64(round*30 + 30)
		if got := l.Synced(); got != next {
			t.Errorf("after another start Synced() = %d, want %d", got, next)
		}
		if err := readAll(t.Context(), l, 0, next, 500); err != nil {
			t.Error(err)
		}
	}
	if other := h.Open(t); other.Incarnation() == name {
		t.Error("two logs have one incarnation")
	}
}

func testTrim(t *testing.T, h Harness) {
	l := h.Open(t)
	appendAll(t, l, 0, 30, 10)
	if err := l.Trim(20); err != nil {
		t.Fatal(err)
	}
	if first, next := l.Bounds(); first != 20 || next != 30 {
		t.Errorf("Bounds() = %d, %d, want 20, 30", first, next)
	}
	if _, err := l.Get(19); !errors.Is(err, log.ErrTrimmed) {
		t.Errorf("Get(19) = %v, want ErrTrimmed", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for r, err := range l.Read(ctx, 0) {
		if err != nil || r.Offset != 20 {
			t.Errorf("reading from 0 begins at %d, %v, want 20", r.Offset, err)
		}
		break
	}
	if err := l.Trim(31); !errors.Is(err, log.ErrNotFound) {
		t.Errorf("Trim beyond the newest = %v, want ErrNotFound", err)
	}
	if err := l.Trim(5); err != nil {
		t.Errorf("trimming less than before: %v", err)
	}
	l = h.Reopen(t, l)
	if first, next := l.Bounds(); first != 20 || next != 30 {
		t.Errorf("after another start Bounds() = %d, %d, want 20, 30", first, next)
	}
}

func testRefused(t *testing.T, h Harness) {
	l := h.Open(t)
	good := Make(0, 10)
	for what, spoil := range map[string]func(*log.Record){
		"no kind":             func(r *log.Record) { r.Kind = 0 },
		"an unknown kind":     func(r *log.Record) { r.Kind = 200 },
		"no venue":            func(r *log.Record) { r.Venue = "" },
		"a venue like a path": func(r *log.Record) { r.Venue = "../x" },
		"no gateway":          func(r *log.Record) { r.Gateway = "" },
		"a long gateway":      func(r *log.Record) { r.Gateway = point.ID(bytes.Repeat([]byte("g"), 300)) },
		"too much payload":    func(r *log.Record) { r.Payload = make([]byte, log.MaxPayloadBytes+1) },
		"no time":             func(r *log.Record) { r.Received = time.Time{} },
		"an impossible time":  func(r *log.Record) { r.Received = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		r := good
		spoil(&r)
		if _, err := l.Append(r); !errors.Is(err, log.ErrRecord) {
			t.Errorf("%s: Append = %v, want ErrRecord", what, err)
		}
	}
	appendAll(t, l, 0, 1, 10)
	if err := l.Err(); err != nil {
		t.Errorf("a refused record made the log fail: %v", err)
	}
}

func testBroken(t *testing.T, h Harness) {
	if h.Break == nil {
		t.Skip("this log cannot be made to fail")
	}
	l := h.Open(t)
	appendAll(t, l, 0, 5, 10)
	waitSynced(t, l, 5)
	moved := l.Watch()
	ended := make(chan error, 1)
	go func() { ended <- readAll(t.Context(), l, 0, 1000, 10) }()
	h.Break(t, l)
	for range 2 {
		if _, err := l.Append(Make(5, 10)); !errors.Is(err, log.ErrFailed) {
			t.Errorf("Append to a broken log = %v, want ErrFailed", err)
		}
	}
	for what, ch := range map[string]<-chan struct{}{"Failed": l.Failed(), "Watch": moved, "a later Watch": l.Watch()} {
		select {
		case <-ch:
		case <-time.After(patience):
			t.Errorf("%s does not tell of the failure", what)
		}
	}
	if err := l.Err(); !errors.Is(err, log.ErrFailed) {
		t.Errorf("Err() = %v, want ErrFailed", err)
	}
	if err := <-ended; !errors.Is(err, log.ErrFailed) {
		t.Errorf("reading ended with %v, want ErrFailed", err)
	}
	if got := l.Synced(); got != 5 {
		t.Errorf("Synced() = %d, want 5", got)
	}
}

func testConcurrent(t *testing.T, h Harness) {
	l := h.Open(t)
	const writers, each = 4, 100
	var wg sync.WaitGroup
	got := make([]uint64, writers*each)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				off, err := l.Append(Make(w*each+i, 700))
				if err != nil {
					t.Error(err)
					return
				}
				got[w*each+i] = off
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := make([]byte, 0, writers*each) // each payload names its record
	for r, err := range l.Read(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, r.Payload[0]); len(seen) == writers*each {
			break
		}
	}
	wg.Wait()
	waitSynced(t, l, writers*each)
	if len(seen) != writers*each {
		t.Fatalf("%d records of %d were read", len(seen), writers*each)
	}
	for n, off := range got {
		if seen[off] != byte(n) {
			t.Fatalf("record %d was given offset %d, where another one is", n, off)
		}
	}
}
