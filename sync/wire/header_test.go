package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/point"
)

// TestHeaderLayout fixes the header's bytes: other programs read them by offset.
func TestHeaderLayout(t *testing.T) {
	h := Header{Lane: point.Critical, Flags: 0x0200, Epoch: point.Epoch{0xE0, 0xE1, 15: 0xEF}, Seq: 0x0102030405060708, Count: 0x11121314,
		RawSize: 0x21222324, First: 0x3132333435363738, Last: 0x4142434445464748, Table: point.TableHash{0x70, 15: 0x7F}}
	want := []byte{
		0x51, 0x2A, 0x4D, 0x18, 72, 0, 0, 0, // skippable frame 1 of 72 bytes
		1, 2, 0x00, 0x02, // version, lane, flags
		0xE0, 0xE1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xEF,
		8, 7, 6, 5, 4, 3, 2, 1,
		0x14, 0x13, 0x12, 0x11,
		0x24, 0x23, 0x22, 0x21,
		0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31,
		0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41,
		0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F,
		0, 0, 0, 0,
	}
	got := bytes.Repeat([]byte{0xAA}, HeaderSize)
	h.put(got)
	if !bytes.Equal(got, want) {
		t.Errorf("written\n%x\nwant\n%x", got, want)
	}
	if back, err := ParseHeader(got); err != nil || back != h {
		t.Errorf("read %+v, %v", back, err)
	}
}

// TestHeaderRoundTrip: every header that an encoder can write is read as it was.
func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{Lane: genLane().Draw(t, "lane"), Flags: rapid.Uint16().Draw(t, "flags") &^ flagsToUnderstand, Epoch: gen16().Draw(t, "epoch"),
			Seq: rapid.Uint64().Draw(t, "seq"), Count: rapid.Uint32Min(1).Draw(t, "count"), RawSize: rapid.Uint32().Draw(t, "raw"),
			First: genTime().Draw(t, "first"), Table: gen16().Draw(t, "table")}
		h.Last = rapid.Int64Min(h.First).Draw(t, "last")
		b := make([]byte, HeaderSize)
		h.put(b)
		if back, err := ParseHeader(b); err != nil || back != h || back.ID() != (point.BatchID{Epoch: h.Epoch, Lane: h.Lane, Seq: h.Seq}) {
			t.Fatalf("read %+v, %v; want %+v", back, err, h)
		}
	})
}

// TestChecksumIsCRC32C: the checksum is that of the whole with four zero bytes in its own place.
func TestChecksumIsCRC32C(t *testing.T) {
	frame, _ := plainFrame(t)
	plain := bytes.Clone(frame)
	clear(plain[atCRC:HeaderSize])
	want := crc32.Checksum(plain, crc32.MakeTable(crc32.Castagnoli))
	if got := binary.LittleEndian.Uint32(frame[atCRC:]); got != want || checksum(frame) != want {
		t.Errorf("sealed with 0x%08X, want 0x%08X", got, want)
	}
}

// TestSealAgain: a frame may be numbered twice, and the last number counts.
func TestSealAgain(t *testing.T) {
	frame, _ := plainFrame(t)
	first := FrameHash(frame)
	Seal(frame, point.Epoch{9}, 10)
	h, err := Verify(frame, Limits{})
	if err != nil || h.Epoch != (point.Epoch{9}) || h.Seq != 10 {
		t.Fatalf("%+v, %v", h, err)
	}
	if FrameHash(frame) == first {
		t.Error("another number has the same frame hash")
	}
	Seal(frame, point.Epoch{7}, 42)
	if FrameHash(frame) != first {
		t.Error("the same number has another frame hash")
	}
}

// TestUnsealed: a frame without a number is not taken.
func TestUnsealed(t *testing.T) {
	e, _ := newCodec(t, Limits{})
	frame, err := e.Encode(nil, point.Telemetry, oneOfEach(), batchOf())
	if err != nil {
		t.Fatal(err)
	}
	if h, err := ParseHeader(frame); err != nil || !h.Epoch.IsZero() || h.Seq != 0 {
		t.Errorf("an unsealed header reads %+v, %v", h, err)
	}
	if _, err := Verify(frame, Limits{}); !errors.Is(err, ErrChecksum) {
		t.Errorf("an unsealed frame gives %v", err)
	}
	Seal(frame, point.Epoch{}, 0)
	if _, err := Verify(frame, Limits{}); !errors.Is(err, ErrHeader) {
		t.Errorf("a frame sealed without epoch gives %v", err)
	}
}

// TestTrailer: a signature behind the frame changes neither its reading nor its hash.
func TestTrailer(t *testing.T) {
	frame, table := plainFrame(t)
	le := binary.LittleEndian
	signed := append(le.AppendUint32(le.AppendUint32(bytes.Clone(frame), trailerMagic), 9), "signature"...)
	if _, err := Verify(signed, Limits{}); err != nil {
		t.Fatal(err)
	}
	_, d := newCodec(t, Limits{})
	var into Batch
	if _, err := d.Decode(signed, table, &into); err != nil || len(into.Samples) != 3 {
		t.Fatalf("%d samples, %v", len(into.Samples), err)
	}
	if FrameHash(signed) != FrameHash(frame) {
		t.Error("the trailer is part of the frame hash")
	}
	if FrameHash(frame[:len(frame)-1]) == FrameHash(frame) || FrameHash(nil) == FrameHash(frame) {
		t.Error("a cut frame has the same hash")
	}
}

// TestReadingHeadersAllocatesNothing: ingest does it for every frame of every gateway.
func TestReadingHeadersAllocatesNothing(t *testing.T) {
	frame, _ := plainFrame(t)
	if n := testing.AllocsPerRun(50, func() {
		if _, err := ParseHeader(frame); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(frame, Limits{}); err != nil {
			t.Fatal(err)
		}
		FrameHash(frame)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLimits: absent limits are the defaults, absurd ones are cut to what an int of 32 bits can bear.
func TestLimits(t *testing.T) {
	if got := (Limits{}).normal(); got != DefaultLimits() {
		t.Errorf("no limits are %+v", got)
	}
	if got := (Limits{-1, -1, -1}).normal(); got != DefaultLimits() {
		t.Errorf("negative limits are %+v", got)
	}
	huge := int(^uint(0) >> 1)
	if got := (Limits{huge, huge, huge}).normal(); got != (Limits{maxLimit, maxLimit, maxSampleLimit}) {
		t.Errorf("the largest limits are %+v", got)
	}
}

// TestScanFrameAgreesWithZstd: what the walk over a frame's headers finds is where the frame ends.
func TestScanFrameAgreesWithZstd(t *testing.T) {
	z, err := newDeflater()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.ByteMax(3), 1, 3000).Draw(t, "raw")
		raw = bytes.Repeat(raw, rapid.IntRange(1, 80).Draw(t, "times"))
		var cuts []int
		if len(raw) >= 2*blockAt && rapid.Bool().Draw(t, "blocks") {
			cuts = []int{len(raw) / 2}
		}
		frame, err := z.frame(nil, raw, cuts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := scanFrame(append(bytes.Clone(frame), "behind"...))
		if err != nil || got.size != len(frame) || !got.known || got.content != uint64(len(raw)) {
			t.Fatalf("%+v, %v of a frame of %d bytes around %d", got, err, len(frame), len(raw))
		}
	})
}
