package opcuaserver

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Type is the type of a node's value; its number is that of OPC UA.
type Type uint8

// The types of nodes.
const (
	Boolean Type = 1
	SByte   Type = 2
	Byte    Type = 3
	Int16   Type = 4
	UInt16  Type = 5
	Int32   Type = 6
	UInt32  Type = 7
	Int64   Type = 8
	UInt64  Type = 9
	Float   Type = 10
	Double  Type = 11
	String  Type = 12
)

type node struct {
	id    *ua.NodeID
	typ   Type
	value ua.DataValue
}

// Declare adds a node, such as "ns=1;s=panel.1.status", with the zero value of its type. A node that
// stands already gets the new type and the zero value.
func (s *Server) Declare(id string, t Type) error {
	nid, err := ua.ParseNodeID(id)
	if err != nil {
		return fmt.Errorf("declare node %q: %w", id, err)
	}
	zero, err := convert(t, nil)
	if err != nil {
		return fmt.Errorf("declare node %q: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := nid.String()
	if s.nodes[key] == nil {
		s.order = append(s.order, key)
	}
	s.nodes[key] = &node{id: nid, typ: t, value: dataValue(zero, ua.StatusOK, time.Now())}
	s.notify(key)
	return nil
}

// Set gives a declared node a value and its source time, and tells the subscribers. Go numbers of any kind
// are converted to the node's type; one that does not fit is an error.
func (s *Server) Set(id string, value any, source time.Time) error {
	return s.update(id, func(n *node) error {
		v, err := convert(n.typ, value)
		if err != nil {
			return err
		}
		n.value = dataValue(v, ua.StatusOK, source)
		return nil
	})
}

// SetStatus gives a declared node a status code, keeps its value, and tells the subscribers.
func (s *Server) SetStatus(id string, status uint32, source time.Time) error {
	return s.update(id, func(n *node) error {
		n.value = dataValue(n.value.Value, ua.StatusCode(status), source)
		return nil
	})
}

// SetVariant gives a declared node any value at all, whatever its type, and tells the subscribers.
func (s *Server) SetVariant(id string, v *ua.Variant, source time.Time) error {
	return s.update(id, func(n *node) error {
		n.value = dataValue(v, ua.StatusOK, source)
		return nil
	})
}

// Remove takes a node away; its subscribers are told Bad_NodeIdUnknown. It may be declared again.
func (s *Server) Remove(id string) {
	nid, err := ua.ParseNodeID(id)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := nid.String()
	if s.nodes[key] == nil {
		return
	}
	delete(s.nodes, key)
	for i, k := range s.order {
		if k == key {
			s.order = append(s.order[:i], s.order[i+1:]...)
			break
		}
	}
	s.notify(key)
}

func (s *Server) update(id string, change func(*node) error) error {
	nid, err := ua.ParseNodeID(id)
	if err != nil {
		return fmt.Errorf("set node %q: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := nid.String()
	n := s.nodes[key]
	if n == nil {
		return fmt.Errorf("set node %q: it was never declared", id)
	}
	if err := change(n); err != nil {
		return fmt.Errorf("set node %q: %w", id, err)
	}
	s.notify(key)
	return nil
}

// read returns the value of a node, or one that says it is unknown; s.mu is held.
func (s *Server) read(key string) ua.DataValue {
	if n := s.nodes[key]; n != nil {
		v := n.value
		v.ServerTimestamp = time.Now()
		v.EncodingMask |= ua.DataValueServerTimestamp
		return v
	}
	return dataValue(nil, ua.StatusBadNodeIDUnknown, time.Time{})
}

func dataValue(v *ua.Variant, status ua.StatusCode, source time.Time) ua.DataValue {
	d := ua.DataValue{Value: v, Status: status, SourceTimestamp: source}
	d.UpdateMask()
	return d
}

func convert(t Type, value any) (*ua.Variant, error) {
	zero, ok := map[Type]any{
		Boolean: false, SByte: int8(0), Byte: byte(0), Int16: int16(0), UInt16: uint16(0), Int32: int32(0), UInt32: uint32(0),
		Int64: int64(0), UInt64: uint64(0), Float: float32(0), Double: float64(0), String: "",
	}[t]
	if !ok {
		return nil, fmt.Errorf("type %d is none that this server has", t)
	}
	to := reflect.New(reflect.TypeOf(zero)).Elem()
	if value == nil {
		return ua.NewVariant(to.Interface())
	}
	from := reflect.ValueOf(value)
	if !fits(from, to) {
		return nil, fmt.Errorf("%v (%T) does not fit into %T", value, value, zero)
	}
	to.Set(from.Convert(to.Type()))
	return ua.NewVariant(to.Interface())
}

// fits reports whether from can become a value of to's type without loss, except for the precision of floats.
func fits(from, to reflect.Value) bool {
	switch {
	case to.Kind() == reflect.Bool || to.Kind() == reflect.String:
		return from.Kind() == to.Kind()
	case to.CanFloat():
		return from.CanInt() || from.CanUint() || from.CanFloat()
	case from.CanInt():
		return to.CanInt() && !to.OverflowInt(from.Int()) || to.CanUint() && from.Int() >= 0 && !to.OverflowUint(uint64(from.Int()))
	case from.CanUint():
		return to.CanUint() && !to.OverflowUint(from.Uint()) ||
			to.CanInt() && from.Uint() <= math.MaxInt64 && !to.OverflowInt(int64(from.Uint()))
	}
	return false
}
