package wire

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

// message returns the inflated content of a frame, opened by the payload's own means: header skipped, one zstd frame.
func message(t testing.TB, frame []byte) []byte {
	t.Helper()
	h, z, err := verify(frame, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	in, err := newInflater(DefaultLimits().MaxRawBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	raw, err := in.frame(nil, z, int(h.RawSize))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(raw)
}

// reframe puts another message behind a frame's header and seals it anew.
func reframe(t testing.TB, frame, raw []byte) []byte {
	t.Helper()
	h, err := ParseHeader(frame)
	if err != nil {
		t.Fatal(err)
	}
	h.RawSize = uint32(len(raw))
	return forge(t, h, raw)
}

// forge makes a sealed frame of any header and any content.
func forge(t testing.TB, h Header, raw []byte) []byte {
	t.Helper()
	z, err := newDeflater()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, HeaderSize)
	h.put(out)
	if out, err = z.frame(out, raw, nil); err != nil {
		t.Fatal(err)
	}
	Seal(out, h.Epoch, h.Seq)
	return out
}

// asContract builds the generated message of b independently of the encoder, as another implementation would.
func asContract(table []point.Point, b *Batch) *contract.Batch {
	c := &contract.Batch{Venue: string(b.Venue), Gateway: string(b.Gateway), TraceParent: b.Trace, TimeMap: mapTo(b.Map)}
	index, mono := int64(0), int64(0)
	quality, device, event := 0, 0, 0
	for i, s := range b.Samples {
		c.PointDelta = append(c.PointDelta, int64(s.Index)-index)
		index = int64(s.Index)
		if i > 0 && s.Time == mono {
			c.TimeRun[len(c.TimeRun)-1]++
		} else {
			c.TimeRun = append(c.TimeRun, 1)
			c.MonoDelta = append(c.MonoDelta, s.Time-mono)
			mono = s.Time
		}
		switch table[s.Index].Type {
		case point.Bool, point.Int:
			c.Ints = append(c.Ints, int64(s.Bits))
		case point.Float:
			c.Doubles = append(c.Doubles, table[s.Index].Number(s.Bits))
		case point.Text:
			c.Texts = append(c.Texts, b.Texts[s.Bits])
		}
		if s.Quality != point.Good {
			c.QualityStep = append(c.QualityStep, uint32(i-quality))
			c.Quality = append(c.Quality, uint32(s.Quality))
			quality = i
		}
	}
	unix := int64(0)
	for _, d := range b.DeviceTimes {
		c.DeviceTimeStep = append(c.DeviceTimeStep, d.Position-uint32(device))
		c.DeviceTimeDelta = append(c.DeviceTimeDelta, d.UnixNano-unix)
		device, unix = int(d.Position), d.UnixNano
	}
	for _, e := range b.Events {
		c.EventStep = append(c.EventStep, e.Position-uint32(event))
		c.EventKeys = append(c.EventKeys, e.Key[:]...)
		event = int(e.Position)
	}
	for _, r := range b.Runs {
		c.Runs = append(c.Runs, &contract.CounterRun{Point: r.Index, Run: r.Run, FirstRaw: r.First, Bits: uint32(r.Bits), Reason: contract.RunReason(r.Reason), StartMono: r.Start})
	}
	for _, g := range b.Gaps {
		cg := &contract.Gap{Epoch: g.Epoch[:], Lane: contract.Lane(g.Lane), From: g.From, To: g.To, FirstMono: g.First, LastMono: g.Last,
			BootId: g.Boot[:], Count: g.Count, Reason: contract.GapReason(g.Reason)}
		if g.PointKnown {
			cg.Point = &g.Index
		}
		c.Gaps = append(c.Gaps, cg)
	}
	for _, r := range b.Reduced {
		c.Reduced = append(c.Reduced, &contract.Reduced{SinceMono: r.Since, DeadbandFactor: r.DeadbandFactor, MinIntervalNs: uint64(r.MinInterval)})
	}
	return c
}

// TestBatchIsContract: the hand-written codec and the code generated from courtside.proto understand each other both ways, and
// write the same bytes.
func TestBatchIsContract(t *testing.T) {
	e, d := newCodec(t, Limits{})
	rapid.Check(t, func(rt *rapid.T) {
		table := genTable().Draw(rt, "table")
		b := genBatch(table).Draw(rt, "batch")
		want := asContract(table, b)
		frame, err := e.Encode(nil, point.Telemetry, table, b)
		if err != nil {
			rt.Fatal(err)
		}
		Seal(frame, point.Epoch{1}, 1)
		ours := message(t, frame)
		var got contract.Batch
		if err := proto.Unmarshal(ours, &got); err != nil {
			rt.Fatalf("generated code refuses our bytes: %v", err)
		}
		if !proto.Equal(&got, want) {
			rt.Fatalf("generated code reads\n%v\nwant\n%v", &got, want)
		}
		theirs, err := proto.MarshalOptions{Deterministic: true}.Marshal(want)
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(ours, theirs) {
			rt.Fatalf("we write\n%x\ngenerated code writes\n%x", ours, theirs)
		}
		var into Batch
		if _, err := d.Decode(reframe(t, frame, theirs), table, &into); err != nil {
			rt.Fatalf("we refuse the bytes of generated code: %v", err)
		}
		if !equal(b, &into) {
			rt.Fatalf("we read\n%+v\nwant\n%+v", into, *b)
		}
	})
}

// scramble writes a message another way that protobuf has to take for the same: packed columns whole, in pieces or
// one by one, fields of different numbers in any order, unknown fields of every type in between.
func scramble(t *rapid.T, m []byte) []byte {
	var pieces [][][]byte // by field number, in order
	var order []int
	for len(m) > 0 {
		num, typ, n := protowire.ConsumeTag(m)
		size := protowire.ConsumeFieldValue(num, typ, m[n:])
		whole, value := m[:n+size], m[n:n+size]
		m = m[n+size:]
		var out [][]byte
		switch num {
		case fieldPointDelta, fieldTimeRun, fieldMonoDelta, fieldInts, fieldQualityStep, fieldQuality, fieldDeviceTimeStep, fieldDeviceTimeDelta, fieldEventStep:
			content, _ := protowire.ConsumeBytes(value)
			out = divide(t, num, content, protowire.VarintType)
		case fieldDoubles:
			content, _ := protowire.ConsumeBytes(value)
			out = divide(t, num, content, protowire.Fixed64Type)
		default:
			out = [][]byte{whole}
		}
		for int(num) >= len(pieces) {
			pieces = append(pieces, nil)
		}
		pieces[num] = append(pieces[num], out...)
		for range out {
			order = append(order, int(num))
		}
	}
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var out []byte
	for _, num := range order {
		if r.IntN(4) == 0 {
			out = append(out, unknown(r)...)
		}
		out = append(out, pieces[num][0]...)
		pieces[num] = pieces[num][1:]
	}
	return append(out, unknown(r)...)
}

// divide writes a packed column in pieces.
func divide(t *rapid.T, num protowire.Number, content []byte, entry protowire.Type) (out [][]byte) {
	mode := rapid.IntRange(0, 2).Draw(t, "pieces")
	if mode == 0 {
		return [][]byte{appendBytes(nil, num, content)}
	}
	for len(content) > 0 {
		n := protowire.ConsumeFieldValue(num, entry, content)
		if mode == 1 || len(out)%2 == 0 { // one by one, or every other one packed
			out = append(out, append(protowire.AppendTag(nil, num, entry), content[:n]...))
		} else {
			out = append(out, appendBytes(nil, num, content[:n]))
		}
		content = content[n:]
	}
	return append(out, appendBytes(nil, num, nil))
}

// unknown returns a field that no version of the contract has, or a known number with a type that it never has.
func unknown(r *rand.Rand) []byte {
	num := protowire.Number(100 + r.IntN(1000))
	switch r.IntN(6) {
	case 0:
		return appendBytes(nil, num, []byte("from a later version"))
	case 1:
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), r.Uint64())
	case 2:
		return protowire.AppendFixed32(protowire.AppendTag(nil, num, protowire.Fixed32Type), r.Uint32())
	case 3:
		return protowire.AppendTag(protowire.AppendTag(nil, num, protowire.StartGroupType), num, protowire.EndGroupType)
	case 4:
		return protowire.AppendFixed32(protowire.AppendTag(nil, fieldInts, protowire.Fixed32Type), r.Uint32())
	}
	return protowire.AppendFixed64(protowire.AppendTag(nil, fieldVenue, protowire.Fixed64Type), r.Uint64())
}

