// Package court is the game on the floor: ten players and a ball that move as people and balls do, at life's speed.
//
// A Game is a state machine without clock: Step lets real time pass. Players walk, jog and sprint toward where their side wants them,
// never faster than TopSpeed; the ball is carried, passed at PassSpeed, and changes sides every ten to twenty-four seconds. However fast the
// event is simulated, the game keeps life's speed: nobody can run 120 times faster, and a tracker's samples would say nothing.
package court

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/arena"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
)

// Who is on the floor: players 1 to 5 attack toward positive x in the first half, 6 to 10 the other way.
const (
	Players = 10
	Ball    = 0 // the ball's number; those of the players follow
)

// What bodies can do, in metres a second.
const (
	TopSpeed  = 8.0
	PassSpeed = 14.0
)

// halfLength and halfWidth are where the floor ends, as far as anybody goes.
const (
	halfLength = arena.CourtLength / 2
	halfWidth  = arena.CourtWidth / 2
	hoop       = halfLength - 1.575 // of a basket's middle
)

// body is a player or the ball.
type body struct {
	at, goal arena.Spot
	speed    float64 // toward goal
	rest     float64 // seconds until it wants to be elsewhere
}

// Game is what happens on the floor. It is not safe for concurrent use.
type Game struct {
	random  *rand.Rand
	bodies  [Players + 1]body // by number
	holder  int               // who has the ball or is about to
	attack  float64           // 1 while 1 to 5 have the ball, -1 otherwise, before sides are changed
	shot    float64           // seconds until the other side has it
	playing bool
	mirror  float64 // 1, -1 after the sides were changed
}

// NewGame returns an empty floor. One seed is one game.
func NewGame(seed uint64) *Game {
	return &Game{random: rand.New(rand.NewPCG(seed, 0x636f757274)), mirror: 1}
}

// Step lets elapsed of real time pass in a phase of the event and reports whether anybody is on the floor.
func (g *Game) Step(elapsed time.Duration, phase crowd.Phase) bool {
	playing := phase == crowd.FirstHalf || phase == crowd.SecondHalf
	if playing && !g.playing {
		g.tipOff(phase)
	}
	g.playing = playing
	if !playing {
		return false
	}
	const most = 100 * time.Millisecond // of one step, so that a starved simulation does not throw anybody
	for ; elapsed > 0; elapsed -= most {
		g.move(min(elapsed, most).Seconds())
	}
	return true
}

// At returns where a player or the ball is.
func (g *Game) At(number int) arena.Spot { return g.bodies[number].at }

// tipOff puts everybody around the centre spot.
func (g *Game) tipOff(phase crowd.Phase) {
	g.mirror = 1
	if phase == crowd.SecondHalf {
		g.mirror = -1
	}
	for n := 1; n <= Players; n++ {
		angle := 2 * math.Pi * float64(n) / Players
		g.bodies[n] = body{at: arena.Spot{X: 3 * math.Cos(angle), Y: 3 * math.Sin(angle)}}
	}
	g.bodies[Ball] = body{}
	g.turnOver()
}

// turnOver gives the ball to the other side.
func (g *Game) turnOver() {
	g.attack = 1
	if g.holder >= 1 && g.holder <= Players/2 {
		g.attack = -1
	}
	g.holder = g.mate()
	g.shot = 10 + 14*g.random.Float64()
	for n := 1; n <= Players; n++ {
		g.bodies[n].rest = g.random.Float64()
	}
}

// mate returns somebody of the side that attacks.
func (g *Game) mate() int {
	n := 1 + g.random.IntN(Players/2)
	if g.attack < 0 {
		n += Players / 2
	}
	return n
}

func (g *Game) move(seconds float64) {
	if g.shot -= seconds; g.shot <= 0 {
		g.turnOver()
	}
	for n := 1; n <= Players; n++ {
		b := &g.bodies[n]
		if b.rest -= seconds; b.rest <= 0 {
			g.want(n)
		}
		b.toward(b.goal, b.speed*seconds)
	}
	ball := &g.bodies[Ball]
	if ball.rest -= seconds; ball.rest <= 0 {
		ball.rest = 1 + 3*g.random.Float64()
		g.holder = g.mate()
	}
	ball.toward(g.bodies[g.holder].at, PassSpeed*seconds)
}

// want decides where a player goes next: around the basket that its side attacks or defends.
func (g *Game) want(n int) {
	side := g.attack * g.mirror
	depth := 6.5 // attackers keep their distance from the basket, defenders stand between
	if (n <= Players/2) != (g.attack > 0) {
		depth = 4
	}
	angle := (g.random.Float64() - 0.5) * math.Pi * 0.9
	away := depth * (0.4 + 0.8*g.random.Float64())
	b := &g.bodies[n]
	b.goal = inside(arena.Spot{X: side * (hoop - away*math.Cos(angle)), Y: away * math.Sin(angle)})
	b.rest = 0.5 + 2.5*g.random.Float64()
	if far := distance(b.at, b.goal); far > 8 {
		b.speed = 4 + (TopSpeed-4)*g.random.Float64()
	} else {
		b.speed = 0.5 + 3*g.random.Float64()
	}
}

// toward moves b by at most step metres toward goal.
func (b *body) toward(goal arena.Spot, step float64) {
	far := distance(b.at, goal)
	if far <= step {
		b.at = goal
		return
	}
	b.at.X += (goal.X - b.at.X) * step / far
	b.at.Y += (goal.Y - b.at.Y) * step / far
}

func distance(a, b arena.Spot) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }

func inside(s arena.Spot) arena.Spot {
	return arena.Spot{X: max(-halfLength, min(halfLength, s.X)), Y: max(-halfWidth, min(halfWidth, s.Y))}
}
