package config

import (
	"fmt"
	"strconv"
	"strings"
)

// template is a text with variables, as in "seat/101/{row:a,b}/{seat:1..30}".
type template struct {
	parts []part
	vars  []variable
}

// part is a literal, or the value of a variable when index ≥ 0.
type part struct {
	literal string
	index   int // into the variables
}

// variable is a name and its values in order.
type variable struct {
	name   string
	values []string
}

// parseTemplate takes s apart. With define, {name:spec} sets a variable; without, only those of known can be named.
// At most most values are made of all variables of s together.
func parseTemplate(s string, known []variable, define bool, most int) (template, error) {
	t := template{vars: known}
	for s != "" {
		open := strings.IndexAny(s, "{}")
		if open < 0 {
			t.parts = append(t.parts, part{literal: s, index: -1})
			break
		}
		if s[open] == '}' {
			return t, fmt.Errorf("a '}' without its '{'")
		}
		if open > 0 {
			t.parts = append(t.parts, part{literal: s[:open], index: -1})
		}
		end := strings.IndexAny(s[open+1:], "{}")
		if end < 0 || s[open+1+end] == '{' {
			return t, fmt.Errorf("a '{' without its '}'")
		}
		inner := s[open+1 : open+1+end]
		s = s[open+end+2:]
		index, err := t.variable(inner, define, most)
		if err != nil {
			return t, fmt.Errorf("{%s}: %w", inner, err)
		}
		t.parts = append(t.parts, part{index: index})
	}
	return t, nil
}

// variable returns the position of the variable that inner names or sets.
func (t *template) variable(inner string, define bool, most int) (int, error) {
	name, spec, sets := strings.Cut(inner, ":")
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return 0, fmt.Errorf("a variable's name is lower-case letters, digits and '_'")
	}
	for i, v := range t.vars {
		if v.name != name {
			continue
		}
		if sets {
			return 0, fmt.Errorf("variable %s is set twice; name it alone, {%s}, to repeat it", name, name)
		}
		return i, nil
	}
	switch {
	case !define && sets:
		return 0, fmt.Errorf("variables are set in range; name it alone, {%s}", name)
	case !define && len(t.vars) == 0:
		return 0, fmt.Errorf("there are no variables here; they are set in range")
	case !define:
		return 0, fmt.Errorf("the range sets no variable %s", name)
	case !sets:
		return 0, fmt.Errorf("variable %s has no values; write {%s:1..30} or {%s:a,b,c}", name, name, name)
	}
	values, err := parseValues(spec, most/t.count(most))
	if err != nil {
		return 0, err
	}
	t.vars = append(t.vars, variable{name: name, values: values})
	return len(t.vars) - 1, nil
}

// parseValues expands "1..30", "a,b,c" or a mixture such as "1..3,7".
func parseValues(spec string, most int) ([]string, error) {
	var values []string
	for item := range strings.SplitSeq(spec, ",") {
		from, to, isRange := strings.Cut(item, "..")
		if !isRange {
			if item == "" {
				return nil, fmt.Errorf("an empty value")
			}
			if values = append(values, item); len(values) > most {
				return nil, errTooMany
			}
			continue
		}
		lo, hi, err := parseEnds(from, to)
		if err != nil {
			return nil, err
		}
		if hi-lo >= most-len(values) {
			return nil, errTooMany
		}
		width := 0
		if len(from) > 1 && from[0] == '0' {
			width = len(from)
		}
		for n := lo; n <= hi; n++ {
			digits := strconv.Itoa(n)
			values = append(values, strings.Repeat("0", max(width-len(digits), 0))+digits)
		}
	}
	return values, nil
}

// errTooMany refuses a range before it is made.
var errTooMany = fmt.Errorf("more points than the %d that a gateway may have; divide the devices between gateways", MaxPoints)

// parseEnds returns the ends of a range of numbers.
func parseEnds(from, to string) (lo, hi int, err error) {
	const mostDigits = 9 // fits an int on every machine
	for _, s := range []string{from, to} {
		if s == "" || len(s) > mostDigits || strings.Trim(s, "0123456789") != "" {
			return 0, 0, fmt.Errorf("%q is not a number of at most %d digits", s, mostDigits)
		}
	}
	lo, _ = strconv.Atoi(from)
	hi, _ = strconv.Atoi(to)
	if lo > hi {
		return 0, 0, fmt.Errorf("%s..%s runs backwards; write the lower number first", from, to)
	}
	return lo, hi, nil
}

// count returns how many texts the variables make together, or most+1 when it is more than most.
func (t *template) count(most int) int {
	n := 1
	for _, v := range t.vars {
		if n > most/len(v.values) {
			return most + 1
		}
		n *= len(v.values)
	}
	return n
}

// odometer steps through all combinations of variables, the last fastest.
type odometer struct {
	vars []variable
	at   []int
}

func newOdometer(vars []variable) *odometer { return &odometer{vars: vars, at: make([]int, len(vars))} }

func (o *odometer) next() {
	for i := len(o.at) - 1; i >= 0; i-- {
		if o.at[i]++; o.at[i] < len(o.vars[i].values) {
			return
		}
		o.at[i] = 0
	}
}

// render appends t with o's present values to dst.
func (t *template) render(dst []byte, o *odometer) []byte {
	for _, p := range t.parts {
		if p.index < 0 {
			dst = append(dst, p.literal...)
		} else {
			dst = append(dst, o.vars[p.index].values[o.at[p.index]]...)
		}
	}
	return dst
}
