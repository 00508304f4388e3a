package modbusserver

import (
	"fmt"
	"sync"
)

// Size is how many addresses each table of a unit has, counted from address 0; at most 65,536 each.
type Size struct{ Coils, Discretes, Holding, Input int }

// Registers is a Memory held in slices. Its units are fixed when it is made; a unit that is not there
// answers TargetSilent, an address that is not there IllegalAddress.
type Registers struct{ banks map[uint8]*Bank }

// NewRegisters returns zeroed registers for each unit of layout.
func NewRegisters(layout map[uint8]Size) *Registers {
	r := &Registers{banks: make(map[uint8]*Bank, len(layout))}
	for unit, size := range layout {
		r.banks[unit] = &Bank{values: Values{
			Coils: make([]bool, size.Coils), Discretes: make([]bool, size.Discretes),
			Holding: make([]uint16, size.Holding), Input: make([]uint16, size.Input),
		}}
	}
	return r
}

// Unit returns the registers of a unit, or nil when there is none.
func (r *Registers) Unit(unit uint8) *Bank { return r.banks[unit] }

// Bank is the registers of one unit. It is safe for concurrent use; what one call writes, or one
// Update changes, a poll sees whole or not at all, so that a value of several registers is never torn.
type Bank struct {
	mu     sync.RWMutex
	values Values
}

// Values is the tables of a unit, indexed by zero-based address.
type Values struct {
	Coils, Discretes []bool
	Holding, Input   []uint16
}

// Update calls change with the tables; no poll sees them half changed. The slices are valid
// only during the call.
func (b *Bank) Update(change func(*Values)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.values)
}

// View calls look with the tables, which it must not change.
func (b *Bank) View(look func(*Values)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	look(&b.values)
}

// SetHolding writes values from address on. It panics beyond the table's end.
func (b *Bank) SetHolding(address int, values ...uint16) {
	b.Update(func(v *Values) { set(v.Holding, address, values) })
}

// SetInput writes values from address on. It panics beyond the table's end.
func (b *Bank) SetInput(address int, values ...uint16) {
	b.Update(func(v *Values) { set(v.Input, address, values) })
}

// SetCoils writes values from address on. It panics beyond the table's end.
func (b *Bank) SetCoils(address int, values ...bool) {
	b.Update(func(v *Values) { set(v.Coils, address, values) })
}

// SetDiscretes writes values from address on. It panics beyond the table's end.
func (b *Bank) SetDiscretes(address int, values ...bool) {
	b.Update(func(v *Values) { set(v.Discretes, address, values) })
}

func set[T any](table []T, address int, values []T) {
	if address < 0 || address+len(values) > len(table) {
		panic(fmt.Sprintf("modbusserver: addresses %d to %d are written, the table has %d", address, address+len(values)-1, len(table)))
	}
	copy(table[address:], values)
}

// ReadBits implements Memory.
func (r *Registers) ReadBits(unit uint8, table Table, address uint16, into []bool) error {
	return r.with(unit, (*sync.RWMutex).RLock, (*sync.RWMutex).RUnlock, func(v *Values) error {
		if table == Coils {
			return read(v.Coils, address, into)
		}
		return read(v.Discretes, address, into)
	})
}

// ReadWords implements Memory.
func (r *Registers) ReadWords(unit uint8, table Table, address uint16, into []uint16) error {
	return r.with(unit, (*sync.RWMutex).RLock, (*sync.RWMutex).RUnlock, func(v *Values) error {
		if table == Holding {
			return read(v.Holding, address, into)
		}
		return read(v.Input, address, into)
	})
}

// WriteBits implements Memory.
func (r *Registers) WriteBits(unit uint8, address uint16, values []bool) error {
	return r.with(unit, (*sync.RWMutex).Lock, (*sync.RWMutex).Unlock, func(v *Values) error {
		return write(v.Coils, address, values)
	})
}

// WriteWords implements Memory.
func (r *Registers) WriteWords(unit uint8, address uint16, values []uint16) error {
	return r.with(unit, (*sync.RWMutex).Lock, (*sync.RWMutex).Unlock, func(v *Values) error {
		return write(v.Holding, address, values)
	})
}

func (r *Registers) with(unit uint8, lock, unlock func(*sync.RWMutex), do func(*Values) error) error {
	b := r.banks[unit]
	if b == nil {
		return TargetSilent
	}
	lock(&b.mu)
	defer unlock(&b.mu)
	return do(&b.values)
}

func read[T any](table []T, address uint16, into []T) error {
	if int(address)+len(into) > len(table) {
		return IllegalAddress
	}
	copy(into, table[address:])
	return nil
}

func write[T any](table []T, address uint16, values []T) error {
	if int(address)+len(values) > len(table) {
		return IllegalAddress
	}
	copy(table[address:], values)
	return nil
}
