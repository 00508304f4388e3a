package wire

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

// Each target checks that no input panics, that every refusal has a reason, and that what is accepted can be
// encoded again and then says the same. The seeds are small valid messages and ways to spoil them.

// refused fails unless err is a refusal with a reason of its own.
func refused(t *testing.T, err error) {
	t.Helper()
	if r := Reason(err); r == "other" || r == "" {
		t.Fatalf("refused without a reason: %v", err)
	}
}

// fullBatch is a batch that has every column.
func fullBatch() *Batch {
	b := batchOf(
		point.Sample{Index: atInt, Bits: 712}, point.Sample{Index: atBool, Bits: 1}, point.Sample{Index: atFloat, Bits: point.FloatBits(21.5)},
		point.Sample{Index: atText, Bits: 0}, point.Sample{Index: atCounter, Bits: 65537}, point.Sample{Index: atEvent, Bits: 1},
		point.Sample{Index: atInt, Quality: point.BadTimeout},
	)
	b.Samples[1].Time, b.Samples[2].Time = 1, 1
	b.Trace, b.Table = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", point.TableHash{1, 2, 3}
	b.Map = clock.Map{Boot: clock.BootID{5}, From: 1, Offset: 1763000000 * time.Second, Uncertainty: time.Millisecond, Source: clock.NTP}
	b.Texts = []string{"Halftime"}
	b.DeviceTimes = []point.DeviceTime{{Position: 2, UnixNano: 1763000000123456789}, {Position: 5, UnixNano: 1763000000123456000}}
	b.Runs = []point.CounterRun{{Index: atCounter, Run: 0xFEED, First: 65000, Bits: 16, Reason: point.RunFirst, Start: 1}}
	b.Events = []point.EventKey{{Position: 5, Key: [16]byte{9, 8, 7}}}
	b.Gaps = []point.Gap{{Epoch: point.Epoch{3}, Lane: point.Telemetry, From: 4, To: 9, First: 1, Last: 2, Boot: [16]byte{5}, Count: 80, Reason: point.GapDropped},
		{PointKnown: true, Index: atCounter, First: 1, Boot: [16]byte{5}, Reason: point.GapReset}}
	b.Reduced = []point.Reduced{{Since: 1, DeadbandFactor: 2, MinInterval: time.Second}}
	return b
}

// batchSeeds are sealed frames, good and bad.
func batchSeeds(f *testing.F) [][]byte {
	frame := sealed(f, oneOfEach(), fullBatch())
	raw := message(f, frame)
	return [][]byte{
		nil, frame, sealed(f, oneOfEach(), batchOf()), frame[:HeaderSize], frame[:len(frame)-3], append(bytes.Clone(frame), frame...),
		reframe(f, frame, raw[:len(raw)/2]), framed(header(100), zeros(f, 1<<20, false)), flipped(frame, atSeq), flipped(frame, HeaderSize+9),
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, s := range batchSeeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, err := ParseHeader(frame)
		if err != nil {
			refused(t, err)
			return
		}
		again := make([]byte, HeaderSize)
		h.put(again)
		copy(again[atCRC:], frame[atCRC:HeaderSize])
		if !bytes.Equal(again, frame[:HeaderSize]) {
			t.Fatalf("%x is read as %+v and written as %x", frame[:HeaderSize], h, again)
		}
	})
}

func FuzzVerify(f *testing.F) {
	for _, s := range batchSeeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, err := Verify(frame, Limits{})
		FrameHash(frame)
		if err != nil {
			refused(t, err)
		} else if h.Epoch.IsZero() || int(h.RawSize) > DefaultLimits().MaxRawBytes {
			t.Fatalf("accepted %+v", h)
		}
		// With its checksum made right it gets further.
		if len(frame) >= HeaderSize {
			sealedAgain := bytes.Clone(frame)
			Seal(sealedAgain, point.Epoch{1}, 1)
			if _, err := Verify(sealedAgain, Limits{}); err != nil {
				refused(t, err)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range batchSeeds(f) {
		f.Add(s)
	}
	e, d := newCodec(f, Limits{MaxRawBytes: 1 << 20})
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) >= HeaderSize {
			frame = bytes.Clone(frame)
			Seal(frame, point.Epoch{1}, 1) // or hardly any input would pass the checksum
		}
		decodeAgain(t, e, d, frame)
	})
}

// FuzzDecodeMessage fuzzes what lies within the zstd frame, where zstd itself would let few changes through.
func FuzzDecodeMessage(f *testing.F) {
	frame := sealed(f, oneOfEach(), fullBatch())
	raw := message(f, frame)
	f.Add(uint32(len(fullBatch().Samples)), int64(1), int64(7), raw)
	f.Add(uint32(0), int64(0), int64(0), message(f, sealed(f, oneOfEach(), batchOf())))
	f.Add(uint32(2), int64(1), int64(1), raw[:len(raw)-5])
	f.Add(uint32(7), int64(1), int64(7), append(bytes.Clone(raw), raw...))
	e, d := newCodec(f, Limits{MaxRawBytes: 1 << 20})
	z, err := newDeflater()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, count uint32, first, last int64, raw []byte) {
		h := Header{Lane: point.Critical, Epoch: point.Epoch{1}, Count: count, First: first, Last: last, RawSize: uint32(len(raw))}
		b := make([]byte, HeaderSize)
		h.put(b)
		if b, err = z.frame(b, raw, nil); err != nil {
			t.Fatal(err)
		}
		Seal(b, h.Epoch, 1)
		decodeAgain(t, e, d, b)
	})
}

