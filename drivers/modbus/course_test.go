package modbus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	goburrow "github.com/goburrow/modbus"
	"pgregory.net/rapid"
)

func packager() packer { return packer{} }

// words returns one uint16 point at each address of holding.
func words(addresses ...uint16) []item {
	var items []item
	for n, a := range addresses {
		items = append(items, item{index: uint32(n), address: a, table: Holding, shape: shape{kind: unsigned, width: 1}})
	}
	return items
}

// series returns the addresses from first to last.
func series(first, last uint16) (a []uint16) {
	for ; first <= last; first++ {
		a = append(a, first)
	}
	return a
}

// anyItems draws points of all tables and shapes, overlapping ones too.
func anyItems(t *rapid.T) []item {
	var items []item
	n := rapid.IntRange(0, 200).Draw(t, "points")
	span := rapid.IntRange(8, 3000).Draw(t, "span")
	for i := range n {
		it := item{index: uint32(i), table: rapid.SampledFrom([]Table{Coil, Discrete, Input, Holding}).Draw(t, "table"), shape: shape{kind: flag, width: 1}}
		if !it.table.isBits() {
			it.shape = rapid.SampledFrom(typeNames[:len(typeNames)-1]).Draw(t, "type").shape // the last is the string, which is no number
		}
		it.address = uint16(rapid.IntRange(0, span-int(it.shape.width)).Draw(t, "address"))
		if rapid.Bool().Draw(t, "high") {
			it.address += uint16(addresses - span)
		}
		items = append(items, it)
	}
	slices.SortFunc(items, order)
	return items
}

func TestPlanCoversEveryPointOnceWithinTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := anyItems(t)
		l := limits{registers: rapid.IntRange(4, 125).Draw(t, "registers"), bits: rapid.IntRange(1, 2000).Draw(t, "bits"), gap: rapid.IntRange(0, 20).Draw(t, "gap")}
		cuts := map[place]bool{}
		for _, i := range items {
			if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
				cuts[i.place()] = true
			}
		}
		requests, err := cover(items, l, cuts, packager())
		if err != nil {
			t.Fatal(err)
		}
		covered := map[uint32]int{}
		for n, r := range requests {
			most, gap := l.of(r.table)
			if int(r.quantity) > most || r.quantity == 0 || int(r.address)+int(r.quantity) > addresses {
				t.Fatalf("request %v of %d", r, r.quantity)
			}
			end := int(r.address)
			for _, i := range r.items {
				covered[i.index]++
				if i.table != r.table || i.address < r.address || i.end() > int(r.address)+int(r.quantity) {
					t.Fatalf("%v does not hold %+v", r, i)
				}
				if int(i.address) > end+gap {
					t.Fatalf("%v spans a gap of %d", r, int(i.address)-end)
				}
				if cuts[i.place()] && i.address != r.address {
					t.Fatalf("%v spans the cut at %d", r, i.address)
				}
				end = max(end, i.end())
			}
			if end != int(r.address)+int(r.quantity) {
				t.Fatalf("%v reads beyond its last point, which ends before %d", r, end)
			}
			if n > 0 && len(cuts) == 0 {
				before := requests[n-1]
				joined := max(end, int(before.address)+int(before.quantity)) - int(before.address)
				if before.table == r.table && joined <= most && int(r.address) <= int(before.address)+int(before.quantity)+gap {
					t.Fatalf("%v and %v could be one", before, r)
				}
			}
			checkRuns(t, r)
		}
		for _, i := range items {
			if covered[i.index] != 1 {
				t.Fatalf("%+v is covered %d times", i, covered[i.index])
			}
		}
	})
}

