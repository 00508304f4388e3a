package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

// assemble gives parts to a and returns the table that they end in.
func assemble(t testing.TB, a *TableAssembler, parts [][]byte) ([]point.Point, point.TableHash) {
	t.Helper()
	for i, p := range parts {
		points, hash, done, err := a.Add(p)
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		if done != (i == len(parts)-1) {
			t.Fatalf("part %d of %d: done is %v", i, len(parts), done)
		}
		if done {
			return points, hash
		}
	}
	return nil, point.TableHash{}
}

// TestTableRoundTrip: tables come back whole, in parts of any size, in any order of parts.
func TestTableRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := genTable().Draw(rt, "table")
		parts, hash, err := EncodeTable(table, rapid.IntRange(700, 5000).Draw(rt, "part size"))
		if err != nil {
			rt.Fatal(err)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 0))
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		var a TableAssembler
		got, gotHash := assemble(t, &a, parts)
		if gotHash != hash || !reflect.DeepEqual(got, table) {
			rt.Fatalf("%v comes as %v:\n%+v\nwant\n%+v", hash, gotHash, got, table)
		}
		if a.bytes != 0 || len(a.waiting) != 0 {
			rt.Fatalf("the assembler keeps %d bytes of %d tables", a.bytes, len(a.waiting))
		}
	})
}

// TestArenaTable: the parts of a real table keep to their limit, and their sizes do not change its hash.
func TestArenaTable(t *testing.T) {
	table := seatTable()
	small, hash, err := EncodeTable(table, 16<<10)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range small {
		if len(p) > 16<<10 {
			t.Errorf("part %d has %d bytes", i, len(p))
		}
	}
	large, again, err := EncodeTable(table, 0)
	if err != nil || again != hash {
		t.Fatalf("%v in large parts, %v in small ones, %v", again, hash, err)
	}
	if len(small) < 2 || len(large) >= len(small) {
		t.Errorf("%d small parts, %d large ones", len(small), len(large))
	}
	for _, parts := range [][][]byte{small, large} {
		if got, _ := assemble(t, &TableAssembler{}, parts); !reflect.DeepEqual(got, table) {
			t.Error("the table comes back changed")
		}
	}
	changed := slices.Clone(table)
	changed[19199].Scale = 0.2
	if _, h, err := EncodeTable(changed, 0); err != nil || h == hash {
		t.Errorf("another table has the same hash: %v", err)
	}
	changed[0], changed[1] = changed[1], changed[0]
	if _, h, err := EncodeTable(changed, 0); err != nil || h == hash {
		t.Errorf("another order has the same hash: %v", err)
	}
}

// TestTableIsContract: parts are the generated PointTable, and each entry as generated code writes it.
func TestTableIsContract(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := genTable().Draw(rt, "table")
		parts, hash, err := EncodeTable(table, 1<<20)
		if err != nil || len(parts) != 1 {
			rt.Fatalf("%d parts, %v", len(parts), err)
		}
		raw, err := unpack(parts[0], MaxControlRawBytes)
		if err != nil {
			rt.Fatal(err)
		}
		want := &contract.PointTable{Hash: hash[:], Parts: 1, Points: uint32(len(table))}
		for _, p := range table {
			want.Entries = append(want.Entries, &contract.Point{Device: string(p.Device), Name: string(p.Name), Type: contract.ValueType(p.Type), Unit: p.Unit,
				Kind: contract.Kind(p.Kind), Lane: contract.Lane(p.Lane), Class: contract.PointClass(p.Class), Place: p.Place, Direction: contract.Direction(p.Direction),
				Scale: p.Scale, Offset: p.Offset, Deadband: p.Deadband, OccupiedAbove: p.OccupiedAbove, OccupiedBelow: p.OccupiedBelow,
				MaxSilenceNs: uint64(p.MaxSilence), Bits: uint32(p.Bits), MaxRate: p.MaxRate})
		}
		theirs, err := proto.MarshalOptions{Deterministic: true}.Marshal(want)
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(raw, theirs) {
			rt.Fatalf("we write\n%x\ngenerated code writes\n%x", raw, theirs)
		}
	})
}

