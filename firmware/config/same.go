package config

import (
	"slices"

	"github.com/courtside-edge/courtside/drivers"
)

// Same reports whether a device is described in both configurations alike, so that its connection may go on: driver, options, scan
// classes, points and their sources. Positions in the tables may differ. What files hold that options name is not looked at.
func Same(was *Config, a *Device, is *Config, b *Device) bool {
	if a.ID != b.ID || a.Driver != b.Driver || !sameSection(a.Options, b.Options) || !slices.Equal(a.Classes, b.Classes) ||
		len(a.Own) != len(b.Own) || len(a.Groups) != len(b.Groups) {
		return false
	}
	for k := range a.Own {
		if was.Table[a.Own[k]] != is.Table[b.Own[k]] {
			return false
		}
	}
	for g := range a.Groups {
		one, other := &a.Groups[g], &b.Groups[g]
		if one.Class != other.Class || len(one.Targets) != len(other.Targets) || !sameSection(one.Options, other.Options) {
			return false
		}
	}
	return true
}

// sameSection compares two mappings of drivers; ones that cannot be compared are taken to differ.
func sameSection(a, b drivers.Section) bool {
	one, ok := a.(interface{ Digest() [32]byte })
	other, too := b.(interface{ Digest() [32]byte })
	return ok && too && one.Digest() == other.Digest()
}
