package field

import "time"

// NoisePeriod is how often the noise of a seat sensor is drawn anew, in real time: the sensors' own rate.
const NoisePeriod = 500 * time.Millisecond

// NoisePeak is the most by which noise moves a seat's register up or down, in tenths of a kilogram.
const NoisePeak = 12

// Seats without people hold tareLeast to tareMost tenths of a kilogram: seats differ, none reads exactly zero.
const (
	tareLeast = 14
	tareMost  = 36
)

// mix is splitmix64's finalizer: a different, even 64 bits for each x.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// sensors computes what seat sensors read. It holds no state but the seed.
type sensors struct{ seed uint64 }

// tare returns the reading of an empty seat without noise.
func (s sensors) tare(seat int) int {
	return tareLeast + int(mix(s.seed^uint64(seat)<<1)%(tareMost-tareLeast+1))
}

// noise returns the deviation of a seat at a draw, -NoisePeak to NoisePeak.
func (s sensors) noise(seat int, draw uint64) int {
	return int(mix(s.seed^uint64(seat)<<1^draw<<32|1)%(2*NoisePeak+1)) - NoisePeak
}

// register returns the register of a seat that carries weight tenths of a kilogram.
func (s sensors) register(seat int, weight uint16, draw uint64) uint16 {
	return uint16(s.tare(seat) + int(weight) + s.noise(seat, draw))
}

// counterStart returns the raw value of a lane's counter before the first passage. Every third counter is so close
// below the end of its 16 bits that it wraps during the event; the others are anywhere.
func (s sensors) counterStart(lane, direction int) uint16 {
	const soon = 60 // passages
	counter := lane*2 + direction
	h := mix(s.seed ^ uint64(counter)<<20 ^ 0xc0)
	if counter%3 == 0 {
		return uint16(1<<16 - 1 - h%soon)
	}
	return uint16(h >> 16)
}
