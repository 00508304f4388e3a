package interval

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSetEqualsMap compares every operation with a map of numbers, the slow, obvious set.
func TestSetEqualsMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set
		model := map[uint64]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			from := rapid.Uint64Range(0, 50).Draw(t, "from")
			iv := Interval{from, from + rapid.Uint64Range(0, 8).Draw(t, "len")}
			changed := uint64(0)
			add := rapid.Bool().Draw(t, "add")
			for n := iv.From; n < iv.To; n++ {
				if model[n] != add {
					changed++
				}
				model[n] = add
			}
			got := uint64(0)
			if add {
				got = s.Add(iv)
			} else {
				got = s.Remove(iv)
			}
			if got != changed {
				t.Fatalf("add=%v %v changed %d, want %d", add, iv, got, changed)
			}
			check(t, &s, model)
		}
	})
}

func check(t *rapid.T, s *Set, model map[uint64]bool) {
	count := uint64(0)
	for n := uint64(0); n < 64; n++ {
		if s.Has(n) != model[n] {
			t.Fatalf("Has(%d) = %v, want %v", n, s.Has(n), model[n])
		}
		if model[n] {
			count++
		}
	}
	if s.Count() != count {
		t.Fatalf("Count = %d, want %d", s.Count(), count)
	}
	last, first := uint64(0), true
	for iv := range s.All() {
		if iv.From >= iv.To || (!first && iv.From <= last) {
			t.Fatalf("intervals touch, overlap or are empty at %v", iv)
		}
		if !s.Covers(iv) || s.Covers(Interval{iv.From, iv.To + 1}) {
			t.Fatalf("Covers disagrees at %v", iv)
		}
		last, first = iv.To, false
	}
	missing := uint64(0)
	for iv := range s.Missing(Interval{0, 64}) {
		for n := iv.From; n < iv.To; n++ {
			if model[n] {
				t.Fatalf("Missing yields %d, which is held", n)
			}
			missing++
		}
	}
	if missing+count != 64 {
		t.Fatalf("missing %d and held %d do not add up to 64", missing, count)
	}
	if iv, ok := s.Last(); ok != (count > 0) || ok && (iv.To != last || !s.Has(iv.From)) {
		t.Fatalf("Last = %v, %v, want one that ends at %d", iv, ok, last)
	}
	within := uint64(0)
	for iv := range s.Within(Interval{5, 50}) {
		for n := iv.From; n < iv.To; n++ {
			if n < 5 || n >= 50 || !model[n] {
				t.Fatalf("Within yields %d", n)
			}
			within++
		}
	}
	for n := uint64(5); n < 50; n++ {
		if model[n] {
			within--
		}
	}
	if within != 0 {
		t.Fatalf("Within missed numbers")
	}
}
