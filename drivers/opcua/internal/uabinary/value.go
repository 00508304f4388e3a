package uabinary

import "math"

// Type is a built-in type of OPC UA; the numbers are those of OPC 10000-6 section 5.1.2.
type Type uint8

// The built-in types that a value may have and stay a scalar for the gateway.
const (
	Null          Type = 0
	Boolean       Type = 1
	SByte         Type = 2
	Byte          Type = 3
	Int16         Type = 4
	UInt16        Type = 5
	Int32         Type = 6
	UInt32        Type = 7
	Int64         Type = 8
	UInt64        Type = 9
	Float         Type = 10
	Double        Type = 11
	String        Type = 12
	DateTime      Type = 13
	ByteString    Type = 15
	StatusCode    Type = 19
	LocalizedText Type = 21
	Structure     Type = 22
	maxType       Type = 25
)

var typeNames = [...]string{"Null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String",
	"DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "Structure", "DataValue",
	"Variant", "DiagnosticInfo"}

// String returns the type's name as the specification writes it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown type"
}

// ParseType returns the scalar type that s names, between Boolean and String.
func ParseType(s string) (Type, bool) {
	for t := Boolean; t <= String; t++ {
		if typeNames[t] == s {
			return t, true
		}
	}
	return Null, false
}

// Value is a decoded variant. Arrays and types that are no scalars are told by Type and Array and have no value.
type Value struct {
	Type  Type
	Array bool
	Bits  uint64 // Boolean 0 or 1; integers sign-extended to 64 bits; Float and Double as math.Float64bits
	Text  []byte // String and the text of a LocalizedText; aliases the message
}

// DataValue is a value with its status and times.
type DataValue struct {
	Value          Value
	Status         uint32
	Source, Server int64 // Unix ns; 0 for none
}

// DataValue reads a DataValue into v.
func (r *Reader) DataValue(v *DataValue) { r.dataValue(v, 0) }

func (r *Reader) dataValue(v *DataValue, depth int) {
	*v = DataValue{}
	mask := r.U8()
	if mask&0x01 != 0 {
		r.variant(&v.Value, depth)
	}
	if mask&0x02 != 0 {
		v.Status = r.U32()
	}
	if mask&0x04 != 0 {
		v.Source = r.Time()
	}
	if mask&0x10 != 0 {
		r.U16()
	}
	if mask&0x08 != 0 {
		v.Server = r.Time()
	}
	if mask&0x20 != 0 {
		r.U16()
	}
}

func (r *Reader) variant(v *Value, depth int) {
	mask := r.U8()
	v.Type = Type(mask & 0x3f)
	if v.Type == Null {
		return
	}
	if v.Type > maxType {
		r.fail("type %d is no built-in type", v.Type)
		return
	}
	if mask&0x80 == 0 {
		r.scalar(v, depth)
		return
	}
	v.Array = true
	var ignored Value
	for range r.Count(1) {
		ignored.Type = v.Type
		if r.scalar(&ignored, depth); r.err != nil {
			return
		}
	}
	if mask&0x40 != 0 {
		r.take(4 * r.Count(4))
	}
}

// scalar reads one value of v.Type.
func (r *Reader) scalar(v *Value, depth int) {
	if depth > maxDepth {
		r.fail("values are nested deeper than %d", maxDepth)
		return
	}
	switch v.Type {
	case Boolean:
		if r.U8() != 0 {
			v.Bits = 1
		}
	case SByte:
		v.Bits = uint64(int64(int8(r.U8())))
	case Byte:
		v.Bits = uint64(r.U8())
	case Int16:
		v.Bits = uint64(int64(int16(r.U16())))
	case UInt16:
		v.Bits = uint64(r.U16())
	case Int32:
		v.Bits = uint64(int64(int32(r.U32())))
	case UInt32, StatusCode:
		v.Bits = uint64(r.U32())
	case Int64, UInt64, Double:
		v.Bits = r.U64()
	case Float:
		v.Bits = math.Float64bits(float64(math.Float32frombits(r.U32())))
	case String:
		v.Text = r.Bytes()
	case LocalizedText:
		v.Text = r.localizedText()
	default:
		r.skip(v.Type, depth)
	}
}

func (r *Reader) localizedText() (text []byte) {
	mask := r.U8()
	if mask&0x01 != 0 {
		r.Bytes()
	}
	if mask&0x02 != 0 {
		text = r.Bytes()
	}
	return text
}

// skip reads past one value of a type that the gateway does not take.
func (r *Reader) skip(t Type, depth int) {
	switch t {
	case DateTime:
		r.take(8)
	case 14: // Guid
		r.take(16)
	case ByteString, 16: // XmlElement
		r.Bytes()
	case 17: // NodeId
		r.nodeID()
	case 18: // ExpandedNodeId
		r.expandedNodeID()
	case 20: // QualifiedName
		r.U16()
		r.Bytes()
	case Structure:
		r.Extension()
	case 23: // DataValue
		var v DataValue
		r.dataValue(&v, depth+1)
	case 24: // Variant
		var v Value
		r.variant(&v, depth+1)
	default:
		r.diagnostics(depth)
	}
}

func (r *Reader) diagnostics(depth int) {
	if depth > maxDepth {
		r.fail("diagnostics are nested deeper than %d", maxDepth)
		return
	}
	mask := r.U8()
	for _, bit := range [...]uint8{0x01, 0x02, 0x04, 0x08} { // symbolic id, namespace, locale, localized text
		if mask&bit != 0 {
			r.U32()
		}
	}
	if mask&0x10 != 0 {
		r.Bytes()
	}
	if mask&0x20 != 0 {
		r.U32()
	}
	if mask&0x40 != 0 {
		r.diagnostics(depth + 1)
	}
}
