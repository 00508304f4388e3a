package gpio

import (
	"testing"

	"pgregory.net/rapid"
)

// TestDebouncerEqualsTheObvious: whatever edges come, and whenever time is let pass between them, what counts is exactly each level that
// held for wait and differs from the one before.
func TestDebouncerEqualsTheObvious(t *testing.T) {
	type held struct {
		at    int64
		level bool
	}
	rapid.Check(t, func(t *rapid.T) {
		d := debouncer{wait: rapid.Int64Range(0, 20).Draw(t, "wait")}
		begin := rapid.Bool().Draw(t, "begin")
		d.start(100, begin)
		var got []change
		take := func(c change, ok bool) {
			if ok {
				got = append(got, c)
			}
		}
		now := int64(100)
		edges := []held{{now, begin}}
		for range rapid.IntRange(0, 30).Draw(t, "edges") {
			for range rapid.IntRange(0, 2).Draw(t, "looks") {
				now += rapid.Int64Range(0, 15).Draw(t, "pass")
				take(d.advance(now))
			}
			now += rapid.Int64Range(0, 25).Draw(t, "gap")
			level := rapid.Bool().Draw(t, "level") // the opposite edge may have been missed
			edges = append(edges, held{now, level})
			take(d.edge(now, level))
		}
		end := now + rapid.Int64Range(0, 30).Draw(t, "rest")
		take(d.advance(end))

		var want []change
		steady := begin
		for i, e := range edges {
			until := end
			if i+1 < len(edges) {
				until = edges[i+1].at
			}
			if e.level != steady && until-e.at >= d.wait {
				steady = e.level
				want = append(want, change{level: e.level, edge: e.at, at: e.at + d.wait})
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d changes, want %d: %v, %v", len(got), len(want), got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("change %d is %+v, want %+v", i, got[i], want[i])
			}
		}
		if at, pending := d.due(); pending != (d.level != d.steady) || pending && at <= end {
			t.Fatalf("due at %d after %d", at, end)
		}
	})
}

func TestAnEdgeOutOfOrderCountsAsSimultaneous(t *testing.T) {
	d := debouncer{wait: 10}
	d.start(0, false)
	d.edge(100, true)
	if c, ok := d.edge(50, false); ok {
		t.Errorf("%+v", c)
	}
	if c, ok := d.advance(1000); ok {
		t.Errorf("a pulse of no length counts: %+v", c)
	}
}
