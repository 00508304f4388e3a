package wire

import "github.com/courtside-edge/courtside/sync/point"

// What a layout keeps of each point: its column in the low bits and whether its class asks for more.
const (
	columnMask   = 0x0F
	counterPoint = 0x10
	eventPoint   = 0x20
)

// maxLayouts bounds the tables whose layout is kept; beyond, all are forgotten and made again.
const maxLayouts = 32

// layouts keeps, one byte a point, what the codec needs to know of recently used point tables: 200 bytes of each
// point would not stay in the processor's cache. Tables are immutable, so the place of their first point
// tells them apart; keeping it here keeps the place taken.
type layouts map[layoutKey][]uint8

type layoutKey struct {
	first *point.Point
	n     int
}

// of returns the layout of table.
func (l *layouts) of(table []point.Point) []uint8 {
	if len(table) == 0 {
		return nil
	}
	key := layoutKey{&table[0], len(table)}
	if kinds, ok := (*l)[key]; ok {
		return kinds
	}
	if *l == nil || len(*l) >= maxLayouts {
		*l = layouts{}
	}
	kinds := make([]uint8, len(table))
	for i := range table {
		kinds[i] = kindOf(&table[i])
	}
	(*l)[key] = kinds
	return kinds
}

func kindOf(p *point.Point) uint8 {
	if !p.Type.Valid() {
		return 0
	}
	k := uint8(p.Type)
	switch p.Class {
	case point.Counter:
		k |= counterPoint
	case point.Event:
		k |= eventPoint
	}
	return k
}

// bitset is a set of small numbers.
type bitset []uint64

// reset empties the set and makes room for numbers below n.
func (b *bitset) reset(n int) {
	words := (n + 63) / 64
	if cap(*b) < words {
		*b = make(bitset, words)
		return
	}
	*b = (*b)[:words]
	clear(*b)
}

func (b bitset) add(n uint32)      { b[n>>6] |= 1 << (n & 63) }
func (b bitset) has(n uint32) bool { return b[n>>6]&(1<<(n&63)) != 0 }
