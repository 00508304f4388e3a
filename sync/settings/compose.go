package settings

import "slices"

// part is a stretch of a composite document's lines that are another document's: line n of doc is line before+n.
type part struct {
	doc    *document
	before int
}

// span returns how many line numbers d takes in a composite.
func (d *document) span() int {
	if n := len(d.parts); n > 0 {
		return d.parts[n-1].before + d.parts[n-1].doc.span()
	}
	return len(d.lines) + 1
}

// origin returns the file that a line stands in, and its number there.
func (d *document) origin(line int) (*document, int) {
	for i := len(d.parts) - 1; i >= 0; i-- {
		if p := d.parts[i]; line > p.before || i == 0 {
			return p.doc.origin(line - p.before)
		}
	}
	return d, line
}

// compose returns a document of the lines of both. Relative paths start from where d's do.
func compose(d, base *document) *document {
	return &document{file: d.file, dir: d.dir, find: d.find, types: newTypes(), parts: []part{{d, 0}, {base, d.span()}}}
}

// Over returns s with the keys of base that s does not have, and so on within mappings that both have. base may be of another
// file: faults are placed in the file that a value stands in, while relative paths all start from the folder of s's file.
func (s *Section) Over(base *Section) *Section {
	if base == nil || base.node == nil || s.refused || base.refused {
		return s
	}
	if s.doc == nil {
		return base
	}
	out := *s
	under := base.node
	if base.doc != s.doc {
		out.doc = compose(s.doc, base.doc)
		shift := int32(s.doc.span())
		under = under.copy(func(n *node) { n.line += shift }, func(e *entry) { e.line += shift })
	}
	out.node = overlay(s.node, under)
	return &out
}

// overlay returns own with what under adds.
func overlay(own, under *node) *node {
	if own == nil {
		return under
	}
	if own.kind != mapping || under.kind != mapping {
		return own
	}
	out := *own
	out.entries = slices.Clone(own.entries)
	for _, e := range under.entries {
		if have := out.find(e.key); have != nil {
			have.value = overlay(have.value, e.value)
		} else {
			out.entries = append(out.entries, e)
		}
	}
	return &out
}

// copy returns n and everything below it, changed.
func (n *node) copy(change func(*node), changeKey func(*entry)) *node {
	out := *n
	out.entries, out.items = slices.Clone(n.entries), slices.Clone(n.items)
	change(&out)
	for i := range out.entries {
		changeKey(&out.entries[i])
		out.entries[i].value = out.entries[i].value.copy(change, changeKey)
	}
	for i := range out.items {
		out.items[i] = out.items[i].copy(change, changeKey)
	}
	return &out
}

// Expand returns s with every single value replaced by what replace makes of it; what was changed is read as if it stood there without
// quotes, which "${n}" needs within braces. Its error is a fault at each value that replace refused.
func (s *Section) Expand(replace func(text string) (string, error)) (*Section, error) {
	if s.node == nil {
		return s, nil
	}
	var faults Faults
	out := *s
	out.node = s.node.copy(func(n *node) {
		if n.kind != scalar {
			return
		}
		text, err := replace(n.text)
		if err != nil {
			faults.Add(s.doc.fault(n, err.Error(), ""))
			return
		}
		if text != n.text {
			n.text, n.quoted, n.word = text, false, wordOf(text)
		}
	}, func(*entry) {})
	return &out, faults.Err()
}

// wordOf returns what a plain text is in YAML's view, as far as decoding minds.
func wordOf(text string) word {
	if text == "true" || text == "false" {
		return plainBool
	}
	return plainText
}

// Only returns s with nothing but these keys of it.
func (s *Section) Only(keys ...string) *Section {
	if s.node == nil {
		return s
	}
	out := *s
	n := *s.node
	n.entries = slices.DeleteFunc(slices.Clone(n.entries), func(e entry) bool { return !slices.Contains(keys, e.key) })
	out.node = &n
	return &out
}
