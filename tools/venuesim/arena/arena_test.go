package arena

import (
	"math"
	"reflect"
	"testing"
)

func TestSeatsAreNumberedOnce(t *testing.T) {
	a := Dallas()
	if len(a.Seats) != SeatCount {
		t.Fatalf("%d seats, want %d", len(a.Seats), SeatCount)
	}
	seen := make(map[string]bool, SeatCount)
	for _, s := range a.Seats {
		if seen[s.Place()] {
			t.Fatalf("seat %s exists twice", s.Place())
		}
		seen[s.Place()] = true
	}
}

func TestSectionsCoverTheSeatsInOrder(t *testing.T) {
	a := Dallas()
	if len(a.Sections) != 48 {
		t.Fatalf("%d sections, want 48", len(a.Sections))
	}
	next := 0
	for _, section := range a.Sections {
		first, count := section.Seats()
		if first != next {
			t.Fatalf("section %s starts at seat %d, want %d", section.Name, first, next)
		}
		for _, row := range section.Rows {
			if row.First != next || row.Count < 1 {
				t.Fatalf("row %s of section %s is seats %d+%d, want a start at %d", row.Name, section.Name, row.First, row.Count, next)
			}
			for n := range row.Count {
				seat := a.Seats[next]
				if seat.Section != section.Name || seat.Row != row.Name || seat.Number != n+1 {
					t.Fatalf("seat %d is %s, want %s/%s/%d", next, seat.Place(), section.Name, row.Name, n+1)
				}
				next++
			}
		}
		if first+count != next {
			t.Fatalf("section %s claims seats up to %d, its rows end at %d", section.Name, first+count, next)
		}
	}
	if next != SeatCount {
		t.Fatalf("sections hold %d seats, want %d", next, SeatCount)
	}
}

// TestSeatsKeepTheirDistance looks at every pair of seats that share a neighbourhood of 1 m squares.
func TestSeatsKeepTheirDistance(t *testing.T) {
	const least = 0.48 // chord of a 0.5 m pitch on the tightest curve, less a little
	a := Dallas()
	type cell struct{ x, y int }
	at := func(s Spot) cell { return cell{int(math.Floor(s.X)), int(math.Floor(s.Y))} }
	grid := make(map[cell][]int)
	for i, s := range a.Seats {
		c := at(s.At)
		for dx := -1; dx <= 1; dx++ {
			for dy := -1; dy <= 1; dy++ {
				for _, j := range grid[cell{c.x + dx, c.y + dy}] {
					if d := s.At.Distance(a.Seats[j].At); d < least {
						t.Fatalf("seats %s and %s are %.3f m apart", s.Place(), a.Seats[j].Place(), d)
					}
				}
			}
		}
		grid[c] = append(grid[c], i)
	}
	if len(grid) < 7000 {
		t.Fatalf("seats cover %d squares of 1 m; a bowl of this size covers more than 7000", len(grid))
	}
}

func TestSeatsLieInTheirSections(t *testing.T) {
	a := Dallas()
	for _, section := range a.Sections {
		if section.Outline[0] != section.Outline[len(section.Outline)-1] {
			t.Fatalf("outline of section %s is not closed", section.Name)
		}
		first, count := section.Seats()
		for _, seat := range a.Seats[first : first+count] {
			if !inside(seat.At, section.Outline) {
				t.Fatalf("seat %s at %v lies outside its section", seat.Place(), seat.At)
			}
			if math.Abs(seat.At.X) < CourtLength/2+1.5 && math.Abs(seat.At.Y) < CourtWidth/2+1.5 {
				t.Fatalf("seat %s at %v is on the court", seat.Place(), seat.At)
			}
			if math.Abs(seat.At.X) > a.Radius || math.Abs(seat.At.Y) > a.Radius {
				t.Fatalf("seat %s at %v is beyond the arena's radius %.1f", seat.Place(), seat.At, a.Radius)
			}
		}
	}
}

// inside counts how often a ray to the east crosses the polygon's edges.
func inside(s Spot, outline []Spot) bool {
	in := false
	for i := 1; i < len(outline); i++ {
		p, q := outline[i-1], outline[i]
		if (p.Y > s.Y) != (q.Y > s.Y) && s.X < p.X+(q.X-p.X)*(s.Y-p.Y)/(q.Y-p.Y) {
			in = !in
		}
	}
	return in
}

func TestBowlIsSymmetric(t *testing.T) {
	a := Dallas()
	north, east := 0, 0
	for _, s := range a.Seats {
		if s.At.Y > 0 {
			north++
		}
		if s.At.X > 0 {
			east++
		}
	}
	for what, n := range map[string]int{"north": north, "east": east} {
		if n < SeatCount/2-60 || n > SeatCount/2+60 {
			t.Errorf("%d seats in the %s half, want about %d", n, what, SeatCount/2)
		}
	}
	for _, s := range a.Sections {
		first, _ := s.Seats()
		if isNorth := a.Seats[first].At.Y > 0; isNorth != (s.Sector < 12) {
			t.Errorf("section %s of sector %d: north %v", s.Name, s.Sector, isNorth)
		}
	}
}

func TestGatesAndPanels(t *testing.T) {
	a := Dallas()
	if len(a.Gates) != 24 || len(a.Panels) != 8 || len(a.Quadrants) != 4 {
		t.Fatalf("%d gates, %d panels, %d quadrants; want 24, 8, 4", len(a.Gates), len(a.Panels), len(a.Quadrants))
	}
	places := map[string]bool{}
	for i, g := range a.Gates {
		if g.Number != i+1 || g.Lanes < 2 || places[g.Place] {
			t.Errorf("gate %+v at position %d", g, i)
		}
		places[g.Place] = true
		for _, s := range a.Seats {
			if d := g.At.Distance(s.At); d < 3 {
				t.Fatalf("%s is %.1f m from seat %s", g.Place, d, s.Place())
			}
		}
	}
	for _, p := range a.Panels {
		if places[p.Place] || (p.Board != Score && p.Board != Ribbon) {
			t.Errorf("panel %+v", p)
		}
		places[p.Place] = true
	}
}

func TestGeometryIsTheSameEachTime(t *testing.T) {
	if !reflect.DeepEqual(Dallas(), Dallas()) {
		t.Fatal("two calls of Dallas differ")
	}
}

// TestAlongKeepsItsDistance walks curves of several radii and checks that equal lengths are equal distances
// from the inner rectangle, and that the ray gives the length back.
func TestAlongKeepsItsDistance(t *testing.T) {
	for _, radius := range []float64{0.5, 6, 30.5, 50} {
		whole := perimeter(radius)
		for i := range 1001 {
			length := whole * float64(i) / 1000
			at, y := along(length, radius)
			dx := max(0, math.Abs(at.X)-halfStraightX)
			dy := max(0, math.Abs(at.Y)-halfStraightY)
			if d := math.Hypot(dx, dy); math.Abs(d-radius) > 1e-9 {
				t.Fatalf("radius %g, length %g: %v is %g from the rectangle", radius, length, at, d)
			}
			if back := y.length(radius); math.Abs(back-length) > 1e-9 {
				t.Fatalf("radius %g: length %g comes back as %g", radius, length, back)
			}
		}
	}
}
