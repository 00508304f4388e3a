package settings

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// layout is how a struct lies in a mapping.
type layout struct {
	list  []field
	byKey map[string]int // positions in list
	keys  []string
}

// field is one key and what is allowed for it.
type field struct {
	key      string
	index    []int // for reflect.Value.FieldByIndex
	required bool
	path     bool // a text that is resolved as Path is
	min, max *bound
	enum     []string
}

// bound is one end of the allowed range.
type bound struct {
	text  string  // as the tag writes it
	whole int64   // for whole numbers, durations and sizes
	real  float64 // for all
}

// layoutOf returns the layout of struct type t, built once a document. An error is one of the program, not of the file.
func (d *document) layoutOf(t reflect.Type) (*layout, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.types[t]; ok {
		return l, nil
	}
	l := &layout{byKey: make(map[string]int)}
	if err := l.add(t, nil); err != nil {
		return nil, err
	}
	d.types[t] = l
	return l, nil
}

func (l *layout) add(t reflect.Type, prefix []int) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		key, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if key == "-" || !sf.IsExported() {
			continue
		}
		index := append(append([]int(nil), prefix...), i)
		inline := false
		f := field{key: key, index: index}
		for o := range strings.SplitSeq(options, ",") {
			inline = inline || o == "inline"
			f.required = f.required || o == "required"
			f.path = f.path || o == "path"
		}
		if inline {
			if sf.Type.Kind() != reflect.Struct {
				return fmt.Errorf("field %s of %s: only a struct can be inline", sf.Name, t)
			}
			if err := l.add(sf.Type, index); err != nil {
				return err
			}
			continue
		}
		if f.key == "" {
			f.key = strings.ToLower(sf.Name)
		}
		if err := f.constrain(sf); err != nil {
			return fmt.Errorf("field %s of %s: %w", sf.Name, t, err)
		}
		if _, twice := l.byKey[f.key]; twice {
			return fmt.Errorf("field %s of %s: key %q stands twice", sf.Name, t, f.key)
		}
		l.byKey[f.key] = len(l.list)
		l.keys = append(l.keys, f.key)
		l.list = append(l.list, f)
	}
	return nil
}

func (f *field) constrain(sf reflect.StructField) (err error) {
	if e := sf.Tag.Get("enum"); e != "" {
		f.enum = strings.Split(e, ",")
	}
	if f.min, err = boundOf(sf, "min"); err != nil {
		return err
	}
	f.max, err = boundOf(sf, "max")
	return err
}

func boundOf(sf reflect.StructField, tag string) (*bound, error) {
	text := sf.Tag.Get(tag)
	if text == "" {
		return nil, nil
	}
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	b := &bound{text: text}
	var err error
	switch {
	case t == durationType:
		var v time.Duration
		v, err = time.ParseDuration(text)
		b.whole, b.real = int64(v), float64(v)
	case t == sizeType:
		var v Size
		v, err = ParseSize(text)
		b.whole, b.real = int64(v), float64(v)
	case isWhole(t.Kind()):
		b.whole, err = parseWhole(text)
		b.real = float64(b.whole)
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		b.real, err = parseReal(text)
	default:
		err = fmt.Errorf("a %s has no order", t)
	}
	if err != nil {
		return nil, fmt.Errorf("tag %s: %w", tag, err)
	}
	return b, nil
}

// allowed returns the range as a fix writes it.
func (f *field) allowed() string {
	switch {
	case f.min != nil && f.max != nil:
		return f.min.text + " to " + f.max.text + " is allowed"
	case f.min != nil:
		return "at least " + f.min.text + " is wanted"
	case f.max != nil:
		return "at most " + f.max.text + " is allowed"
	}
	return ""
}
