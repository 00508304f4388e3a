package settings

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
	pathType     = reflect.TypeFor[Path]()
	fileType     = reflect.TypeFor[File]()
	idType       = reflect.TypeFor[point.ID]()
	nameType     = reflect.TypeFor[point.Name]()
	sectionType  = reflect.TypeFor[Section]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decoder fills Go values from nodes and collects what is wrong.
type decoder struct {
	doc    *document
	faults Faults
}

func (d *decoder) wrong(n *node, problem, fix string) {
	d.faults.Add(d.doc.fault(n, problem, fix))
}

// fields fills a struct from a mapping; n is nil for an absent or empty one. line and column are its place.
func (d *decoder) fields(n *node, v reflect.Value, line, column int) {
	l, err := d.doc.layoutOf(v.Type())
	if err != nil {
		d.faults.Add(err)
		return
	}
	var meant []string // keys that misspelt ones stand for: they are not missing too
	if n != nil {
		for i := range n.entries {
			e := &n.entries[i]
			at, known := l.byKey[e.key]
			if !known {
				d.unknown(e, l)
				meant = append(meant, Nearest(e.key, l.keys))
				continue
			}
			f := &l.list[at]
			d.value(e.value, v.FieldByIndex(f.index), f)
		}
	}
	for i := range l.list {
		f := &l.list[i]
		if n.find(f.key) != nil {
			continue
		}
		if f.required && !slices.Contains(meant, f.key) {
			d.faults.Add(d.doc.at(line, column, "required key "+quote(f.key)+" is missing", "add it"))
		}
		if target := v.FieldByIndex(f.index); target.Type() == sectionType {
			target.Set(reflect.ValueOf(Section{doc: d.doc, line: line, column: column}))
		}
	}
}

func (d *decoder) unknown(e *entry, l *layout) {
	fix := "no key is known here"
	if len(l.keys) > 0 {
		fix = OneOf(e.key, l.keys)
	}
	d.faults.Add(d.doc.at(int(e.line), int(e.column), "unknown key "+quote(e.key), fix))
}

// value fills v from n as f allows.
func (d *decoder) value(n *node, v reflect.Value, f *field) {
	t := v.Type()
	switch {
	case t == sectionType:
		d.section(n, v, f)
	case n.refused:
	case t.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(t.Elem()))
		}
		d.value(n, v.Elem(), f)
	case n.kind == scalar && v.CanAddr() && reflect.PointerTo(t).Implements(textType):
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text)); err != nil {
			d.wrong(n, f.key+": "+err.Error(), "")
		}
	case t.Kind() == reflect.Struct:
		d.structure(n, v, f)
	case t.Kind() == reflect.Slice:
		d.list(n, v, f)
	case t.Kind() == reflect.Map:
		d.dictionary(n, v, f)
	default:
		d.single(n, v, f)
	}
}

func (d *decoder) section(n *node, v reflect.Value, f *field) {
	s := Section{doc: d.doc, line: int(n.line), column: int(n.column), refused: n.refused}
	switch n.kind {
	case mapping:
		s.node = n
	case null:
	default:
		s.refused = true
		d.kindFault(n, f, "a mapping")
	}
	v.Set(reflect.ValueOf(s))
}

func (d *decoder) structure(n *node, v reflect.Value, f *field) {
	switch n.kind {
	case mapping:
		d.fields(n, v, int(n.line), int(n.column))
	case null: // "batch:" with every line below it commented out
		d.fields(nil, v, int(n.line), int(n.column))
	default:
		d.kindFault(n, f, "a mapping")
	}
}

func (d *decoder) list(n *node, v reflect.Value, f *field) {
	if n.kind == null {
		return
	}
	if n.kind != sequence {
		d.kindFault(n, f, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.value(item, out.Index(i), &field{key: fmt.Sprintf("%s.%d", f.key, i), enum: f.enum})
	}
	v.Set(out)
}

func (d *decoder) dictionary(n *node, v reflect.Value, f *field) {
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		d.faults.Add(fmt.Errorf("decoding %s into %s: only texts can be keys", f.key, t))
		return
	}
	if n.kind == null {
		return
	}
	if n.kind != mapping {
		d.kindFault(n, f, "a mapping")
		return
	}
	out := reflect.MakeMapWithSize(t, len(n.entries))
	for i := range n.entries {
		e := &n.entries[i]
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		if err := d.text(e.key, key, false); err != nil {
			d.faults.Add(d.doc.at(int(e.line), int(e.column), err.Error(), ""))
			continue
		}
		d.value(e.value, value, &field{key: e.key, enum: f.enum})
		out.SetMapIndex(key, value)
	}
	v.Set(out)
}

func (d *decoder) kindFault(n *node, f *field, wanted string) {
	if n.kind == null {
		d.wrong(n, f.key+" has no value", wanted+" is wanted, or no such line")
		return
	}
	d.wrong(n, f.key+" is "+n.kind.String(), wanted+" is wanted")
}
