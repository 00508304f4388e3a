package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a count of bytes, written "256KiB", "8GiB" or "512B" in a file; 0 needs no unit.
type Size int64

// sizeUnits lists the units, largest first. Powers of ten are not among them: nobody knows which one somebody else means.
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize returns the size that s writes; fractions are whole bytes after the unit ("1.5KiB").
func ParseSize(s string) (Size, error) {
	if s == "0" {
		return 0, nil
	}
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(digits, 10, 63); err == nil {
			if n > uint64(math.MaxInt64/u.bytes) {
				return 0, fmt.Errorf("%s is more than a size can be", quote(s))
			}
			return Size(int64(n) * u.bytes), nil
		}
		n, err := strconv.ParseFloat(digits, 64)
		bytes := n * float64(u.bytes)
		if err != nil || !isPlain(digits) || bytes != math.Trunc(bytes) || bytes >= 1<<53 {
			break
		}
		return Size(bytes), nil
	}
	return 0, fmt.Errorf("%s is not a size", quote(s))
}

// isPlain reports whether s is digits with at most one point: no sign, exponent or hexadecimal.
func isPlain(s string) bool {
	return strings.Trim(s, "0123456789.") == "" && s != "" && s[0] != '.'
}

// String returns s in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}