// TestDecodeTakesAnyProtobuf: whatever form protobuf allows for a message, it is read as what it says.
func TestDecodeTakesAnyProtobuf(t *testing.T) {
	e, d := newCodec(t, Limits{})
	rapid.Check(t, func(rt *rapid.T) {
		table := genTable().Draw(rt, "table")
		b := genBatch(table).Draw(rt, "batch")
		frame, err := e.Encode(nil, point.Critical, table, b)
		if err != nil {
			rt.Fatal(err)
		}
		Seal(frame, point.Epoch{1}, 1)
		odd := scramble(rt, message(t, frame))
		var c contract.Batch
		if err := proto.Unmarshal(odd, &c); err != nil {
			rt.Fatalf("the test writes bad protobuf: %v", err)
		}
		c.ProtoReflect().SetUnknown(nil)
		if !proto.Equal(&c, asContract(table, b)) {
			rt.Fatalf("the test writes another message:\n%v", &c)
		}
		var into Batch
		if _, err := d.Decode(reframe(t, frame, odd), table, &into); err != nil {
			rt.Fatal(err)
		}
		if !equal(b, &into) {
			rt.Fatalf("we read\n%+v\nwant\n%+v", into, *b)
		}
	})
}

// TestTimeMapInPieces: protobuf merges a message that comes twice.
func TestTimeMapInPieces(t *testing.T) {
	b := batchOf(point.Sample{Index: atInt})
	b.Map.Offset = 77
	frame := sealed(t, oneOfEach(), b)
	raw := appendBytes(message(t, frame), fieldMap, appendSint(nil, 2, 5))
	_, d := newCodec(t, Limits{})
	var into Batch
	if _, err := d.Decode(reframe(t, frame, raw), oneOfEach(), &into); err != nil {
		t.Fatal(err)
	}
	if b.Map.From = 5; into.Map != b.Map {
		t.Errorf("read %+v, want %+v", into.Map, b.Map)
	}
}

