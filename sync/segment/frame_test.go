package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

func drawFrame(t *rapid.T) (frame, frameHead, [][]byte, []byte) {
	h := frameHead{
		segment: rapid.Uint64().Draw(t, "segment"), index: rapid.Uint32().Draw(t, "index"),
		first: rapid.Uint64Range(0, 1<<62).Draw(t, "first"), durable: rapid.Uint64().Draw(t, "durable"),
		flags: rapid.Uint32Range(0, 1).Draw(t, "flags"), mark: mark(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "mark")),
	}
	records := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 20).Draw(t, "records")
	state := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "state")
	return newFrame(h, records, state), h, records, state
}

func TestAFrameReadsBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, h, records, state := drawFrame(t)
		if int64(len(f)) != frameSize(records, len(state)) {
			t.Fatalf("%d bytes, frameSize says %d", len(f), frameSize(records, len(state)))
		}
		got, err := parseFrame(append(bytes.Clone(f), "more"...), &h.mark)
		if err != nil {
			t.Fatal(err)
		}
		if got.segment() != h.segment || got.index() != h.index || got.first() != h.first || got.durable() != h.durable ||
			got.snapshot() != (h.flags&flagSnapshot != 0) || got.mark() != h.mark || got.count() != len(records) || !got.intact() {
			t.Fatal("the header differs")
		}
		if s, err := got.state(); err != nil || !bytes.Equal(s, state) {
			t.Fatalf("state() = %x, %v", s, err)
		}
		total := int64(0)
		for i, want := range records {
			total += int64(len(want))
			if b, err := got.record(i); err != nil || !bytes.Equal(b, want) {
				t.Fatalf("record(%d) = %x, %v", i, b, err)
			}
		}
		if got.recordBytes() != total {
			t.Fatalf("recordBytes() = %d, want %d", got.recordBytes(), total)
		}
		other := h.mark
		other[0]++
		if _, err := parseFrame(f, &other); !errors.Is(err, errNotFrame) {
			t.Fatalf("another store's mark: %v", err)
		}
		if ref, ok := parseKey(f.ref().key()); !ok || ref != f.ref() {
			t.Fatalf("the key reads back as %+v", ref)
		}
	})
}

func TestAFlippedBitOfAFrameIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, h, records, state := drawFrame(t)
		at := rapid.IntRange(0, len(f)-1).Draw(t, "at")
		f[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		got, err := parseFrame(f, &h.mark)
		if err != nil {
			return
		}
		// The header is whole: exactly one of state and records is not.
		bad := 0
		if _, err := got.state(); err != nil {
			bad++
		} else if s, _ := got.state(); !bytes.Equal(s, state) {
			t.Fatal("a changed state passes for whole")
		}
		for i, want := range records {
			b, err := got.record(i)
			if err != nil {
				bad++
			} else if !bytes.Equal(b, want) {
				t.Fatalf("record %d passes for whole", i)
			}
		}
		if bad != 1 || got.intact() {
			t.Fatalf("one bit spoils %d parts", bad)
		}
	})
}

func FuzzFrame(f *testing.F) {
	h := frameHead{segment: 1, first: 7, flags: flagSnapshot}
	f.Add([]byte(newFrame(h, [][]byte{[]byte("one"), nil, []byte("three")}, []byte("state"))))
	f.Add([]byte(newFrame(h, nil, nil)))
	f.Add(append([]byte("CSF\x01"), bytes.Repeat([]byte{0xff}, 100)...))
	f.Add([]byte("CSF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Beyond the header's checksum a fuzzer would get by luck only: it is mended here.
		if len(b) >= frameHeaderSize {
			end := min(int64(len(b)), frameHeaderSize+directoryEntry*int64(binary.LittleEndian.Uint32(b[48:])))
			mended := bytes.Clone(b)
			binary.LittleEndian.PutUint32(mended[4:], castagnoli(mended[8:end]))
			walk(mended)
		}
		walk(b)
	})
}

// walk reads everything of what b may be a frame of.
func walk(b []byte) {
	got, err := parseFrame(b, nil)
	if err != nil {
		return
	}
	_, _ = got.state()
	for i := range got.count() {
		_, _ = got.record(i)
	}
	_ = got.intact()
	_ = got.recordBytes()
}

