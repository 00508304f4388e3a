package loadgen

import "math/rand/v2"

// What the crowd is made of, in tenths of a kilogram. It is the workload by which sync/wire is measured.
const (
	lightest    = 450
	spread      = 450 // of weights above the lightest
	restless    = 64  // two draws below it, added, are how a guest moves: ±64, a standard deviation of 26
	emptyNoise  = 16  // a free seat reads 0 to 15
	takenShare  = 179 // of 256
	changeShare = 5   // of 256: how many readings bring another guest, or an end
)

// crowd is the present pressure on each seat. It is deterministic for a seed.
type crowd struct {
	state  uint64 // of the generator, never 0
	weight []uint16
	last   []uint16
}

func newCrowd(seats int, seed uint64) *crowd {
	r := rand.New(rand.NewPCG(seed, 1))
	c := &crowd{state: r.Uint64() | 1, weight: make([]uint16, seats), last: make([]uint16, seats)}
	for i := range c.weight {
		c.weight[i] = c.guest(c.draw())
	}
	return c
}

// draw is xorshift64*: a few instructions, which is what a reading may cost here.
func (c *crowd) draw() uint64 {
	x := c.state
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	c.state = x
	return x * 0x2545F4914F6CDD1D
}

// guest returns the weight of whoever sits down next, 0 for nobody.
func (c *crowd) guest(r uint64) uint16 {
	if r>>56 >= takenShare {
		return 0
	}
	return lightest + uint16((r>>16&0xffff)*spread>>16)
}

// next returns a new pressure on seat i; it is never what it was before.
func (c *crowd) next(i int) uint16 {
	r := c.draw()
	if r&0xff < changeShare {
		c.weight[i] = c.guest(r)
	}
	var v uint16
	if w := c.weight[i]; w > 0 {
		v = w + uint16(r>>32&(restless-1)) + uint16(r>>40&(restless-1)) - restless
	} else {
		v = uint16(r >> 32 & (emptyNoise - 1))
	}
	if v == c.last[i] {
		v ^= 1
	}
	c.last[i] = v
	return v
}