// TestEnumsAreContract: the numbers of sync/point and sync/clock mean in the contract what they mean here.
func TestEnumsAreContract(t *testing.T) {
	for i := range uint8(8) {
		for _, e := range []struct {
			prefix, here string
			known        bool
			names        map[int32]string
		}{
			{"LANE_", point.Lane(i).String(), point.Lane(i).Valid(), contract.Lane_name},
			{"VALUE_TYPE_", point.Type(i).String(), point.Type(i).Valid(), contract.ValueType_name},
			{"KIND_", point.Kind(i).String(), point.Kind(i).Valid(), contract.Kind_name},
			{"POINT_CLASS_", point.Class(i).String(), point.Class(i).Valid(), contract.PointClass_name},
			{"DIRECTION_", point.Direction(i).String(), point.Direction(i).Valid(), contract.Direction_name},
			{"TIME_SOURCE_", clock.Source(i).String(), i <= uint8(clock.Bounds), contract.TimeSource_name},
			{"GAP_REASON_", point.GapReason(i).String(), i >= 1 && i <= uint8(point.GapUnaccounted), contract.GapReason_name},
			{"COMMAND_KIND_", CommandKind(i).String(), CommandKind(i).Valid(), contract.CommandKind_name},
		} {
			name, has := e.names[int32(i)]
			has = has && !strings.HasSuffix(name, "_UNSPECIFIED")
			want := e.prefix + strings.ToUpper(strings.ReplaceAll(e.here, "-", "_"))
			if has != e.known || has && name != want {
				t.Errorf("%d is %s here (known: %v) and %q in the contract", i, e.here, e.known, name)
			}
		}
	}
	if len(contract.RunReason_name) != int(point.RunDevice)+1 {
		t.Errorf("the contract has %d run reasons", len(contract.RunReason_name))
	}
}