func FuzzState(f *testing.F) {
	s := newState()
	s.incarnation = "INC"
	s.set("key", []byte("value"))
	s.set("gone", nil)
	f.Add(s.snapshot(1000, nil), true)
	f.Add(appendSet(appendSet(nil, "a", nil), "b", []byte{}), false)
	f.Add([]byte{opRelease, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1}, false)
	f.Add([]byte{opSet, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, false)
	f.Add([]byte{99}, false)
	f.Fuzz(func(t *testing.T, section []byte, snapshot bool) {
		s := newState()
		s.set("before", []byte("kept"))
		if err := s.apply(section, snapshot); err != nil {
			if v, ok := s.values["before"]; !ok || string(v) != "kept" || len(s.values) != 1 || s.released.Len() != 0 {
				t.Fatal("a refused section changed something")
			}
			return
		}
		charge := 0
		for k, v := range s.values {
			charge += len(k) + len(v) + keyOverhead
		}
		if charge != s.bytes {
			t.Fatalf("charged %d, holds %d", s.bytes, charge)
		}
		again := newState()
		if err := again.apply(s.snapshot(1<<30, nil), true); err != nil || len(again.values) != len(s.values) || again.bytes != s.bytes {
			t.Fatalf("the snapshot does not read back: %v", err)
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add(index{segment: 3, first: 1, next: 9, frames: 2, bytes: 100, recordBytes: 50, sum: 7}.encode())
	f.Add([]byte("CSI\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeIndex(b)
		if err == nil && x.first > x.next {
			t.Fatalf("accepted %+v", x)
		}
		if len(b) >= 8 {
			y := bytes.Clone(b)
			binary.LittleEndian.PutUint32(y[4:], castagnoli(y[8:]))
			if x, err := decodeIndex(y); err == nil && (x.first > x.next || x.bytes < 0) {
				t.Fatalf("accepted %+v", x)
			}
		}
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte(`{"format":1,"incarnation":"A","mark":"0001020304050607","sum":1}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := decodeIdentity(b)
		if err == nil && (id.Incarnation == "" || id.Format > formatVersion) {
			t.Fatalf("accepted %+v", id)
		}
	})
}

func TestTheIdentityReadsBackAndAChangedOneDoesNot(t *testing.T) {
	dir := t.TempDir()
	id := newIdentity()
	if err := id.write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := readIdentity(dir)
	if err != nil || got.Incarnation != id.Incarnation || got.mark() != id.mark() {
		t.Fatalf("readIdentity = %+v, %v", got, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, identityName))
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte(id.Mark[:4]), []byte("abcd"), 1)
	if _, err := decodeIdentity(b); !errors.Is(err, errIdentity) {
		t.Errorf("a changed mark: %v", err)
	}
}

// FuzzRaw puts a real frame somewhere into the fuzzer's bytes and wants it found.
func FuzzRaw(f *testing.F) {
	f.Add([]byte("CSF\x01 not yet"), []byte("and after"), uint16(100))
	f.Add(bytes.Repeat([]byte{0}, 5000), []byte("CSF"), uint16(3000))
	f.Add([]byte(newFrame(frameHead{segment: 9}, [][]byte{[]byte("x")}, nil))[:70], []byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, before, after []byte, size uint16) {
		h := frameHead{segment: 1, first: 5, mark: mark{1, 2, 3, 4, 5, 6, 7, 8}}
		want := newFrame(h, [][]byte{body(1, int(size))}, nil)
		dir := t.TempDir()
		all := append(make([]byte, valueLogHeader), before...)
		all = append(append(all, want...), after...)
		if err := os.WriteFile(filepath.Join(dir, "000001.vlog"), all, 0o600); err != nil {
			t.Fatal(err)
		}
		seen := false
		found, used, err := scanRaw(dir, &h.mark, func(got frame) error {
			seen = seen || bytes.Equal(got, want)
			return nil
		})
		if err != nil || !seen || !used || found < 1 {
			t.Fatalf("found %d, used %t, %v", found, used, err)
		}
	})
}

func TestScanningFindsFramesAcrossWindowsAndTellsEmptyFromRuined(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "000001.vlog")
	h := frameHead{segment: 1}
	all := make([]byte, valueLogHeader)
	r := rand.New(rand.NewPCG(1, 1))
	const frames = 40
	for i := range frames {
		h.index = uint32(i)
		all = append(all, newFrame(h, [][]byte{body(uint64(i), r.IntN(3*rawChunkBytes))}, nil)...)
		all = append(all, make([]byte, r.IntN(60))...)
	}
	for what, want := range map[string]struct {
		content []byte
		found   int
		used    bool
	}{
		"frames": {all, frames, true},
		"empty":  {make([]byte, 3*rawChunkBytes), 0, false},
		"ruined": {append(make([]byte, 3*rawChunkBytes), 1), 0, true},
		"short":  {make([]byte, 3), 0, false},
	} {
		if err := os.WriteFile(path, want.content, 0o600); err != nil {
			t.Fatal(err)
		}
		next := uint32(0)
		found, used, err := scanRaw(dir, &h.mark, func(f frame) error {
			if f.index() != next {
				t.Errorf("frame %d comes after %d", f.index(), next)
			}
			next++
			return nil
		})
		if err != nil || found != want.found || used != want.used {
			t.Errorf("%s: scanRaw = %d, %t, %v, want %d, %t", what, found, used, err, want.found, want.used)
		}
	}
}

func TestTheRingKeepsTheNewest(t *testing.T) {
	r := ring{limit: 1000}
	for i := range uint64(500) {
		r.push(newFrame(frameHead{first: 2 * i}, [][]byte{body(2*i, 10), body(2*i+1, 10)}, nil))
		if r.bytes > r.limit {
			t.Fatalf("the ring holds %d bytes of %d", r.bytes, r.limit)
		}
	}
	for off := range uint64(1010) {
		f := r.find(off)
		switch {
		case off >= 1000 || off < 980:
			if f != nil {
				t.Errorf("find(%d) gives %d to %d", off, f.first(), f.end())
			}
		case f == nil || off < f.first() || off >= f.end():
			t.Errorf("find(%d) gives the wrong frame", off)
		}
	}
	none := ring{limit: -1}
	none.push(newFrame(frameHead{}, [][]byte{{1}}, nil))
	if none.find(0) != nil {
		t.Error("a ring without room keeps something")
	}
}

func TestTheWatermarkSurvivesATornWrite(t *testing.T) {
	dir := t.TempDir()
	w, v, err := openWatermark(dir)
	if err != nil || v != 0 {
		t.Fatalf("openWatermark = %d, %v", v, err)
	}
	for i := range uint64(5) {
		w.set(i * 10)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, watermarkName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range b {
		spoilt := bytes.Clone(b)
		spoilt[at] ^= 0x55
		if err := os.WriteFile(path, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		w, v, err := openWatermark(dir)
		if err != nil || v != 40 && v != 30 {
			t.Fatalf("byte %d: openWatermark = %d, %v", at, v, err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
}
