package opcua_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
	"github.com/courtside-edge/courtside/sync/point"
)

func TestValuesStatusesAndTimes(t *testing.T) {
	s := startServer(t, opcuaserver.Options{})
	when := time.Date(2026, 3, 4, 5, 6, 7, 800, time.UTC)
	minus := int64(-5)
	cases := []struct {
		typ     opcuaserver.Type
		value   any
		point   point.Point
		quality point.Quality
		bits    uint64
		text    string
	}{
		{opcuaserver.Boolean, true, point.Point{Type: point.Bool}, 0, 1, ""},
		{opcuaserver.SByte, -5, point.Point{Type: point.Int}, 0, uint64(minus), ""},
		{opcuaserver.Byte, 200, point.Point{Type: point.Int}, 0, 200, ""},
		{opcuaserver.Int16, -5, point.Point{Type: point.Int}, 0, uint64(minus), ""},
		{opcuaserver.UInt16, 65535, point.Point{Type: point.Int}, 0, 65535, ""},
		{opcuaserver.Int32, -5, point.Point{Type: point.Int}, 0, uint64(minus), ""},
		{opcuaserver.UInt32, uint32(math.MaxUint32), point.Point{Type: point.Int}, 0, math.MaxUint32, ""},
		{opcuaserver.Int64, int64(math.MinInt64), point.Point{Type: point.Int}, 0, 1 << 63, ""},
		{opcuaserver.UInt64, uint64(math.MaxInt64), point.Point{Type: point.Int}, 0, math.MaxInt64, ""},
		{opcuaserver.UInt64, uint64(math.MaxInt64 + 1), point.Point{Type: point.Int}, point.BadOutOfRange, 0, ""},
		{opcuaserver.Float, 1.5, point.Point{Type: point.Float}, 0, math.Float64bits(1.5), ""},
		{opcuaserver.Double, -2.25, point.Point{Type: point.Float}, 0, math.Float64bits(-2.25), ""},
		{opcuaserver.Double, math.NaN(), point.Point{Type: point.Float}, point.BadOutOfRange, 0, ""},
		{opcuaserver.Int32, -5, point.Point{Type: point.Float}, 0, math.Float64bits(-5), ""},
		{opcuaserver.String, "Grüezi", point.Point{Type: point.Text}, 0, 0, "Grüezi"},
		{opcuaserver.String, "a\xffb", point.Point{Type: point.Text}, 0, 0, "a\uFFFDb"},
		{opcuaserver.Int32, 1, point.Point{Type: point.Bool}, point.BadDataEncodingInvalid, 0, ""},
		{opcuaserver.Boolean, true, point.Point{Type: point.Int}, point.BadDataEncodingInvalid, 0, ""},
		{opcuaserver.String, "1", point.Point{Type: point.Float}, point.BadDataEncodingInvalid, 0, ""},
		{opcuaserver.Int16, -1, point.Point{Type: point.Int, Class: point.Counter, Bits: 16}, 0, 65535, ""},
		{opcuaserver.Int32, -1, point.Point{Type: point.Int, Class: point.Counter, Bits: 16}, point.BadOutOfRange, 0, ""},
		{opcuaserver.UInt32, 70000, point.Point{Type: point.Int, Class: point.Counter, Bits: 16}, point.BadOutOfRange, 0, ""},
		{opcuaserver.UInt64, uint64(math.MaxUint64), point.Point{Type: point.Int, Class: point.Counter, Bits: 64}, 0, math.MaxUint64, ""},
	}
	var entries []entry
	for i, tc := range cases {
		id := fmt.Sprintf("ns=1;i=%d", i+1)
		if err := s.Declare(id, tc.typ); err != nil {
			t.Fatal(err)
		}
		if err := s.Set(id, tc.value, when); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, single(id, tc.point))
	}
	var l logs
	for _, mode := range []string{"poll", "subscribe"} {
		d := deviceOf("endpoint: "+s.Endpoint()+"\nmode: "+mode, l.logger(), entries...)
		c := open(t, prepare(t, d))
		all := map[uint32]got{}
		if mode == "poll" {
			all = pollAll(t, d, c)
		} else {
			f := follow(t, d, c)
			for i := range 2 * len(cases) { // read, then reported
				g := f.until("a reading", func(got) bool { return true })
				if i >= len(cases) {
					all[g.Index] = g
				}
			}
		}
		for i, tc := range cases {
			g := all[uint32(i)]
			if g.Quality != tc.quality || g.Bits != tc.bits || g.text != tc.text {
				t.Errorf("%s: %v as %v: %v %#x %q, want %v %#x %q", mode, tc.value, tc.point.Type, g.Quality, g.Bits, g.text, tc.quality, tc.bits, tc.text)
			}
			if g.source != when.UnixNano() {
				t.Errorf("%s: %v has the device time %v", mode, tc.value, time.Unix(0, g.source).UTC())
			}
		}
	}
}

