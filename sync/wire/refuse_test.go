package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/courtside-edge/courtside/sync/point"
)

// plainFrame returns a sealed frame of a few samples, and its table.
func plainFrame(t testing.TB) ([]byte, []point.Point) {
	t.Helper()
	b := batchOf(point.Sample{Index: atInt, Bits: 5}, point.Sample{Index: atBool, Bits: 1}, point.Sample{Index: atInt, Bits: 7, Quality: point.BadTimeout})
	b.DeviceTimes = []point.DeviceTime{{Position: 1, UnixNano: 99}}
	return sealed(t, oneOfEach(), b), oneOfEach()
}

// changed returns a copy of frame with change made and the checksum made right again.
func changed(frame []byte, change func(b []byte)) []byte {
	b := bytes.Clone(frame)
	change(b)
	binary.LittleEndian.PutUint32(b[atCRC:], checksum(b))
	return b
}

// zeros returns one zstd frame of n zero bytes, with or without the declaration of its size.
func zeros(t testing.TB, n int, declared bool) []byte {
	t.Helper()
	if declared {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = enc.Close() }()
		return enc.EncodeAll(make([]byte, n), nil)
	}
	var out bytes.Buffer
	enc, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zwindow))
	if err != nil {
		t.Fatal(err)
	}
	for left := n; left > 0; left -= min(left, 1<<20) {
		if _, err := enc.Write(make([]byte, min(left, 1<<20))); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// framed puts a zstd frame behind the header h and seals it.
func framed(h Header, z []byte) []byte {
	out := make([]byte, HeaderSize, HeaderSize+len(z))
	h.put(out)
	out = append(out, z...)
	Seal(out, h.Epoch, h.Seq)
	return out
}

func header(raw uint32) Header {
	return Header{Lane: point.Telemetry, Epoch: point.Epoch{1}, RawSize: raw}
}

// TestDecodeRefuses: each bad input is refused whole and under its own reason, and the decoder goes on.
func TestDecodeRefuses(t *testing.T) {
	frame, table := plainFrame(t)
	good := message(t, frame)
	le := binary.LittleEndian
	zeroMiB := zeros(t, 1<<20, false)
	for name, c := range map[string]struct {
		frame []byte
		want  error
	}{
		"nothing":                         {nil, ErrTruncated},
		"a header alone":                  {frame[:HeaderSize], ErrTruncated},
		"half a header":                   {frame[:HeaderSize/2], ErrTruncated},
		"half a frame":                    {frame[:HeaderSize+(len(frame)-HeaderSize)/2], ErrTruncated},
		"oversized":                       {append(bytes.Clone(frame), make([]byte, 256<<10)...), ErrTooLarge},
		"a plain zstd frame":              {frame[HeaderSize:], ErrNotFrame},
		"text":                            {[]byte(strings.Repeat("hello ", 50)), ErrNotFrame},
		"a header of another size":        {changed(frame, func(b []byte) { b[4]++ }), ErrNotFrame},
		"version 2":                       {changed(frame, func(b []byte) { b[atVersion] = 2 }), ErrVersion},
		"a flag that must be understood":  {changed(frame, func(b []byte) { b[atFlags] = 1 }), ErrVersion},
		"a flipped bit in the content":    {flipped(frame, len(frame)-1), ErrChecksum},
		"a forged seq":                    {flipped(frame, atSeq), ErrChecksum},
		"a forged epoch":                  {flipped(frame, atEpoch), ErrChecksum},
		"a forged table":                  {flipped(frame, atTable), ErrChecksum},
		"not zstd":                        {changed(frame, func(b []byte) { b[HeaderSize] ^= 1 }), ErrCompression},
		"a reserved block type":           {framed(header(10), []byte{0x28, 0xB5, 0x2F, 0xFD, 0x20, 10, 7, 0, 0}), ErrCompression},
		"zstd that is broken inside":      {framed(header(1000), []byte{0x28, 0xB5, 0x2F, 0xFD, 0x60, 0xE8, 2, 0x1D, 0, 0, 1, 2, 3}), ErrCompression},
		"a dictionary":                    {framed(header(10), []byte{0x28, 0xB5, 0x2F, 0xFD, 0x21, 7, 10, 1, 0, 0}), ErrCompression},
		"bytes behind":                    {append(bytes.Clone(frame), "junk"...), ErrCompression},
		"a second zstd frame behind":      {append(bytes.Clone(frame), frame[HeaderSize:]...), ErrCompression},
		"a trailer that is cut":           {append(bytes.Clone(frame), le.AppendUint32(le.AppendUint32(nil, trailerMagic), 9)...), ErrTruncated},
		"a trailer of a gigabyte":         {append(bytes.Clone(frame), le.AppendUint32(le.AppendUint32(nil, trailerMagic), 1<<30)...), ErrTooLarge},
		"a bomb that says so":             {framed(header(128<<20), zeros(t, 128<<20, false)), ErrTooLarge},
		"a bomb whose header lies":        {framed(header(1000), zeros(t, 64<<20, true)), ErrBomb},
		"a bomb that declares nothing":    {framed(header(1000), zeros(t, 64<<20, false)), ErrBomb},
		"more than declared":              {framed(header(1<<20-100), zeroMiB), ErrBomb},
		"less than declared":              {framed(header(1<<20+1), zeroMiB), ErrHeader},
		"another size than the zstd has":  {changed(frame, func(b []byte) { b[atRawSize]++ }), ErrHeader},
		"a raw size beyond the limit":     {changed(frame, func(b []byte) { le.PutUint32(b[atRawSize:], math.MaxUint32) }), ErrTooLarge},
		"a count beyond the limit":        {changed(frame, func(b []byte) { le.PutUint32(b[atCount:], math.MaxUint32) }), ErrTooLarge},
		"a count that cannot be":          {changed(frame, func(b []byte) { le.PutUint32(b[atCount:], 60000) }), ErrHeader},
		"one sample fewer than there are": {changed(frame, func(b []byte) { b[atCount]-- }), ErrHeader},
		"one sample more than there are":  {changed(frame, func(b []byte) { b[atCount]++ }), ErrHeader},
		"a first time that is wrong":      {changed(frame, func(b []byte) { b[atFirst]-- }), ErrHeader},
		"a last time that is wrong":       {changed(frame, func(b []byte) { b[atLast]++ }), ErrHeader},
		"times that run backward":         {changed(frame, func(b []byte) { b[atLast] = 0 }), ErrHeader},
		"a negative time":                 {changed(frame, func(b []byte) { b[atFirst+7] = 0x80 }), ErrHeader},
		"lane 0":                          {changed(frame, func(b []byte) { b[atLane] = 0 }), ErrHeader},
		"lane 9":                          {changed(frame, func(b []byte) { b[atLane] = 9 }), ErrHeader},
		"no epoch":                        {changed(frame, func(b []byte) { clear(b[atEpoch:atSeq]) }), ErrHeader},
		"times of no sample":              {framed(Header{Lane: 1, Epoch: point.Epoch{1}, Last: 5, RawSize: 10}, frame[HeaderSize:]), ErrHeader},
		"not protobuf":                    {reframe(t, frame, []byte("this is not a protobuf message at all")), ErrMalformed},
		"protobuf that ends early":        {reframe(t, frame, good[:len(good)-1]), ErrMalformed},
		"nothing but a number":            {reframe(t, frame, bytes.Repeat([]byte{0xFF}, 20)), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, d := newCodec(t, Limits{})
			into := *batchOf(point.Sample{})
			_, err := d.Decode(c.frame, table, &into)
			if !errors.Is(err, c.want) || Reason(err) != Reason(c.want) {
				t.Fatalf("refused as %q (%v), want %q", Reason(err), err, Reason(c.want))
			}
			if len(into.Samples) != 0 || into.Venue != "" {
				t.Errorf("it leaves %+v", into)
			}
			if _, err := d.Decode(frame, table, &into); err != nil {
				t.Fatalf("the next frame is refused: %v", err)
			}
		})
	}
}

