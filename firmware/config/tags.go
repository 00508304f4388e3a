package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/courtside-edge/courtside/sync/settings"
)

// Limits of a tag list.
const (
	maxTagBytes = 64 << 20 // a million points of 60 bytes
	maxTagCells = 16 << 20
)

// tagColumns returns the key of each column that a tag list may have. Those that are empty are for people and left out.
func tagColumns() map[string]string {
	columns := map[string]string{
		"description": "", "comment": "", "notes": "",
		"tag": "name", "units": "unit", "scan_class": "scan", "data_type": "source.type",
		"occupied_above": "occupied.above", "occupied_below": "occupied.below",
	}
	for _, key := range []string{"name", "range", "place", "type", "kind", "class", "lane", "direction", "scan", "unit", "scale", "offset", "deadband",
		"occupied.above", "occupied.below", "max_silence", "bits", "max_rate"} {
		columns[key] = key
	}
	for _, key := range []string{"address", "reference", "table", "bit", "word_order", "byte_order", "step", "node", "first", "player", "axis",
		"line", "edge", "chip", "channel"} {
		columns[key] = "source." + key
	}
	return columns
}

// tags reads the device's tag list and returns an entry for each of its rows.
func (l *loader) tags(s *settings.Section, path settings.Path) []settings.Section {
	if path == "" {
		return nil
	}
	known := tagColumns()
	rows, err := settings.LoadRows(string(path), settings.Rows{
		Limits: settings.Limits{Bytes: maxTagBytes, Values: maxTagCells},
		Column: func(header string) (key, fix string, ok bool) {
			if key, ok = known[header]; ok {
				return key, "", true
			}
			if own, isSource := strings.CutPrefix(header, "source."); isSource && own != "" {
				return header, "", true // the driver knows its own keys
			}
			fix = settings.OneOf(header, slices.Sorted(maps.Keys(known)))
			return "", fix + ", or source.… for another key of the driver's", false
		},
		Key: func(key, cell string) string {
			if key == "name" && strings.Contains(cell, "{") {
				return "range"
			}
			return key
		},
	})
	switch {
	case err != nil:
		l.faults.Add(located(s, "points_file", err))
	case len(rows) == 0:
		l.fault(s, "points_file", "%s names no point; add a row for each below the header", path)
	}
	return rows
}