// decodeAgain decodes frame; what is accepted has to survive another round.
func decodeAgain(t *testing.T, e *Encoder, d *Decoder, frame []byte) {
	var b, again Batch
	h, err := d.Decode(frame, oneOfEach(), &b)
	if err != nil {
		refused(t, err)
		return
	}
	if int(h.Count) != len(b.Samples) {
		t.Fatalf("%d samples of %d", len(b.Samples), h.Count)
	}
	out, err := e.Encode(nil, h.Lane, oneOfEach(), &b)
	if err != nil {
		t.Fatalf("accepted, and not to be encoded: %v\n%+v", err, b)
	}
	Seal(out, h.Epoch, h.Seq)
	if _, err := d.Decode(out, oneOfEach(), &again); err != nil {
		t.Fatalf("accepted once, refused again: %v", err)
	}
	again.Runs, b.Runs = nil, nil // one that came twice is written once
	if !equal(&b, &again) {
		t.Fatalf("read as\n%+v\nthen as\n%+v", b, again)
	}
}

func FuzzTableAssembler(f *testing.F) {
	for _, size := range []int{0, 300} {
		parts, _, err := EncodeTable(oneOfEach()[:4], size)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(parts[0], parts[len(parts)-1])
	}
	f.Add(signed(f, contractPoint(nil)), []byte{})
	f.Add(storedFrame([]byte("junk")), tablePayload(f, &contract.PointTable{Hash: make([]byte, 16), Parts: 3, Points: 3}))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		var a TableAssembler
		for _, payload := range [][]byte{one, two, one} {
			points, hash, done, err := a.Add(payload)
			switch {
			case err != nil:
				refused(t, err)
			case done:
				parts, _, err := EncodeTable(points, 0)
				if err != nil {
					t.Fatalf("table %v is accepted and not to be encoded: %v", hash, err)
				}
				if again, _ := assemble(t, &TableAssembler{}, parts); !reflect.DeepEqual(again, points) {
					t.Fatalf("%+v becomes %+v", points, again)
				}
			}
			if a.bytes > MaxTableRawBytes || len(a.waiting) > maxTables {
				t.Fatalf("%d bytes of %d tables wait", a.bytes, len(a.waiting))
			}
		}
	})
}

// fuzzControl fuzzes a decoder with payloads and, so that more gets through, with the messages inside of them.
func fuzzControl[T any](f *testing.F, decode func([]byte) (T, error), encode func(T) []byte, seeds ...T) {
	f.Add([]byte{})
	f.Add([]byte("hello, world"))
	for _, s := range seeds {
		payload := encode(s)
		f.Add(payload)
		f.Add(payload[:len(payload)/2])
		if raw, err := unpack(payload, MaxControlRawBytes); err == nil {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		payloads := [][]byte{b}
		if len(b) < storeBelow {
			payloads = append(payloads, storedFrame(b))
		}
		for _, p := range payloads {
			v, err := decode(p)
			if err != nil {
				refused(t, err)
				continue
			}
			if again, err := decode(encode(v)); err != nil || !reflect.DeepEqual(again, v) {
				t.Fatalf("%+v becomes %+v, %v", v, again, err)
			}
		}
	})
}

func FuzzDecodeAck(f *testing.F) {
	fuzzControl(f, DecodeAck, EncodeAck, Ack{}, goldenAck())
}

func FuzzDecodeInventory(f *testing.F) {
	fuzzControl(f, DecodeInventory, EncodeInventory, Inventory{}, goldenInventory())
}

func FuzzDecodeCommand(f *testing.F) {
	fuzzControl(f, DecodeCommand, EncodeCommand, Command{ID: "1", Kind: Rebirth}, Command{ID: "2", Kind: Update, Order: UpdateOrder{URL: "https://a:8884/x.raucb", Version: "20261124.1", Force: true, Reboot: true}},
		Command{ID: "3", Kind: SetAside, Notice: Notice{Reason: "device-not-granted", Detail: "point table names device plc-9"}},
		Command{ID: "c-2", Kind: TableWanted, Table: point.TableHash{4}, Expires: time.Unix(1763000000, 0)})
}

func FuzzDecodeReply(f *testing.F) {
	fuzzControl(f, DecodeReply, EncodeReply, Reply{ID: "1"}, Reply{ID: "c-2", Error: "no such table"})
}

func FuzzParseTopic(f *testing.F) {
	for _, s := range []string{"", CloudStatusTopic, "courtside/1/v/gw/g/live", "courtside/1/v/gw/g/table/" + strings.Repeat("0a", 16) + "/12", StateTopic("v", "gates")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTopic(s)
		if err != nil {
			refused(t, err)
			return
		}
		again := GatewayTopic(got.Venue, got.Gateway, got.Channel)
		if got.Channel == Table {
			again = TableTopic(got.Venue, got.Gateway, got.Hash, got.Part)
		}
		if again != s {
			t.Fatalf("%q is taken for %q (%s)", s, again, hex.EncodeToString([]byte(s)))
		}
	})
}
