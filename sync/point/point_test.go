package point

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,30}`).Draw(t, "id")
		if id, err := ParseID(s); err != nil || string(id) != s {
			t.Fatalf("%q is %q, %v", s, id, err)
		}
	})
	for s, says := range map[string]string{
		"": "empty", "-a": "'-' at position 1", "Gw": "'G' at position 1", "a_b": "'_' at position 2", "a b": "' ' at position 2", "a/b": "'/' at position 2",
		"ä": "position 1", "a\x00": "position 2", "a+": "'+'", "#": "'#'", strings.Repeat("a", 32): "32 characters",
	} {
		id, err := ParseID(s)
		if !errors.Is(err, ErrID) || id != "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %q, %v; the error should say %q", s, id, err, says)
		}
	}
}

func TestParseName(t *testing.T) {
	for _, s := range []string{"a", "seat/101/a/12", "1/2/3/4/5/6/7/8"} {
		if n, err := ParseName(s); err != nil || string(n) != s {
			t.Errorf("%q is %q, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "/", "a/", "/a", "a//b", "1/2/3/4/5/6/7/8/9", "a/B", "a/" + strings.Repeat("b", 32)} {
		if n, err := ParseName(s); !errors.Is(err, ErrID) || n != "" {
			t.Errorf("%q is %q, %v", s, n, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("seat/101/a/12")
	f.Add("a//b")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			if !errors.Is(err, ErrID) {
				t.Fatal(err)
			}
			return
		}
		if string(n) != s || strings.ContainsAny(s, "+#$ \x00") || strings.Count(s, "/") >= MaxNameIDs || s == "" {
			t.Fatalf("%q is taken", s)
		}
	})
}

// TestNamesOfEnums: what String writes the parser reads, and only that; each known value has a name of its own.
func TestNamesOfEnums(t *testing.T) {
	enum := func(what string, name func(uint8) string, valid func(uint8) bool, parse func(string) (uint8, error)) {
		met := map[string]bool{}
		for i := range uint8(10) {
			s := name(i)
			if met[s] {
				t.Errorf("two %ss are called %s", what, s)
			}
			met[s] = true
			got, err := parse(s)
			if valid(i) != (err == nil) || err == nil && got != i {
				t.Errorf("%s %d is called %s, which is read as %d, %v", what, i, s, got, err)
			}
		}
		for _, s := range []string{"", "none?", "Bool", strings.ToUpper(name(1))} {
			if _, err := parse(s); err == nil || !strings.Contains(err.Error(), name(1)) {
				t.Errorf("%q as a %s gives %v; the error should list what is known", s, what, err)
			}
		}
	}
	enum("type", func(i uint8) string { return Type(i).String() }, func(i uint8) bool { return Type(i).Valid() },
		func(s string) (uint8, error) { v, err := ParseType(s); return uint8(v), err })
	enum("kind", func(i uint8) string { return Kind(i).String() }, func(i uint8) bool { return Kind(i).Valid() },
		func(s string) (uint8, error) { v, err := ParseKind(s); return uint8(v), err })
	enum("class", func(i uint8) string { return Class(i).String() }, func(i uint8) bool { return Class(i).Valid() },
		func(s string) (uint8, error) { v, err := ParseClass(s); return uint8(v), err })
	enum("lane", func(i uint8) string { return Lane(i).String() }, func(i uint8) bool { return Lane(i).Valid() },
		func(s string) (uint8, error) { v, err := ParseLane(s); return uint8(v), err })
	enum("direction", func(i uint8) string { return Direction(i).String() }, func(i uint8) bool { return Direction(i).Valid() },
		func(s string) (uint8, error) { v, err := ParseDirection(s); return uint8(v), err })
}

func TestEpochsAndHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Epoch(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "epoch"))
		if got, err := ParseEpoch(e.String()); err != nil || got != e || e.IsZero() != (e == Epoch{}) {
			t.Fatalf("%v is read as %v, %v", e, got, err)
		}
		if got, err := ParseTableHash(TableHash(e).String()); err != nil || got != TableHash(e) {
			t.Fatalf("%v is read as %v, %v", e, got, err)
		}
	})
	for _, s := range []string{"", "00", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("0", 34), strings.Repeat("g", 32), strings.Repeat(" ", 32), strings.Repeat("0", 4096)} {
		if e, err := ParseEpoch(s); err == nil || !e.IsZero() {
			t.Errorf("%q is epoch %v", s, e)
		}
		if h, err := ParseTableHash(s); err == nil || h != (TableHash{}) || !strings.Contains(err.Error(), "table hash") {
			t.Errorf("%q is table %v, %v", s, h, err)
		}
	}
	if got := (BatchID{Epoch{0xAB, 0xCD}, Critical, 7}).String(); got != "abcd0000/critical/7" {
		t.Errorf("a batch is called %s", got)
	}
}

func TestQuality(t *testing.T) {
	for q, want := range map[Quality]struct {
		good, bad bool
		says      string
	}{
		Good: {true, false, "good"}, 0x00960000: {true, false, "status 0x00960000"}, Uncertain: {false, false, "uncertain"},
		UncertainLastUsable: {false, false, "uncertain: last usable value"}, BadTimeout: {false, true, "bad: timeout"},
		0xFFFFFFFF: {false, true, "status 0xFFFFFFFF"}, 0x80FF0000: {false, true, "status 0x80FF0000"},
	} {
		if q.IsGood() != want.good || q.IsBad() != want.bad || q.String() != want.says {
			t.Errorf("0x%08X is good %v, bad %v, %q", uint32(q), q.IsGood(), q.IsBad(), q)
		}
	}
	met := map[string]bool{}
	for _, q := range []Quality{Bad, BadCommunication, BadTimeout, BadWaitingForInitialData, BadNotConnected, BadDeviceFailure, BadSensorFailure, BadOutOfRange,
		BadConfigurationError, BadDataEncodingInvalid, BadNodeIDUnknown, BadResourceUnavailable} {
		if !q.IsBad() || met[q.String()] || !strings.HasPrefix(q.String(), "bad") {
			t.Errorf("0x%08X is called %q", uint32(q), q)
		}
		met[q.String()] = true
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		p    Point
		bits uint64
		want float64
	}{
		{Point{Type: Int}, IntBits(-5), -5},
		{Point{Type: Int, Scale: 0.5, Offset: 10}, IntBits(-4), 8},
		{Point{Type: Int, Scale: 0, Offset: 3}, IntBits(4), 7},
		{Point{Type: Bool}, BoolBits(true), 1},
		{Point{Type: Bool}, BoolBits(false), 0},
		{Point{Type: Float, Scale: 9, Offset: 9}, FloatBits(2.5), 2.5},
	} {
		if got := c.p.Number(c.bits); got != c.want {
			t.Errorf("%v with scale %v and offset %v reads %d as %v, want %v", c.p.Type, c.p.Scale, c.p.Offset, c.bits, got, c.want)
		}
	}
	if got := (&Point{Type: Text}).Number(3); !math.IsNaN(got) {
		t.Errorf("a text is the number %v", got)
	}
}

func valid() Point {
	return Point{Device: "plc-1", Name: "seat/1", Type: Int, Kind: Seat, Class: State, Lane: Telemetry, Unit: "kg", Place: "1/a/1",
		Scale: -0.1, Offset: -3, Deadband: 2, OccupiedAbove: 20, OccupiedBelow: 15, MaxSilence: time.Minute}
}

func TestCheck(t *testing.T) {
	p := valid()
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	p.Kind, p.Lane, p.Direction, p.Class, p.Bits, p.MaxRate = Gate, Critical, Out, Counter, 32, 5
	if err := p.Check(); err != nil || !p.IsCritical() || p.Qualified() != "plc-1/seat/1" {
		t.Error(err)
	}
	for says, change := range map[string]func(*Point){
		"it is empty":                          func(p *Point) { p.Device = "" },
		`"Seat"`:                               func(p *Point) { p.Name = "a/Seat" },
		"unit of 128 bytes":                    func(p *Point) { p.Unit = strings.Repeat("k", 128) },
		"place \"\\xff\" is not UTF-8":         func(p *Point) { p.Place = "\xff" },
		"unknown type(0)":                      func(p *Point) { p.Type = 0 },
		"unknown kind(9)":                      func(p *Point) { p.Kind = 9 },
		"unknown class(9)":                     func(p *Point) { p.Class = 9 },
		"unknown lane(0)":                      func(p *Point) { p.Lane = 0 },
		"unknown direction(3)":                 func(p *Point) { p.Direction = 3 },
		"travel in the critical lane":          func(p *Point) { p.Kind = Gate },
		"counts in ints, not in float":         func(p *Point) { p.Class, p.Lane, p.Bits, p.Type = Counter, Critical, 16, Float },
		"16, 32 or 64 bits, not 8":             func(p *Point) { p.Class, p.Lane, p.Bits = Counter, Critical, 8 },
		"bits 16 stand at a point that is no":  func(p *Point) { p.Bits = 16 },
		"max rate of 1 stands at a point that": func(p *Point) { p.MaxRate = 1 },
		"direction in stands at a point that":  func(p *Point) { p.Direction = In },
		"scale is NaN":                         func(p *Point) { p.Scale = math.NaN() },
		"offset is +Inf":                       func(p *Point) { p.Offset = math.Inf(1) },
		"deadband is -1":                       func(p *Point) { p.Deadband = -1 },
		"occupied above 1 lies below":          func(p *Point) { p.OccupiedAbove = 1 },
		"max silence is -1ns":                  func(p *Point) { p.MaxSilence = -1 },
	} {
		p := valid()
		change(&p)
		if err := p.Check(); !errors.Is(err, ErrPoint) || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v, it should say %q", err, says)
		}
	}
}

func TestGapReasons(t *testing.T) {
	met := map[string]bool{}
	for r := GapPowerCut; r <= GapUnaccounted; r++ {
		if s := r.String(); met[s] || strings.Contains(s, "(") {
			t.Errorf("reason %d is called %s", r, s)
		}
		met[r.String()] = true
	}
	if got := GapReason(99).String(); got != "reason(99)" {
		t.Errorf("an unknown reason is called %s", got)
	}
}