// tablePayload returns one part of any content.
func tablePayload(t testing.TB, c *contract.PointTable) []byte {
	t.Helper()
	raw, err := proto.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := pack(raw)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// signed returns a part whose hash fits its entries, as a hostile gateway can make it for any entries.
func signed(t testing.TB, entries ...*contract.Point) []byte {
	t.Helper()
	p := &tablePart{}
	for _, e := range entries {
		raw, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		p.entries = append(p.entries, raw)
	}
	_, err := (&partialTable{points: len(entries), parts: []*tablePart{p}}).read()
	var hash point.TableHash
	if _, after, ok := strings.Cut(fmt.Sprint(err), "its entries have "); ok {
		if hash, err = point.ParseTableHash(after); err != nil {
			t.Fatal(err)
		}
	}
	return tablePayload(t, &contract.PointTable{Hash: hash[:], Parts: 1, Points: uint32(len(entries)), Entries: entries})
}

func contractPoint(change func(*contract.Point)) *contract.Point {
	p := &contract.Point{Device: "d", Name: "n", Type: 2, Kind: 1, Lane: 1, Class: 1}
	if change != nil {
		change(p)
	}
	return p
}

// TestTableFromLaterVersion: fields that this version does not know count in the hash and are otherwise skipped.
func TestTableFromLaterVersion(t *testing.T) {
	p := contractPoint(nil)
	p.ProtoReflect().SetUnknown(appendString(nil, 900, "new"))
	points, _, done, err := new(TableAssembler).Add(signed(t, p))
	if err != nil || !done || len(points) != 1 || points[0].Name != "n" {
		t.Errorf("%+v, %v, %v", points, done, err)
	}
}

// TestTableRefuses: bad parts and bad points, each under its own reason; the assembler goes on.
func TestTableRefuses(t *testing.T) {
	hash := bytes.Repeat([]byte{7}, 16)
	entry := []*contract.Point{contractPoint(nil)}
	point1 := func(change func(*contract.Point)) []byte { return signed(t, contractPoint(change)) }
	part := func(c *contract.PointTable) []byte { return tablePayload(t, c) }
	good, _, err := EncodeTable(oneOfEach()[:4], 0)
	if err != nil {
		t.Fatal(err)
	}
	bomb := zeros(t, 8<<20, true)
	for name, c := range map[string]struct {
		payload []byte
		want    error
	}{
		"nothing":                {nil, ErrTruncated},
		"half a part":            {good[0][:len(good[0])/2], ErrTruncated},
		"not zstd":               {[]byte("hello, world"), ErrCompression},
		"not protobuf":           {storedFrame([]byte("hello, world")), ErrMalformed},
		"a bomb":                 {bomb, ErrBomb},
		"a bomb without size":    {zeros(t, 8<<20, false), ErrCompression},
		"a megabyte and more":    {make([]byte, MaxControlRawBytes+1), ErrTooLarge},
		"no hash":                {part(&contract.PointTable{Parts: 1, Points: 1, Entries: entry}), ErrInvalid},
		"a hash of 3 bytes":      {part(&contract.PointTable{Hash: []byte("abc"), Parts: 1, Points: 1, Entries: entry}), ErrInvalid},
		"part 1 of 1":            {part(&contract.PointTable{Hash: hash, Part: 1, Parts: 1, Points: 1, Entries: entry}), ErrInvalid},
		"part 0 of 0":            {part(&contract.PointTable{Hash: hash, Points: 1, Entries: entry}), ErrInvalid},
		"part 0 of 2^31":         {part(&contract.PointTable{Hash: hash, Parts: 1 << 31, Points: 1, Entries: entry}), ErrInvalid},
		"part 0 of 1,025":        {part(&contract.PointTable{Hash: hash, Parts: 1025, Points: 1, Entries: entry}), ErrTooLarge},
		"no entries":             {part(&contract.PointTable{Hash: hash, Parts: 1, Points: 1}), ErrInvalid},
		"more than the table":    {part(&contract.PointTable{Hash: hash, Parts: 1, Points: 1, Entries: append(entry, entry...)}), ErrInvalid},
		"a million points":       {part(&contract.PointTable{Hash: hash, Parts: 1, Points: 1e6, Entries: entry}), ErrTooLarge},
		"fewer than declared":    {part(&contract.PointTable{Hash: hash, Parts: 1, Points: 2, Entries: entry}), ErrTableHash},
		"another table's hash":   {part(&contract.PointTable{Hash: hash, Parts: 1, Points: 1, Entries: entry}), ErrTableHash},
		"an entry of 5,000":      {point1(func(p *contract.Point) { p.Unit = strings.Repeat("k", 5000) }), ErrTooLarge},
		"a device in capitals":   {point1(func(p *contract.Point) { p.Device = "PLC" }), ErrInvalid},
		"a name with a blank":    {point1(func(p *contract.Point) { p.Name = "a b" }), ErrInvalid},
		"no type":                {point1(func(p *contract.Point) { p.Type = 0 }), ErrInvalid},
		"type 5":                 {point1(func(p *contract.Point) { p.Type = 5 }), ErrInvalid},
		"type -1":                {point1(func(p *contract.Point) { p.Type = -1 }), ErrInvalid},
		"type 258":               {point1(func(p *contract.Point) { p.Type = 258 }), ErrInvalid},
		"kind 99":                {point1(func(p *contract.Point) { p.Kind = 99 }), ErrInvalid},
		"lane 3":                 {point1(func(p *contract.Point) { p.Lane = 3 }), ErrInvalid},
		"class 4":                {point1(func(p *contract.Point) { p.Class = 4 }), ErrInvalid},
		"direction 3":            {point1(func(p *contract.Point) { p.Direction = 3 }), ErrInvalid},
		"a gate in telemetry":    {point1(func(p *contract.Point) { p.Kind = 3 }), ErrInvalid},
		"bits of no counter":     {point1(func(p *contract.Point) { p.Bits = 16 }), ErrInvalid},
		"272 bits":               {point1(func(p *contract.Point) { p.Class, p.Lane, p.Bits = 2, 2, 272 }), ErrInvalid},
		"a silence of 600 years": {point1(func(p *contract.Point) { p.MaxSilenceNs = 1 << 63 }), ErrInvalid},
		"a point twice":          {signed(t, contractPoint(nil), contractPoint(nil)), ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			var a TableAssembler
			points, _, done, err := a.Add(c.payload)
			if !errors.Is(err, c.want) || Reason(err) != Reason(c.want) || done || points != nil {
				t.Fatalf("refused as %q (%v), want %q", Reason(err), err, Reason(c.want))
			}
			if a.bytes != 0 || len(a.waiting) != 0 {
				t.Errorf("it leaves %d bytes of %d tables", a.bytes, len(a.waiting))
			}
			if got, _ := assemble(t, &a, good); len(got) != 4 {
				t.Errorf("the next table comes with %d points", len(got))
			}
		})
	}
}