func flipped(frame []byte, i int) []byte {
	b := bytes.Clone(frame)
	b[i] ^= 0x10
	return b
}

// TestTruncatedAnywhere: no beginning of a frame is taken for one.
func TestTruncatedAnywhere(t *testing.T) {
	frame, table := plainFrame(t)
	_, d := newCodec(t, Limits{})
	for n := range frame {
		if _, err := d.Decode(frame[:n], table, &Batch{}); !errors.Is(err, ErrTruncated) {
			t.Errorf("the first %d of %d bytes: %v", n, len(frame), err)
		}
	}
}

// TestNoBitMatters: whichever bit of a frame changes, it is refused.
func TestNoBitMatters(t *testing.T) {
	frame, table := plainFrame(t)
	_, d := newCodec(t, Limits{})
	for i := range frame {
		for bit := range 8 {
			b := bytes.Clone(frame)
			b[i] ^= 1 << bit
			if _, err := d.Decode(b, table, &Batch{}); Reason(err) == "" || Reason(err) == "other" {
				t.Errorf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
}

// TestDecodeRefusesMessages: protobuf that is well formed and says what cannot be.
func TestDecodeRefusesMessages(t *testing.T) {
	ids := appendString(appendString(nil, fieldVenue, "v"), fieldGateway, "g")
	// samples returns columns of n int samples at time 1, after ids.
	samples := func(n int) []byte {
		m := appendBytes(ids, fieldPointDelta, append([]byte{2 * atInt}, make([]byte, n-1)...))
		m = appendBytes(m, fieldTimeRun, []byte{byte(n)})
		m = appendBytes(m, fieldMonoDelta, []byte{2})
		return appendBytes(m, fieldInts, make([]byte, n))
	}
	column := func(m []byte, num protowire.Number, vs ...uint64) []byte {
		var col []byte
		for _, v := range vs {
			col = protowire.AppendVarint(col, v)
		}
		return appendBytes(m, num, col)
	}
	// one returns the columns of one sample of the point at index.
	one := func(index uint64) []byte {
		return column(column(column(ids, fieldPointDelta, 2*index), fieldTimeRun, 1), fieldMonoDelta, 2)
	}
	run := func(body ...byte) []byte { return appendBytes(ids, fieldRuns, body) }
	for name, c := range map[string]struct {
		count uint32
		raw   []byte
		want  error
	}{
		"no ids":                          {0, appendUint(nil, 100, 1), ErrInvalid},
		"a venue in capitals":             {0, appendString(ids, fieldVenue, "V"), ErrInvalid},
		"a gateway that is no UTF-8":      {0, appendString(ids, fieldGateway, "\xff"), ErrInvalid},
		"a trace of 300 bytes":            {0, appendString(ids, fieldTrace, strings.Repeat("0", 300)), ErrTooLarge},
		"a boot id of 3 bytes":            {0, appendBytes(ids, fieldMap, appendBytes(nil, 1, []byte("abc"))), ErrInvalid},
		"an unknown time source":          {0, appendBytes(ids, fieldMap, appendUint(nil, 5, 5)), ErrInvalid},
		"time source 257":                 {0, appendBytes(ids, fieldMap, appendUint(nil, 5, 257)), ErrInvalid},
		"an endless uncertainty":          {0, appendBytes(ids, fieldMap, appendUint(nil, 4, math.MaxUint64)), ErrInvalid},
		"a time map that is none":         {0, appendBytes(ids, fieldMap, []byte{0xFF}), ErrMalformed},
		"an index beyond the table":       {1, appendBytes(one(7), fieldInts, []byte{0}), ErrInvalid},
		"an index below the table":        {1, column(column(column(column(ids, fieldPointDelta, 1), fieldTimeRun, 1), fieldMonoDelta, 2), fieldInts, 0), ErrInvalid},
		"an index of 2^62":                {1, appendBytes(one(1<<62), fieldInts, []byte{0}), ErrInvalid},
		"a point without a type":          {1, appendBytes(one(atNone), fieldInts, []byte{0}), ErrInvalid},
		"a bool of 2":                     {1, appendBytes(one(atBool), fieldInts, []byte{4}), ErrInvalid},
		"a bool of -1":                    {1, appendBytes(one(atBool), fieldInts, []byte{1}), ErrInvalid},
		"fewer ints than samples":         {2, column(column(column(column(ids, fieldPointDelta, 2, 0), fieldTimeRun, 2), fieldMonoDelta, 2), fieldInts, 0), ErrMalformed},
		"more ints than samples":          {2, appendBytes(samples(2), fieldInts, []byte{0}), ErrMalformed},
		"an int that is broken":           {1, appendBytes(one(atInt), fieldInts, []byte{0x80}), ErrMalformed},
		"an int of 11 bytes":              {1, appendBytes(one(atInt), fieldInts, append(bytes.Repeat([]byte{0x80}, 10), 1)), ErrMalformed},
		"no double":                       {1, one(atFloat), ErrMalformed},
		"half a double":                   {1, appendBytes(one(atFloat), fieldDoubles, make([]byte, 4)), ErrMalformed},
		"a double too many":               {1, appendBytes(one(atFloat), fieldDoubles, make([]byte, 16)), ErrMalformed},
		"no text":                         {1, append(one(atText), appendUint(nil, 100, 1)...), ErrMalformed},
		"a text too many":                 {1, appendBytes(samples(1), fieldTexts, []byte("x")), ErrMalformed},
		"a text that is no UTF-8":         {1, appendBytes(one(atText), fieldTexts, []byte{0xFF}), ErrMalformed},
		"a text of 5,000 bytes":           {1, appendBytes(one(atText), fieldTexts, bytes.Repeat([]byte("x"), 5000)), ErrTooLarge},
		"fewer points than samples":       {3, column(column(column(column(ids, fieldPointDelta, 2, 0), fieldTimeRun, 3), fieldMonoDelta, 2), fieldInts, 0, 0, 0), ErrMalformed},
		"more points than samples":        {1, column(column(column(column(ids, fieldPointDelta, 2, 0), fieldTimeRun, 1), fieldMonoDelta, 2), fieldInts, 0), ErrHeader},
		"a run of no time":                {1, column(column(column(column(ids, fieldPointDelta, 2), fieldTimeRun, 0), fieldMonoDelta, 2), fieldInts, 0), ErrMalformed},
		"a run of 2^40 times":             {1, column(column(column(column(ids, fieldPointDelta, 2), fieldTimeRun, 1<<40), fieldMonoDelta, 2), fieldInts, 0), ErrMalformed},
		"a run without a time":            {1, column(column(column(ids, fieldPointDelta, 2), fieldTimeRun, 1), fieldInts, 0), ErrMalformed},
		"a time below zero":               {1, column(column(column(column(ids, fieldPointDelta, 2), fieldTimeRun, 1), fieldMonoDelta, 1), fieldInts, 0), ErrInvalid},
		"a time beyond 64 bits":           {2, column(column(column(column(ids, fieldPointDelta, 2, 0), fieldTimeRun, 1, 1), fieldMonoDelta, math.MaxUint64-1, 2), fieldInts, 0, 0), ErrInvalid},
		"a run of times too many":         {1, appendBytes(appendBytes(samples(1), fieldTimeRun, []byte{1}), fieldMonoDelta, []byte{2}), ErrHeader},
		"a quality at no sample":          {1, column(column(samples(1), fieldQualityStep, 1), fieldQuality, 0x80000000), ErrInvalid},
		"a quality at 2^63":               {1, column(column(samples(1), fieldQualityStep, 1<<63), fieldQuality, 0x80000000), ErrInvalid},
		"a quality twice":                 {2, column(column(samples(2), fieldQualityStep, 1, 0), fieldQuality, 1<<31, 1<<31), ErrMalformed},
		"a quality of severity 3":         {1, column(column(samples(1), fieldQualityStep, 0), fieldQuality, 0xC0000000), ErrInvalid},
		"a quality of 33 bits":            {1, column(column(samples(1), fieldQualityStep, 0), fieldQuality, 1<<32), ErrInvalid},
		"a position without a quality":    {1, column(samples(1), fieldQualityStep, 0), ErrMalformed},
		"a quality without a position":    {1, column(samples(1), fieldQuality, 1<<31), ErrMalformed},
		"a device time at no sample":      {1, column(column(samples(1), fieldDeviceTimeStep, 5), fieldDeviceTimeDelta, 5), ErrInvalid},
		"a position without device time":  {1, column(samples(1), fieldDeviceTimeStep, 0), ErrMalformed},
		"a device time without position":  {1, column(samples(1), fieldDeviceTimeDelta, 0), ErrMalformed},
		"an event key of 15 bytes":        {1, appendBytes(column(appendBytes(one(atEvent), fieldInts, []byte{0}), fieldEventStep, 0), fieldEventKeys, make([]byte, 15)), ErrMalformed},
		"an event key of 17 bytes":        {1, appendBytes(column(appendBytes(one(atEvent), fieldInts, []byte{0}), fieldEventStep, 0), fieldEventKeys, make([]byte, 17)), ErrMalformed},
		"an event without key":            {1, appendBytes(one(atEvent), fieldInts, []byte{0}), ErrInvalid},
		"an event key of an int":          {1, appendBytes(column(samples(1), fieldEventStep, 0), fieldEventKeys, make([]byte, 16)), ErrInvalid},
		"a counter without run":           {1, appendBytes(one(atCounter), fieldInts, []byte{0}), ErrInvalid},
		"a counter run of an int":         {0, run(0x08, atInt, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x20, 16, 0x28, 1), ErrInvalid},
		"a counter run without id":        {0, run(0x08, atCounter, 0x20, 16, 0x28, 1), ErrInvalid},
		"a counter run of 17 bits":        {0, run(0x08, atCounter, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x20, 17, 0x28, 1), ErrInvalid},
		"a counter run without reason":    {0, run(0x08, atCounter, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x20, 16), ErrInvalid},
		"a counter run of reason 9":       {0, run(0x08, atCounter, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x20, 16, 0x28, 9), ErrInvalid},
		"a counter run beyond the table":  {0, run(0x08, 99, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x20, 16, 0x28, 1), ErrInvalid},
		"a counter run that is none":      {0, run(0x08), ErrMalformed},
		"a gap that says nothing":         {0, appendBytes(ids, fieldGaps, nil), ErrInvalid},
		"a gap of epoch abc":              {0, appendBytes(ids, fieldGaps, appendBytes(nil, 1, []byte("abc"))), ErrInvalid},
		"a gap of a point not there":      {0, appendBytes(ids, fieldGaps, []byte{0x48, 1, 0x50, 99}), ErrInvalid},
		"4,097 gaps":                      {0, append(bytes.Clone(ids), bytes.Repeat(appendBytes(nil, fieldGaps, []byte{0x48, 1, 0x50, 1}), MaxNotes+1)...), ErrTooLarge},
		"4,097 reduced notes":             {0, append(bytes.Clone(ids), bytes.Repeat(appendBytes(nil, fieldReduced, nil), MaxNotes+1)...), ErrTooLarge},
		"a reduced note of NaN":           {0, appendBytes(ids, fieldReduced, appendDouble(nil, 2, math.NaN())), ErrInvalid},
		"a reduced interval of 2^64 ns":   {0, appendBytes(ids, fieldReduced, appendUint(nil, 3, math.MaxUint64)), ErrInvalid},
		"columns of a batch without any":  {0, samples(1), ErrHeader},
		"texts of a batch without sample": {0, appendBytes(ids, fieldTexts, []byte("x")), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			h := header(uint32(len(c.raw)))
			if h.Count = c.count; c.count > 0 {
				h.First, h.Last = 1, 1
			}
			_, d := newCodec(t, Limits{})
			var into Batch
			if _, err := d.Decode(forge(t, h, c.raw), oneOfEach(), &into); !errors.Is(err, c.want) || Reason(err) != Reason(c.want) {
				t.Fatalf("refused as %q (%v), want %q", Reason(err), err, Reason(c.want))
			}
			if !equal(&into, &Batch{}) {
				t.Errorf("it leaves %+v", into)
			}
		})
	}
}

// TestDecodeWithAnotherTable: a table that does not fit is an error, not a panic.
func TestDecodeWithAnotherTable(t *testing.T) {
	frame, table := plainFrame(t)
	_, d := newCodec(t, Limits{})
	for n := range 2 {
		if _, err := d.Decode(frame, table[:n], &Batch{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("with %d points: %v", n, err)
		}
	}
}

// TestRefusalsAllocateLittle: a bomb costs the decoder what its header was allowed to declare, not what it would inflate to.
func TestRefusalsAllocateLittle(t *testing.T) {
	_, table := plainFrame(t)
	lim := Limits{MaxRawBytes: 64 << 10}
	_, d := newCodec(t, lim)
	bomb := framed(header(60<<10), zeros(t, 64<<20, false))
	refuse := func() {
		if _, err := d.Decode(bomb, table, &Batch{}); !errors.Is(err, ErrBomb) {
			t.Fatal(err)
		}
	}
	refuse() // the decoder takes its memory
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 10
	for range times {
		refuse()
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 1<<20 { // where zstd is pure Go it takes a few blocks' worth anew
		t.Errorf("refusing a bomb of 64 MiB allocates %d bytes", got)
	}
}

// TestReason: every kind of refusal has a label of its own.
func TestReason(t *testing.T) {
	met := map[string]bool{}
	for _, err := range []error{ErrTruncated, ErrTooLarge, ErrNotFrame, ErrVersion, ErrChecksum, ErrHeader, ErrCompression, ErrBomb, ErrMalformed, ErrInvalid, ErrTableHash} {
		r := Reason(err)
		if r == "" || r == "other" || met[r] {
			t.Errorf("%v has the reason %q", err, r)
		}
		met[r] = true
	}
	if Reason(nil) != "" || Reason(errors.New("x")) != "other" {
		t.Error("no error, or another's, has a reason")
	}
}