// checkRuns compares what the request's runs read with what each point reads by itself.
func checkRuns(t *rapid.T, r *request) {
	size := 2 * int(r.quantity)
	if r.table.isBits() {
		size = (int(r.quantity) + 7) / 8
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(rand.IntN(256))
	}
	got := map[uint32]uint64{}
	for _, run := range r.runs {
		for _, reading := range run.decode(data, nil) {
			if _, twice := got[reading.Index]; twice {
				t.Fatalf("point %d is read twice", reading.Index)
			}
			got[reading.Index] = reading.Bits
		}
	}
	for _, i := range r.items {
		at := int(i.address - r.address)
		var want uint64
		if r.table.isBits() {
			want = uint64(data[at/8] >> (at % 8) & 1)
		} else {
			want, _ = i.shape.value(data[2*at:])
		}
		if v, ok := got[i.index]; !ok || v != want {
			t.Fatalf("%+v in %v reads %d (%v), alone %d", i, r, v, ok, want)
		}
	}
}

// A thousand neighbouring registers decode as one run a request.
func TestNeighboursAreOneRun(t *testing.T) {
	requests, err := cover(words(series(0, 999)...), limits{125, 2000, 8}, nil, packager())
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) != 8 {
		t.Errorf("%d requests", len(requests))
	}
	for _, r := range requests {
		if len(r.runs) != 1 {
			t.Errorf("%v has %d runs", r, len(r.runs))
		}
	}
}

// stubborn is a device that refuses some reads.
type stubborn struct {
	holes map[uint16]bool // addresses that it does not have
	most  int             // registers of a request; 0 for any
	asked int
}

func (d *stubborn) refuses(r *request) bool {
	d.asked++
	for a := range int(r.quantity) {
		if d.holes[r.address+uint16(a)] {
			return true
		}
	}
	return d.most > 0 && int(r.quantity) > d.most
}

// scan asks for every request once and for the parts of what is refused, as a connection does.
func scan(t interface{ Fatal(...any) }, c *course, d *stubborn) (good map[uint32]bool) {
	good = map[uint32]bool{}
	queue, _, _ := c.current()
	queue = slices.Clone(queue)
	for len(queue) > 0 {
		r := queue[0]
		queue = queue[1:]
		if d.refuses(r) {
			queue = append(queue, c.refuse(r, goburrow.ExceptionCodeIllegalDataAddress, 0, 1)...)
			continue
		}
		if r.split != nil {
			c.accept(r)
		}
		for _, i := range r.items {
			good[i.index] = true
		}
	}
	if err := c.settle(); err != nil {
		t.Fatal(err)
	}
	return good
}

func TestFindsTheRefusedAddresses(t *testing.T) {
	for name, tc := range map[string]struct {
		items    []item
		device   stubborn
		requests int // in the end
		refused  int
	}{
		"one hole":               {words(series(0, 124)...), stubborn{holes: map[uint16]bool{77: true}}, 2, 1},
		"the first and last":     {words(series(0, 124)...), stubborn{holes: map[uint16]bool{0: true, 124: true}}, 1, 2},
		"neighbours":             {words(series(0, 124)...), stubborn{holes: map[uint16]bool{60: true, 61: true, 62: true}}, 2, 3},
		"in the gap":             {words(append(series(0, 40), series(45, 90)...)...), stubborn{holes: map[uint16]bool{42: true}}, 2, 0},
		"in a gap and a point":   {words(append(series(0, 40), series(45, 90)...)...), stubborn{holes: map[uint16]bool{42: true, 80: true}}, 3, 1},
		"all":                    {words(series(0, 9)...), stubborn{holes: map[uint16]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true}}, 0, 10},
		"too many at once":       {words(series(0, 124)...), stubborn{most: 32}, 4, 0},
		"too many, and a hole":   {words(series(0, 124)...), stubborn{most: 40, holes: map[uint16]bool{3: true}}, 6, 1},
		"one register at a time": {words(series(0, 9)...), stubborn{most: 1}, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := newCourse(tc.items, limits{125, 2000, 8}, packager())
			if err != nil {
				t.Fatal(err)
			}
			for range 6 { // what was learned is enough to ask for nothing in vain
				good := scan(t, c, &tc.device)
				for _, i := range tc.items {
					if good[i.index] == tc.device.holes[i.address] {
						t.Fatalf("address %d is good: %v", i.address, good[i.index])
					}
				}
			}
			requests, refusals, _ := c.current()
			refused := 0
			for _, f := range refusals {
				refused += len(f.request.items)
			}
			tc.device.asked = 0
			scan(t, c, &tc.device)
			if refused != tc.refused || len(requests) > tc.requests || tc.device.asked != len(requests) {
				t.Errorf("%d points refused, %d requests %v, %d asked; want %d points, at most %d requests", refused, len(requests), requests, tc.device.asked, tc.refused, tc.requests)
			}
		})
	}
}

