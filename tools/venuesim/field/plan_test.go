package field

import (
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/arena"
)

// TestPlanHoldsEverythingOnce counts how often each seat, lane, panel and building value stands in a device's listed entries.
func TestPlanHoldsEverythingOnce(t *testing.T) {
	a := arena.Dallas()
	type what struct {
		role  Role
		index int
	}
	times := map[what]int{}
	ids := map[string]bool{}
	for _, d := range NewPlan(a).Devices {
		if _, err := point.ParseID(d.ID); err != nil || ids[d.ID] {
			t.Errorf("device %q: twice %v, %v", d.ID, ids[d.ID], err)
		}
		ids[d.ID] = true
		for _, e := range d.Entries {
			for i := range e.Count {
				times[what{e.Role, e.First + i}]++
			}
		}
	}
	lanes := 0
	for _, g := range a.Gates {
		lanes += g.Lanes
	}
	want := map[Role]int{
		SeatPressure: len(a.Seats), PassagesIn: lanes, PassagesOut: lanes, PanelStatus: len(a.Panels), Brightness: len(a.Panels),
		Temperature: len(a.Quadrants), Humidity: len(a.Quadrants), CO2: len(a.Quadrants), PlayerAt: 22,
	}
	all := 0
	for role, n := range want {
		all += n
		for i := range n {
			if got := times[what{role, i}]; got != 1 {
				t.Errorf("role %d: number %d is listed %d times", role, i, got)
			}
		}
	}
	if len(times) != all {
		t.Errorf("%d points are listed, want %d", len(times), all)
	}
}

func TestRegistersDoNotOverlap(t *testing.T) {
	for _, d := range NewPlan(arena.Dallas()).Devices {
		if d.Protocol != Modbus {
			continue
		}
		if n := d.Registers(); n > 65536 {
			t.Errorf("%s has %d registers", d.ID, n)
		}
		owner := make([]string, d.Registers())
		for _, list := range [][]Entry{d.Entries, d.Unlisted} {
			for _, e := range list {
				if e.Table != d.Entries[0].Table {
					t.Errorf("%s uses tables %s and %s; its polls are counted in one", d.ID, e.Table, d.Entries[0].Table)
				}
				for i := e.Address; i < e.Address+e.Count; i++ {
					if owner[i] != "" {
						t.Errorf("%s: register %d belongs to %s and %s", d.ID, i, owner[i], e.Name)
					}
					owner[i] = e.Name
				}
			}
		}
		for i, o := range owner {
			if o == "" {
				t.Errorf("%s: register %d belongs to nothing", d.ID, i)
			}
		}
	}
}

// TestSeatEntriesNameTheirSeats expands the simple templates that the plan uses and compares them with the arena.
func TestSeatEntriesNameTheirSeats(t *testing.T) {
	a := arena.Dallas()
	for _, section := range a.Sections {
		for _, e := range seatEntries(section) {
			rows := []string{strings.Split(e.Name, "/")[2]}
			if list, many := strings.CutPrefix(rows[0], "{row:"); many {
				rows = strings.Split(strings.TrimSuffix(list, "}"), ",")
			}
			per := e.Count / len(rows)
			for i := range e.Count {
				seat := a.Seats[e.First+i]
				if seat.Section != section.Name || seat.Row != rows[i/per] || seat.Number != i%per+1 {
					t.Fatalf("point %d of %s is seat %s", i, e.Name, seat.Place())
				}
			}
		}
	}
}
