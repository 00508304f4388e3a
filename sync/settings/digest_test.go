package settings

import "testing"

func TestDigestIsOfWhatTheSectionSays(t *testing.T) {
	of := func(text string) [32]byte {
		t.Helper()
		s, err := Parse("f.yaml", []byte(text), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Sub("d").Digest()
	}
	base := of("d: {a: 1, b: [x, y]}\n")
	for name, c := range map[string]struct {
		text string
		same bool
	}{
		"another form, comments":   {"# what\nd:\n  a: 1 # here\n  b:\n    - x\n    - y\n", true},
		"another place":            {"other: 2\nd: {a: 1, b: [x, y]}\n", true},
		"another value":            {"d: {a: 2, b: [x, y]}\n", false},
		"a text, not a number":     {"d: {a: \"1\", b: [x, y]}\n", false},
		"another key":              {"d: {c: 1, b: [x, y]}\n", false},
		"one item":                 {"d: {a: 1, b: [xy]}\n", false},
		"nested otherwise":         {"d: {a: 1, b: [x, [y]]}\n", false},
		"more":                     {"d: {a: 1, b: [x, y], c: }\n", false},
		"nothing":                  {"e: 1\n", false},
		"text moved between items": {"d: {a: 1, b: [x y]}\n", false},
	} {
		if got := of(c.text) == base; got != c.same {
			t.Errorf("%s: same digest %t, want %t", name, got, c.same)
		}
	}
}
