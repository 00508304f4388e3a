package adc

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// family is what chips speak.
type family uint8

const (
	ads family = 1 // I2C
	mcp family = 2 // SPI
)

// kind is one model of converter.
type kind struct {
	family   family
	channels int
	bits     int   // of a conversion, sign excluded
	rates    []int // of ADS, by their code; the first four below 128 are the 1115's
}

// kindOf returns the model that configuration names.
func kindOf(name string) (kind, bool) {
	k, ok := map[string]kind{
		"ads1115": {ads, 4, 15, []int{8, 16, 32, 64, 128, 250, 475, 860}},
		"ads1015": {ads, 4, 11, []int{128, 250, 490, 920, 1600, 2400, 3300}},
		"mcp3004": {mcp, 4, 10, nil},
		"mcp3008": {mcp, 8, 10, nil},
		"mcp3204": {mcp, 4, 12, nil},
		"mcp3208": {mcp, 8, 12, nil},
	}[name]
	return k, ok
}

// The registers of an ADS.
const (
	regConversion = 0
	regConfig     = 1
)

// The bits of its configuration.
const (
	configStart      = 1 << 15 // written: begin; read: idle
	configSingleShot = 1 << 8
	configNoCompare  = 3
)

// ranges returns the full scales of an ADS in volts, by their code.
func ranges() []float64 { return []float64{6.144, 4.096, 2.048, 1.024, 0.512, 0.256} }

// noMinus stands for ground.
const noMinus = -1

// setting is how one channel is measured.
type setting struct {
	channel, minus int
	gain           int // ADS: code of the range
	rate           int // ADS: code of the rate
}

// input returns the multiplexer's code of an ADS, and whether there is one.
func (s setting) input() (uint16, bool) {
	if s.minus == noMinus {
		return uint16(4 + s.channel), true
	}
	at := slices.Index([][2]int{{0, 1}, {0, 3}, {1, 3}, {2, 3}}, [2]int{s.channel, s.minus})
	return uint16(max(at, 0)), at >= 0
}

// config returns the word that makes an ADS convert once as s says.
func (s setting) config() uint16 {
	in, _ := s.input() // checked by Prepare
	return configStart | in<<12 | uint16(s.gain)<<9 | configSingleShot | uint16(s.rate)<<5 | configNoCompare
}

// conversion returns how long an ADS takes; its own oscillator may be a tenth slow.
func (k kind) conversion(s setting) time.Duration {
	return time.Second/time.Duration(k.rates[s.rate])*11/10 + 50*time.Microsecond
}

// What a chip can do wrong.
var (
	errBusy     = errors.New("the conversion is not ready")
	errSettings = errors.New("the chip's settings are not those that were written")
	errAbsent   = errors.New("nothing pulls the null bit low")
)

// adsReady looks at the configuration that an ADS gives back, for the one that was written.
func adsReady(got []byte, written uint16) error {
	word := binary.BigEndian.Uint16(got)
	switch {
	case word&^configStart != written&^configStart:
		return errSettings
	case word&configStart == 0:
		return errBusy
	}
	return nil
}

// adsCounts returns the conversion of an ADS, and whether it lies within the range.
func (k kind) adsCounts(got []byte) (int, bool) {
	counts := int(int16(binary.BigEndian.Uint16(got))) >> (15 - k.bits)
	limit := 1 << k.bits
	return counts, counts < limit-1 && counts > -limit
}

// mcpRequest writes the three bytes that ask an MCP for a channel.
func (k kind) mcpRequest(s setting, into []byte) {
	single := byte(1)
	if s.minus != noMinus {
		single = 0
	}
	ch := byte(s.channel)
	if k.bits == 10 {
		into[0], into[1], into[2] = 1, single<<7|ch<<4, 0
		return
	}
	into[0], into[1], into[2] = 4|single<<1|ch>>2, ch<<6, 0
}

// mcpCounts returns the conversion in an MCP's answer.
func (k kind) mcpCounts(got []byte) (int, error) {
	word := int(binary.BigEndian.Uint16(got[1:]))
	if word>>k.bits&1 == 1 {
		return 0, errAbsent
	}
	return word & (1<<k.bits - 1), nil
}
