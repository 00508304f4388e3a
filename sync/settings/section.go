package settings

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Section is one mapping of the file, with its place. It is immutable and safe for concurrent use.
// A Section of a mapping that is absent is empty and knows the place of what should hold it. The zero
// Section is empty and of no file.
//
// Keys are paths: "period", "scan_classes.fast", "devices.2.points.0.name".
type Section struct {
	doc          *document
	node         *node // nil when the mapping is absent
	line, column int
	refused      bool // something else than a mapping stood here, which is a fault already
}

// Decode fills into, a pointer to a struct, and refuses unknown keys. All faults come at once, as an
// *Error; those of the file's form, such as a key that stands twice, come with the topmost mapping's. A section
// whose place something else than a mapping took is empty and without faults: the decoder of what holds it has said so.
func (s *Section) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decoding a section into %T: a pointer to a struct is wanted", into)
	}
	if s.refused {
		return nil
	}
	d := s.decoder()
	if s.doc != nil && s.node != nil && s.node == s.doc.root {
		d.faults.Add(s.doc.pending)
	}
	d.fields(s.node, v.Elem(), s.line, s.column)
	return d.faults.Err()
}

// Get fills into, any pointer, from the value of key. It leaves into as it was when the key is absent.
func (s *Section) Get(key string, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("reading %s into %T: a pointer is wanted", key, into)
	}
	n, _ := s.walk(key)
	if n == nil {
		return nil
	}
	d := s.decoder()
	d.value(n, v.Elem(), &field{key: key})
	return d.faults.Err()
}

func (s *Section) decoder() *decoder {
	doc := s.doc
	if doc == nil {
		doc = &document{file: "configuration", types: newTypes()}
	}
	return &decoder{doc: doc}
}

// Sub returns the mapping of key. It is empty when there is none.
func (s *Section) Sub(key string) *Section {
	n, at := s.walk(key)
	sub := &Section{doc: s.doc, line: s.line, column: s.column}
	if at != nil {
		sub.line, sub.column = int(at.line), int(at.column)
	}
	if n != nil && n.kind == mapping {
		sub.node = n
	}
	sub.refused = s.refused
	return sub
}

// Has reports whether key is there.
func (s *Section) Has(key string) bool {
	n, _ := s.walk(key)
	return n != nil
}

// Len returns how many entries the mapping or list of key has, and -1 when it is absent or a single value.
func (s *Section) Len(key string) int {
	n, _ := s.walk(key)
	switch {
	case n == nil:
		return -1
	case n.kind == mapping:
		return len(n.entries)
	case n.kind == sequence:
		return len(n.items)
	}
	return -1
}

// Keys returns the section's own keys in the file's order.
func (s *Section) Keys() []string {
	if s.node == nil {
		return nil
	}
	keys := make([]string, len(s.node.entries))
	for i := range s.node.entries {
		keys[i] = s.node.entries[i].key
	}
	return keys
}

// Fault returns a *Fault at the value of key, or at the nearest part of its path that is there, or
// at the section itself.
func (s *Section) Fault(key, format string, args ...any) error {
	return s.FaultFix(key, fmt.Sprintf(format, args...), "")
}

// FaultFix is Fault with what would be right.
func (s *Section) FaultFix(key, problem, fix string) error {
	if s.doc == nil {
		return &Fault{File: "configuration", Problem: problem, Fix: fix}
	}
	line, column := s.line, s.column
	if _, at := s.walk(key); at != nil {
		line, column = int(at.line), int(at.column)
	}
	return s.doc.at(line, column, problem, fix)
}

// FaultKey is Fault at the key itself instead of at its value.
func (s *Section) FaultKey(key, format string, args ...any) error {
	parent, name := s, key
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		parent, name = s.Sub(key[:i]), key[i+1:]
	}
	if e := parent.node.find(name); e != nil && s.doc != nil {
		return s.doc.at(int(e.line), int(e.column), fmt.Sprintf(format, args...), "")
	}
	return s.Fault(key, format, args...)
}

// Place returns "file:line" of the value of key as Fault finds it, to be named in another fault.
func (s *Section) Place(key string) string {
	if s.doc == nil {
		return "configuration"
	}
	line := s.line
	if _, at := s.walk(key); at != nil {
		line = int(at.line)
	}
	doc, line := s.doc.origin(line)
	return doc.file + ":" + strconv.Itoa(line)
}

// walk returns the value at path, nil when it is absent, and the last value that was there on the way.
func (s *Section) walk(path string) (found, last *node) {
	n := s.node
	if path == "" || n == nil {
		return n, nil
	}
	for part := range strings.SplitSeq(path, ".") {
		var next *node
		if e := n.find(part); e != nil {
			next = e.value
		} else if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n.items) {
			next = n.items[i]
		}
		if next == nil {
			return nil, last
		}
		n, last = next, next
	}
	return n, last
}
