package log

import (
	"bytes"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

func FuzzRecord(f *testing.F) {
	b, err := appendRecord(nil, Record{Kind: Batch, Venue: "dal-001", Gateway: "gw-north", Received: time.Unix(1, 2), Payload: []byte("frame")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:5])
	f.Add([]byte{1, 1, 200, 'a'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(7, b)
		if err != nil {
			return
		}
		again, err := appendRecord(nil, r)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x reads as %+v, which is written as %x (%v)", b, r, again, err)
		}
	})
}

// headerBytes is the most that a record's header takes.
const headerBytes = 2 + 2*(1+point.MaxIDLength) + 8

func TestAHeaderTakesNoMoreThanItMay(t *testing.T) {
	long := point.ID(bytes.Repeat([]byte("a"), point.MaxIDLength))
	b, err := appendRecord(nil, Record{Kind: Status, Venue: long, Gateway: long, Received: time.Unix(0, maxReceived)})
	if err != nil || len(b) != headerBytes {
		t.Errorf("%d bytes, %v, want %d", len(b), err, headerBytes)
	}
}

func TestEachByteOfAHeaderIsChecked(t *testing.T) {
	good, err := appendRecord(nil, Record{Kind: Batch, Venue: "v", Gateway: "g", Received: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(good) {
		if r, err := parseRecord(0, good[:n]); err == nil {
			t.Errorf("%d bytes of %d read as %+v", n, len(good), r)
		}
	}
	for at, b := range map[int]byte{0: 2, 1: 0, 3: '/', 5: 0xff} {
		spoilt := bytes.Clone(good)
		spoilt[at] = b
		if r, err := parseRecord(0, spoilt); err == nil {
			t.Errorf("byte %d as %d reads as %+v", at, b, r)
		}
	}
}
