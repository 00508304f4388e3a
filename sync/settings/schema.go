package settings

import (
	"encoding"
	"reflect"
	"strings"
	"time"
)

// Schema returns the JSON Schema of the mapping that v, a struct with the tags that Decode knows, is filled from. Its values that are
// not zero are the defaults. Mappings that others decode (Section) are objects with anything in them, for the caller to refine.
func Schema(v any) map[string]any {
	value := reflect.ValueOf(v)
	for value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	return objectSchema(value)
}

// objectSchema describes a struct.
func objectSchema(v reflect.Value) map[string]any {
	properties, required := map[string]any{}, []string{}
	addFields(v, properties, &required)
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func addFields(v reflect.Value, properties map[string]any, required *[]string) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		key, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if key == "-" || !sf.IsExported() {
			continue
		}
		if strings.Contains(options, "inline") {
			addFields(v.Field(i), properties, required)
			continue
		}
		if key == "" {
			key = strings.ToLower(sf.Name)
		}
		one := valueSchema(v.Field(i))
		if e := sf.Tag.Get("enum"); e != "" {
			one["enum"] = strings.Split(e, ",")
		}
		bounds(one, sf)
		if strings.Contains(options, "required") {
			*required = append(*required, key)
		}
		properties[key] = one
	}
}

// bounds adds what the tags allow: numbers as numbers, durations and sizes, which JSON Schema cannot compare, in words.
func bounds(one map[string]any, sf reflect.StructField) {
	f := field{}
	if err := f.constrain(sf); err != nil || f.min == nil && f.max == nil {
		return
	}
	if one["type"] != "integer" && one["type"] != "number" {
		one["description"] = f.allowed()
		return
	}
	if f.min != nil {
		one["minimum"] = f.min.real
	}
	if f.max != nil {
		one["maximum"] = f.max.real
	}
}

const (
	durationPattern = `^[-+]?([0-9]*(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`
	sizePattern     = `^[0-9]+(\.[0-9]+)? ?([kKMGT]i?B?|B)?$`
)

// valueSchema describes one value; what it holds is the default.
func valueSchema(v reflect.Value) map[string]any {
	t := v.Type()
	switch {
	case t == durationType:
		return withDefault(map[string]any{"type": "string", "pattern": durationPattern}, !v.IsZero(), func() any { return v.Interface().(time.Duration).String() })
	case t == sizeType:
		return withDefault(map[string]any{"type": []string{"string", "integer"}, "pattern": sizePattern}, !v.IsZero(), func() any { return v.Interface().(Size).String() })
	case t == reflect.TypeFor[Section]():
		return map[string]any{"type": "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return valueSchema(reflect.Zero(t.Elem()))
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return map[string]any{"anyOf": []any{map[string]any{"type": "string"}, objectSchema(v)}}
		}
		return objectSchema(v)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": valueSchema(reflect.Zero(t.Elem()))}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": valueSchema(reflect.Zero(t.Elem()))}
	}
	return withDefault(map[string]any{"type": scalarType(t.Kind())}, !v.IsZero(), v.Interface)
}

func withDefault(one map[string]any, some bool, value func() any) map[string]any {
	if some {
		one["default"] = value()
	}
	return one
}

func scalarType(k reflect.Kind) string {
	switch {
	case k == reflect.Bool:
		return "boolean"
	case k == reflect.Float32 || k == reflect.Float64:
		return "number"
	case isWhole(k) || k >= reflect.Uint && k <= reflect.Uint64:
		return "integer"
	}
	return "string"
}
