package settings

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// durationFix says how a duration is written.
const durationFix = "a number with its unit is wanted, such as 250ms, 10s or 1h30m"

// sizeFix says how a size is written.
const sizeFix = "a number with its unit is wanted, such as 512B, 256KiB, 16MiB or 8GiB"

// single fills v, which is not composed of others, from n.
func (d *decoder) single(n *node, v reflect.Value, f *field) {
	t := v.Type()
	switch {
	case t == durationType:
		d.duration(n, v, f)
	case t == sizeType:
		d.size(n, v, f)
	case t.Kind() == reflect.String:
		d.str(n, v, f)
	case t.Kind() == reflect.Bool:
		d.boolean(n, v, f)
	case isWhole(t.Kind()):
		d.whole(n, v, f)
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		d.float(n, v, f)
	default:
		d.faults.Add(fmt.Errorf("decoding %s: a %s cannot be read from a file", f.key, t))
	}
}

// wanted refuses n, naming key and text.
func (d *decoder) wanted(n *node, f *field, what, fix string) {
	if n.kind != scalar {
		d.kindFault(n, f, what)
		return
	}
	d.wrong(n, f.key+": "+quote(n.text)+" is not "+what, fix)
}

func (d *decoder) duration(n *node, v reflect.Value, f *field) {
	span, err := time.ParseDuration(n.text)
	if n.kind != scalar || err != nil {
		d.wanted(n, f, "a duration", durationFix)
		return
	}
	if d.inRange(n, f, int64(span)) {
		v.SetInt(int64(span))
	}
}

func (d *decoder) size(n *node, v reflect.Value, f *field) {
	size, err := ParseSize(n.text)
	if n.kind != scalar || err != nil {
		d.wanted(n, f, "a size", sizeFix)
		return
	}
	if d.inRange(n, f, int64(size)) {
		v.SetInt(int64(size))
	}
}

func (d *decoder) boolean(n *node, v reflect.Value, f *field) {
	if n.kind != scalar || n.quoted || n.text != "true" && n.text != "false" {
		d.wanted(n, f, "true or false", "write true or false, without quotes")
		return
	}
	v.SetBool(n.text == "true")
}

func (d *decoder) whole(n *node, v reflect.Value, f *field) {
	if n.kind != scalar || n.quoted {
		d.wanted(n, f, "a whole number", "write it without quotes")
		return
	}
	if v.CanUint() {
		d.unsigned(n, v, f)
		return
	}
	i, err := parseWhole(n.text)
	if errors.Is(err, strconv.ErrRange) || err == nil && v.OverflowInt(i) {
		bits := v.Type().Bits()
		d.outOfRange(n, f, fmt.Sprintf("%d to %d is allowed", int64(-1)<<(bits-1), int64(1)<<(bits-1)-1))
		return
	}
	if err != nil {
		d.wanted(n, f, "a whole number", err.Error())
		return
	}
	if d.inRange(n, f, i) {
		v.SetInt(i)
	}
}

// outOfRange refuses a number that its type cannot hold; the field's own bounds say more than the type's.
func (d *decoder) outOfRange(n *node, f *field, fix string) {
	if bounds := f.allowed(); bounds != "" {
		fix = bounds
	}
	d.wrong(n, f.key+" is "+quote(n.text), fix)
}

func (d *decoder) unsigned(n *node, v reflect.Value, f *field) {
	u, err := parseUnsigned(n.text)
	_, negative := parseWhole(n.text)
	if errors.Is(err, strconv.ErrRange) || err == nil && v.OverflowUint(u) || err != nil && negative == nil {
		d.outOfRange(n, f, fmt.Sprintf("0 to %d is allowed", uint64(math.MaxUint64)>>(64-v.Type().Bits())))
		return
	}
	if err != nil {
		d.wanted(n, f, "a whole number", err.Error())
		return
	}
	if d.inRange(n, f, int64(min(u, math.MaxInt64))) {
		v.SetUint(u)
	}
}

func (d *decoder) float(n *node, v reflect.Value, f *field) {
	x, err := parseReal(n.text)
	if n.kind != scalar || n.quoted || err != nil || v.OverflowFloat(x) {
		d.wanted(n, f, "a finite number", "write it like 0.1, without quotes")
		return
	}
	if f.min != nil && x < f.min.real || f.max != nil && x > f.max.real {
		d.wrong(n, f.key+" is "+n.text, f.allowed())
		return
	}
	v.SetFloat(x)
}

// str fills a text. A plain number is taken as it is written, so that a place may be 101.
func (d *decoder) str(n *node, v reflect.Value, f *field) {
	if n.kind != scalar || n.word == plainBool {
		d.wanted(n, f, "a text", "put it in quotes")
		return
	}
	if f.enum != nil && !slices.Contains(f.enum, n.text) {
		d.wrong(n, f.key+": "+quote(n.text)+" is not allowed", OneOf(n.text, f.enum))
		return
	}
	if err := d.text(n.text, v, f.path); err != nil {
		d.wrong(n, f.key+": "+err.Error(), "")
	}
}

// text fills v, of a string kind, from s, and checks what its type promises, or its tag that it is a path.
func (d *decoder) text(s string, v reflect.Value, path bool) error {
	switch t := v.Type(); {
	case t == idType:
		id, err := point.ParseID(s)
		v.SetString(string(id))
		return err
	case t == nameType:
		name, err := point.ParseName(s)
		v.SetString(string(name))
		return err
	case path, t == pathType, t == fileType:
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("%s is not a path", quote(s))
		}
		s = d.doc.resolve(s)
		if t == fileType && s != "" {
			if err := readable(s); err != nil {
				return fmt.Errorf("the file cannot be read: %w", err)
			}
		}
	}
	v.SetString(s)
	return nil
}

func (d *decoder) inRange(n *node, f *field, i int64) bool {
	if f.min != nil && i < f.min.whole || f.max != nil && i > f.max.whole {
		d.wrong(n, f.key+" is "+n.text, f.allowed())
		return false
	}
	return true
}

func isWhole(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Uintptr }

// errLeadingZero refuses 010, which YAML's versions read as ten or as eight.
var errLeadingZero = errors.New("write it without leading zeros, or with 0x or 0o in front")

var errNotWhole = errors.New("digits only are wanted")

func ambiguous(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return len(s) > 1 && s[0] == '0' && (s[1] >= '0' && s[1] <= '9' || s[1] == '_')
}

func parseWhole(s string) (int64, error) {
	if ambiguous(s) {
		return 0, errLeadingZero
	}
	i, err := strconv.ParseInt(s, 0, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		err = errNotWhole
	}
	return i, err
}

func parseUnsigned(s string) (uint64, error) {
	if ambiguous(s) {
		return 0, errLeadingZero
	}
	u, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 0, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		err = errNotWhole
	}
	return u, err
}

func parseReal(s string) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		err = errors.New("it is not finite")
	}
	return x, err
}
