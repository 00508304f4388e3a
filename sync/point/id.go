package point

import (
	"errors"
	"fmt"
	"strings"
)

// MaxIDLength is the longest id in bytes; MQTT topics, SPIFFE paths and DNS labels all hold it.
const MaxIDLength = 31

// MaxNameIDs is how many ids a point's name may join.
const MaxNameIDs = 8

// ErrID is what every refused id or name wraps.
var ErrID = errors.New("not a valid id")

// ID names a venue, a gateway or a device: [a-z0-9][a-z0-9-]{0,30}.
type ID string

// ParseID returns s as an ID, or an error that wraps ErrID and says which byte is wrong.
func ParseID(s string) (ID, error) {
	if s == "" {
		return "", fmt.Errorf("%w: it is empty", ErrID)
	}
	if len(s) > MaxIDLength {
		return "", fmt.Errorf("%w: %q has %d characters, at most %d are allowed", ErrID, s, len(s), MaxIDLength)
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '-' && i > 0:
		default:
			return "", fmt.Errorf("%w: %q has %q at position %d; use lower-case letters, digits and, after the first, '-'", ErrID, s, c, i+1)
		}
	}
	return ID(s), nil
}

// Name is a point's name on its device: one to eight ids joined by '/', such as "seat/101/a/12".
type Name string

// ParseName returns s as a Name, or an error that wraps ErrID.
func ParseName(s string) (Name, error) {
	parts := strings.Split(s, "/")
	if len(parts) > MaxNameIDs {
		return "", fmt.Errorf("%w: %q joins %d ids, at most %d are allowed", ErrID, s, len(parts), MaxNameIDs)
	}
	for _, p := range parts {
		if _, err := ParseID(p); err != nil {
			return "", fmt.Errorf("point name %q: %w", s, err)
		}
	}
	return Name(s), nil
}