// TestEncodeTableRefuses: what the cloud would refuse is refused at the gateway, with the point's name.
func TestEncodeTableRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		table []point.Point
		size  int
		want  error
	}{
		"no point":           {nil, 0, ErrTooLarge},
		"too many points":    {make([]point.Point, MaxTablePoints+1), 0, ErrTooLarge},
		"a bad point":        {oneOfEach(), 0, ErrInvalid},
		"a point twice":      {append(oneOfEach()[:2], oneOfEach()[0]), 0, ErrInvalid},
		"parts of 50 bytes":  {oneOfEach()[:4], 50, ErrTooLarge},
		"parts far too many": {seatTable(), 170, ErrTooLarge},
	} {
		if parts, _, err := EncodeTable(c.table, c.size); !errors.Is(err, c.want) || parts != nil {
			t.Errorf("%s: %d parts, %v", name, len(parts), err)
		}
	}
}

// TestAssemblerMixed: duplicates and parts of several tables in between do no harm.
func TestAssemblerMixed(t *testing.T) {
	one, h1, err := EncodeTable(seatTable()[:200], 400)
	if err != nil {
		t.Fatal(err)
	}
	two, h2, err := EncodeTable(seatTable()[200:400], 400)
	if err != nil {
		t.Fatal(err)
	}
	if len(one) < 2 || len(two) < 2 {
		t.Fatalf("%d and %d parts are too few for this test", len(one), len(two))
	}
	var a TableAssembler
	add := func(p []byte, want point.TableHash, wantDone bool) {
		t.Helper()
		points, hash, done, err := a.Add(p)
		if err != nil || hash != want || done != wantDone || done && len(points) != 200 {
			t.Fatalf("%d points of %v, %v, %v", len(points), hash, done, err)
		}
	}
	for i := range len(one) - 1 {
		add(one[i], h1, false)
		add(one[i], h1, false)
		add(two[i%(len(two)-1)], h2, false)
	}
	for _, p := range two[:len(two)-1] {
		add(p, h2, false)
	}
	add(one[len(one)-1], h1, true)
	add(two[len(two)-1], h2, true)
	add(one[0], h1, false) // it may all come again
	for _, p := range one[1 : len(one)-1] {
		add(p, h1, false)
	}
	add(one[len(one)-1], h1, true)
}

