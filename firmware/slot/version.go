package slot

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of a Version. A longer one is none of ours; dates with times need 15 characters in 2 parts.
const (
	maxVersionBytes = 64
	maxVersionParts = 8
)

// ErrVersion is what every refused version wraps.
var ErrVersion = errors.New("not a version of an image")

// Version is an image's version, such as 20261123.140501: numbers with dots between them. The empty Version is none.
type Version string

// ParseVersion returns the version that s spells.
func ParseVersion(s string) (Version, error) {
	if len(s) == 0 || len(s) > maxVersionBytes {
		return "", fmt.Errorf("%w: %.80q; numbers with dots between them are wanted, such as 20261123.140501", ErrVersion, s)
	}
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(parts) > maxVersionParts {
			return "", fmt.Errorf("%w: %q; numbers with dots between them are wanted, such as 20261123.140501", ErrVersion, s)
		}
	}
	return Version(s), nil
}

// Compare returns -1 when v is older than w, 0 when they are the same version and +1 when it is newer. Numbers are compared as numbers,
// from the left: 9.2 is older than 10, and 10 older than 10.0. None is older than any.
func (v Version) Compare(w Version) int {
	for a, b := string(v), string(w); ; {
		switch {
		case a == "" && b == "":
			return 0
		case a == "":
			return -1
		case b == "":
			return 1
		}
		var one, other string
		one, a, _ = strings.Cut(a, ".")
		other, b, _ = strings.Cut(b, ".")
		if c := compareNumbers(one, other); c != 0 {
			return c
		}
	}
}

// compareNumbers compares whole numbers of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return sign(len(a) - len(b))
	}
	return strings.Compare(a, b)
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