func TestArraysAndStructuresAreRefusedOnce(t *testing.T) {
	s := startServer(t, opcuaserver.Options{})
	must(t, s, nodeA, opcuaserver.Int32, 0)
	must(t, s, nodeB, opcuaserver.Int32, 0)
	for id, v := range map[string]any{nodeA: []int32{1, 2}, nodeB: ua.NewExtensionObject(&ua.Range{})} {
		if err := s.SetVariant(id, ua.MustVariant(v), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var l logs
	d := deviceOf("mode: poll\nendpoint: "+s.Endpoint(), l.logger(), single(nodeA, intPoint()), single(nodeB, intPoint()))
	c := open(t, prepare(t, d))
	for range 3 {
		for i, g := range pollAll(t, d, c) {
			if g.Quality != point.BadDataEncodingInvalid {
				t.Errorf("point %d is %v", i, g.Quality)
			}
		}
	}
	for _, id := range []string{nodeA, nodeB} {
		if n := l.count(id); n != 1 {
			t.Errorf("%s is logged %d times", id, n)
		}
	}
}

func TestStatusCodesAreKept(t *testing.T) {
	s := startServer(t, opcuaserver.Options{})
	must(t, s, nodeA, opcuaserver.Int32, 7)
	var l logs
	d := deviceOf("mode: poll\nendpoint: "+s.Endpoint(), l.logger(), single(nodeA, intPoint()))
	c := open(t, prepare(t, d))
	for status, want := range map[uint32]struct {
		quality point.Quality
		bits    uint64
	}{
		0x00000480: {point.Good, 7}, // an overflow of the server's queue says nothing about the value
		0x40900000: {point.UncertainLastUsable, 7},
		0x808C0000: {point.BadSensorFailure, 0},
		0x80AB0000: {0x80AB0000, 0},
	} {
		if err := s.SetStatus(nodeA, status, time.Now()); err != nil {
			t.Fatal(err)
		}
		if g := pollAll(t, d, c)[0]; g.Quality != want.quality || g.Bits != want.bits {
			t.Errorf("status %#x: %v, %d", status, g.Quality, g.Bits)
		}
	}
}

func TestServerLimitsAreKept(t *testing.T) {
	for _, hide := range []bool{false, true} {
		for _, mode := range []string{"poll", "subscribe"} {
			t.Run(fmt.Sprint(mode, hide), func(t *testing.T) {
				s := startServer(t, opcuaserver.Options{MaxItemsPerCall: 30, HideLimits: hide})
				for i := range 100 {
					must(t, s, fmt.Sprintf("ns=1;s=p.%03d", i+1), opcuaserver.UInt16, i+1)
				}
				var l logs
				d := deviceOf("publish_interval: 20ms\nendpoint: "+s.Endpoint()+"\nmode: "+mode, l.logger(),
					entry{source: `node: "ns=1;s=p.{n:03}"`, point: intPoint(), many: 100})
				c := open(t, prepare(t, d))
				if mode == "subscribe" {
					follow(t, d, c).untilBits(99, 100)
					return
				}
				all := pollAll(t, d, c)
				for i := range uint32(100) {
					if g := all[i]; !g.Quality.IsGood() || g.Bits != uint64(i+1) {
						t.Fatalf("point %d: %v %d", i, g.Quality, g.Bits)
					}
				}
			})
		}
	}
}

func TestNamespacesByURI(t *testing.T) {
	s := startServer(t, opcuaserver.Options{Namespaces: []string{"urn:one", "urn:two"}})
	must(t, s, "ns=2;s=a", opcuaserver.Int32, 5)
	var l logs
	d := deviceOf("mode: poll\nendpoint: "+s.Endpoint(), l.logger(), single("nsu=urn:two;s=a", intPoint()), single("nsu=urn:none;s=a", intPoint()))
	all := pollAll(t, d, open(t, prepare(t, d)))
	if all[0].Bits != 5 || !all[0].Quality.IsGood() {
		t.Errorf("nsu=urn:two: %v %d", all[0].Quality, all[0].Bits)
	}
	if all[1].Quality != point.BadNodeIDUnknown || l.count("urn:none") == 0 {
		t.Errorf("a namespace that the server does not have: %v", all[1].Quality)
	}
}

func TestUnknownNodeIsOnlyItself(t *testing.T) {
	s := startServer(t, opcuaserver.Options{})
	must(t, s, nodeB, opcuaserver.Int32, 2)
	var l logs
	d := deviceOf("mode: poll\nendpoint: "+s.Endpoint(), l.logger(), single(nodeA, intPoint()), single(nodeB, intPoint()))
	all := pollAll(t, d, open(t, prepare(t, d)))
	if all[0].Quality != point.BadNodeIDUnknown || all[1].Bits != 2 || !all[1].Quality.IsGood() {
		t.Errorf("an unknown node is %v, its neighbour %v", all[0].Quality, all[1].Quality)
	}
}

func TestPollingDoesNotSubscribe(t *testing.T) {
	s := startServer(t, opcuaserver.Options{})
	var l logs
	c := open(t, prepare(t, deviceOf("mode: poll\nendpoint: "+s.Endpoint(), l.logger(), single(nodeA, intPoint()))))
	if _, ok := c.(drivers.Subscriber); ok {
		t.Error("a polling connection offers Subscribe")
	}
}