// TestAssemblerHeals: a part that was wrong is replaced by its next delivery, and a table refused as a whole begins anew.
func TestAssemblerHeals(t *testing.T) {
	parts, hash, err := EncodeTable(seatTable()[:200], 400)
	if err != nil {
		t.Fatal(err)
	}
	wrong := tablePayload(t, &contract.PointTable{Hash: hash[:], Part: 0, Parts: uint32(len(parts)), Points: 200, Entries: []*contract.Point{contractPoint(nil)}})
	var a TableAssembler
	for _, p := range append([][]byte{wrong}, parts[1:len(parts)-1]...) {
		if _, _, done, err := a.Add(p); done || err != nil {
			t.Fatal(done, err)
		}
	}
	if _, _, done, err := a.Add(parts[len(parts)-1]); done || !errors.Is(err, ErrTableHash) {
		t.Fatalf("a table with a wrong part: %v, %v", done, err)
	}
	if got, _ := assemble(t, &a, append([][]byte{wrong}, parts...)); len(got) != 200 {
		t.Errorf("%d points", len(got))
	}
}

// TestAssemblerIsBounded: whatever a gateway sends, few tables wait, and their memory is bounded.
func TestAssemblerIsBounded(t *testing.T) {
	big := contractPoint(func(p *contract.Point) { p.Unit = strings.Repeat("k", 4000) })
	var entries []*contract.Point
	for range 200 {
		entries = append(entries, big)
	}
	var a TableAssembler
	for i := range 120 {
		hash := bytes.Repeat([]byte{byte(i/50 + 1)}, 16)
		_, _, done, err := a.Add(tablePayload(t, &contract.PointTable{Hash: hash, Part: uint32(i % 50), Parts: 51, Points: 60000, Entries: entries}))
		if err != nil || done {
			t.Fatal(done, err)
		}
		held := 0
		for _, w := range a.waiting {
			held += w.bytes
		}
		if a.bytes > MaxTableRawBytes || len(a.waiting) > maxTables || held != a.bytes {
			t.Fatalf("after %d parts %d tables hold %d bytes, %d are counted", i+1, len(a.waiting), held, a.bytes)
		}
	}
	for i := range 100 {
		hash := bytes.Repeat([]byte{byte(i + 50)}, 16)
		if _, _, _, err := a.Add(tablePayload(t, &contract.PointTable{Hash: hash, Parts: 2, Points: 2, Entries: entries[:1]})); err != nil {
			t.Fatal(err)
		}
		if len(a.waiting) > maxTables {
			t.Fatalf("%d tables wait", len(a.waiting))
		}
	}
}

// TestAssemblerKeepsNoPayload: the caller may use a payload's memory again.
func TestAssemblerKeepsNoPayload(t *testing.T) {
	parts, _, err := EncodeTable(oneOfEach()[:4], 100)
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	var a TableAssembler
	for i, p := range parts {
		_, _, done, err := a.Add(p)
		if err != nil || done != (i == len(parts)-1) {
			t.Fatal(done, err)
		}
		clear(p)
	}
	runtime.KeepAlive(parts)
}
