package modbus

import (
	"fmt"
	"strconv"

	goburrow "github.com/goburrow/modbus"
)

// Table is one of the four tables of a Modbus device.
type Table uint8

// The tables, in the order of their reference digits.
const (
	Coil     Table = 0 // bits; references 0xxxx
	Discrete Table = 1 // bits, read only; references 1xxxx
	Input    Table = 3 // registers, read only; references 3xxxx
	Holding  Table = 4 // registers; references 4xxxx
)

// addresses is how many addresses a table has.
const addresses = 65536

// String returns the table's name as configuration writes it.
func (t Table) String() string {
	switch t {
	case Coil:
		return "coil"
	case Discrete:
		return "discrete"
	case Input:
		return "input"
	case Holding:
		return "holding"
	}
	return fmt.Sprintf("table(%d)", uint8(t))
}

// isBits reports whether the table's addresses hold bits and not registers.
func (t Table) isBits() bool { return t <= Discrete }

// function returns the function code that reads the table.
func (t Table) function() byte {
	switch t {
	case Coil:
		return goburrow.FuncCodeReadCoils
	case Discrete:
		return goburrow.FuncCodeReadDiscreteInputs
	case Input:
		return goburrow.FuncCodeReadInputRegisters
	}
	return goburrow.FuncCodeReadHoldingRegisters
}

// parseTable returns the table that configuration names.
func parseTable(s string) (Table, error) {
	for _, t := range []Table{Holding, Input, Coil, Discrete} {
		if s == t.String() {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%q is not a table; use holding, input, coil or discrete", s)
}

// parseReference returns the table and the zero-based address of a reference, the
// form in which device manuals count: 40001 (or 400001) is the first holding register, address 0.
func parseReference(s string) (Table, int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || len(s) != 5 && len(s) != 6 {
		return 0, 0, fmt.Errorf("%q is not a reference; use five or six digits, such as 40001 or 400001 for the first holding register", s)
	}
	t := Table(s[0] - '0')
	if t == 2 || t > Holding {
		return 0, 0, fmt.Errorf("reference %q begins with %c; use 0 for coils, 1 for discrete inputs, 3 for input registers, 4 for holding registers", s, s[0])
	}
	scale := uint64(10000)
	if len(s) == 6 {
		scale = 100000
	}
	n %= scale
	if n == 0 || n > addresses {
		return 0, 0, fmt.Errorf("reference %q counts from 1 to %d after its first digit, and its address from 0: the first is %c%0*d", s, min(scale-1, addresses), s[0], len(s)-1, 1)
	}
	return t, int(n - 1), nil
}
