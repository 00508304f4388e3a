package arena

import (
	"slices"
	"strconv"
)

// mid returns the radius in the middle of the ring, where its sections have equal widths.
func (g ring) mid() float64 { return g.radius + float64(g.rows-1)*rowPitch/2 }

// borders returns the 25 normals between the ring's sections; the last closes the ring.
func (g ring) borders() []ray {
	whole := perimeter(g.mid())
	borders := make([]ray, ringSections+1)
	for i := range borders {
		_, borders[i] = along(float64(i)*whole/ringSections, g.mid())
	}
	return borders
}

// capacity returns how many seats the row at radius has room for between two normals.
func capacity(from, to ray, radius float64) int {
	return int((to.length(radius)-from.length(radius)-aisle)/seatPitch) + 1
}

// rowPlan returns the seats of each ring, section and row. The rows' capacities add up to a little more than
// SeatCount; the top row of the upper ring gives way to camera platforms, evenly over its sections.
func rowPlan() [][][]int {
	var plan [][][]int
	total := 0
	for _, g := range rings() {
		borders := g.borders()
		sections := make([][]int, ringSections)
		for s := range sections {
			for r := range g.rows {
				n := capacity(borders[s], borders[s+1], g.radius+float64(r)*rowPitch)
				sections[s] = append(sections[s], n)
				total += n
			}
		}
		plan = append(plan, sections)
	}
	upper := plan[len(plan)-1]
	for s := 0; total > SeatCount; s = (s + 1) % ringSections {
		upper[s][len(upper[s])-1]--
		total--
	}
	return plan
}

func (a *Arena) addRing(g ring, plan [][]int) {
	borders := g.borders()
	for i := range ringSections {
		section := Section{Name: strconv.Itoa(g.hundred + i + 1), Sector: i}
		for r, count := range plan[i] {
			radius := g.radius + float64(r)*rowPitch
			row := Row{Name: string(rune('a' + r)), First: len(a.Seats), Count: count}
			middle := (borders[i].length(radius) + borders[i+1].length(radius)) / 2
			start := middle - float64(count-1)*seatPitch/2
			for n := range count {
				at, _ := along(start+float64(n)*seatPitch, radius)
				a.Seats = append(a.Seats, Seat{Section: section.Name, Row: row.Name, Number: n + 1, At: at})
			}
			section.Rows = append(section.Rows, row)
		}
		section.Outline = g.outline(borders[i], borders[i+1])
		a.Sections = append(a.Sections, section)
	}
}

// outline returns the closed polygon around a section, half a row beyond its first and last rows.
func (g ring) outline(from, to ray) []Spot {
	const inset, step = 0.3, 1.5 // metres: from the border, and between the spots of a curved edge
	edge := func(radius float64) []Spot {
		start, end := from.length(radius)+inset, to.length(radius)-inset
		n := max(1, int((end-start)/step))
		spots := make([]Spot, 0, n+1)
		for i := range n + 1 {
			at, _ := along(start+(end-start)*float64(i)/float64(n), radius)
			spots = append(spots, at)
		}
		return spots
	}
	spots := edge(g.radius + (float64(g.rows)-0.5)*rowPitch)
	inner := edge(g.radius - rowPitch/2)
	for _, s := range slices.Backward(inner) {
		spots = append(spots, s)
	}
	return append(spots, spots[0])
}