// Whatever a device refuses, each scan reads all that it has, and learning comes to an end.
func TestLearnsAnyDevice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := stubborn{holes: map[uint16]bool{}, most: rapid.SampledFrom([]int{0, 1, 10, 60}).Draw(t, "most")}
		for range rapid.IntRange(0, 12).Draw(t, "holes") {
			d.holes[uint16(rapid.IntRange(0, 400).Draw(t, "hole"))] = true
		}
		var items []item
		for a := range uint16(400) {
			if rapid.IntRange(0, 3).Draw(t, "used") > 0 {
				items = append(items, words(a)[0])
				items[len(items)-1].index = uint32(a)
			}
		}
		c, err := newCourse(items, limits{125, 2000, 8}, packager())
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			good := scan(t, c, &d)
			for _, i := range items {
				if good[i.index] == d.holes[i.address] {
					t.Fatalf("address %d is good: %v", i.address, good[i.index])
				}
			}
		}
		requests, _, _ := c.current()
		d.asked = 0
		if scan(t, c, &d); d.asked != len(requests) || c.unsettled != 0 {
			t.Fatalf("after 20 scans %d requests are asked, %d are planned, %d splits are open", d.asked, len(requests), c.unsettled)
		}
	})
}

// A device whose program was changed answers again; then its points are read as before.
func TestTakesBackWhatIsAnsweredAgain(t *testing.T) {
	c, err := newCourse(words(series(0, 124)...), limits{125, 2000, 8}, packager())
	if err != nil {
		t.Fatal(err)
	}
	d := stubborn{holes: map[uint16]bool{5: true, 50: true}}
	scan(t, c, &d)
	if requests, refusals, _ := c.current(); len(requests) != 3 || len(refusals) != 2 {
		t.Fatalf("requests %v, %d refusals", requests, len(refusals))
	}
	d.holes = nil
	for range 2 {
		_, refusals, version := c.current()
		c.restore(refusals[0])
		if err := c.settle(); err != nil {
			t.Fatal(err)
		}
		if _, _, now := c.current(); now == version {
			t.Error("connections are not told")
		}
	}
	if requests, refusals, _ := c.current(); len(requests) != 1 || len(refusals) != 0 || fmt.Sprint(requests[0]) != "holding 0 to 124" {
		t.Errorf("requests %v, %d refusals", requests, len(refusals))
	}
}

// An unknown function is refused whole: no smaller request would be answered.
func TestIllegalFunctionIsNotHalved(t *testing.T) {
	c, err := newCourse(words(series(0, 99)...), limits{125, 2000, 8}, packager())
	if err != nil {
		t.Fatal(err)
	}
	requests, _, _ := c.current()
	if parts := c.refuse(requests[0], goburrow.ExceptionCodeIllegalFunction, 0, 1); parts != nil {
		t.Errorf("parts %v", parts)
	}
	if err := c.settle(); err != nil {
		t.Fatal(err)
	}
	if requests, refusals, _ := c.current(); len(requests) != 0 || len(refusals) != 1 {
		t.Errorf("requests %v, %d refusals", requests, len(refusals))
	}
}
