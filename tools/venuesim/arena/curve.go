package arena

import "math"

// Spot is a place on the venue's plan, in metres from the centre spot.
type Spot struct {
	X, Y float64
}

// Distance returns the metres between s and o.
func (s Spot) Distance(o Spot) float64 { return math.Hypot(s.X-o.X, s.Y-o.Y) }

// The bowl's inner rectangle: half of its straight lengths. All rows run at a constant distance from it.
const (
	halfStraightX = 12.0
	halfStraightY = 5.0
)

// ray is a normal to the bowl's curves. It is counted by what a curve has passed before it,
// starting in the east and going counter-clockwise: metres of straight and radians of corner.
type ray struct {
	straight, turned float64
}

// length returns the metres from the start of the curve of this radius to the ray.
func (y ray) length(radius float64) float64 { return y.straight + y.turned*radius }

// piece is one straight or one corner of the inner rectangle's outline.
type piece struct {
	from     Spot    // where a straight starts, or a corner's centre
	heading  float64 // direction of the outward normal at its start, in radians
	straight float64 // metres; 0 for a corner, which turns by a quarter
}

func pieces() [9]piece {
	const x, y, quarter = halfStraightX, halfStraightY, math.Pi / 2
	return [9]piece{
		{Spot{x, 0}, 0, y},
		{Spot{x, y}, 0, 0},
		{Spot{x, y}, quarter, 2 * x},
		{Spot{-x, y}, quarter, 0},
		{Spot{-x, y}, 2 * quarter, 2 * y},
		{Spot{-x, -y}, 2 * quarter, 0},
		{Spot{-x, -y}, 3 * quarter, 2 * x},
		{Spot{x, -y}, 3 * quarter, 0},
		{Spot{x, -y}, 4 * quarter, y},
	}
}

// perimeter returns the length of the curve of this radius.
func perimeter(radius float64) float64 {
	return 4*(halfStraightX+halfStraightY) + 2*math.Pi*radius
}

// along returns the spot that lies this many metres along the curve of this radius, and its normal.
func along(length, radius float64) (Spot, ray) {
	var passed ray
	all := pieces()
	for i, p := range all {
		size := p.straight
		if size == 0 {
			size = math.Pi / 2 * radius
		}
		rest := length - passed.length(radius)
		if rest > size && i < len(all)-1 {
			if p.straight > 0 {
				passed.straight += p.straight
			} else {
				passed.turned += math.Pi / 2
			}
			continue
		}
		if p.straight == 0 {
			angle := p.heading + rest/radius
			passed.turned += rest / radius
			return Spot{p.from.X + radius*math.Cos(angle), p.from.Y + radius*math.Sin(angle)}, passed
		}
		sin, cos := math.Sincos(p.heading)
		passed.straight += rest
		return Spot{p.from.X + radius*cos - rest*sin, p.from.Y + radius*sin + rest*cos}, passed
	}
	panic("unreachable: the last piece takes every length")
}
