package settings

import "strings"

// Nearest returns the one of known that s most likely means, or "" when none is near: a third of
// its letters may be wrong, swapped, missing or too many, at least one and at most four.
func Nearest(s string, known []string) string {
	if len(s) > maxKeyBytes {
		return ""
	}
	best, bound := "", min(max(len(s)/3, 1), 4)+1
	for _, k := range known {
		if len(k) > maxKeyBytes {
			continue
		}
		if d := distance(strings.ToLower(s), k, bound); d < bound {
			best, bound = k, d
		}
	}
	return best
}

// distance returns how many letters to insert, delete, replace or swap with their neighbour turn a
// into b; bound or more when it is not less than bound.
func distance(a, b string, bound int) int {
	if d := len(a) - len(b); d >= bound || -d >= bound {
		return bound
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// OneOf returns the fix for s where known are the only texts allowed.
func OneOf(s string, known []string) string {
	fix := "use one of " + strings.Join(known, ", ")
	if near := Nearest(s, known); near != "" {
		return "did you mean " + quote(near) + "? " + fix
	}
	return fix
}
