package settings

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// reader turns the parser's tree into nodes.
type reader struct {
	doc     *document
	limits  Limits
	anchors map[string]*node // complete ones only, so that no alias can name what holds it
	faults  Faults
	// unbounded says that a limit was passed: what was read must not be decoded.
	unbounded bool
}

// read returns the node of n, never nil. What cannot be read becomes a fault and a null.
func (r *reader) read(n ast.Node, depth int) *node {
	out := &node{size: 1}
	if n == nil {
		return out
	}
	out.line, out.column = place(n.GetToken())
	if depth > 2*r.limits.Depth { // anchors count as a level here
		r.unbounded = true
		r.faults.Add(r.doc.fault(out, fmt.Sprintf("nested deeper than %d levels", r.limits.Depth), ""))
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		r.mapping(out, n.Values, n.IsFlowStyle, depth)
	case *ast.MappingValueNode:
		r.mapping(out, []*ast.MappingValueNode{n}, false, depth)
	case *ast.SequenceNode:
		out.kind = sequence
		for _, v := range n.Values {
			out.items = append(out.items, r.grow(out, r.read(v, depth+1)))
		}
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		out = r.read(n.Value, depth+1)
		r.anchors[name] = out
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if known, ok := r.anchors[name]; ok {
			return known
		}
		out.refused = true
		r.faults.Add(r.doc.fault(out, "no anchor &"+name+" stands before this alias", "set it, or write the value itself"))
	default:
		r.scalar(out, n)
	}
	return out
}

// grow adds the size of child to parent, and refuses what aliases blow up.
func (r *reader) grow(parent, child *node) *node {
	parent.size += child.size
	parent.depth = max(parent.depth, child.depth+1)
	what := ""
	switch l := r.limits; {
	case parent.size > l.Values:
		parent.size = l.Values // saturates: sizes stay small enough to be added
		what = fmt.Sprintf("more than %d values", l.Values)
	case parent.depth > l.Depth:
		what = fmt.Sprintf("nested deeper than %d levels", l.Depth)
	}
	if what != "" && !r.unbounded {
		r.unbounded = true
		r.faults.Add(r.doc.fault(parent, what+" once aliases are expanded", ""))
	}
	return child
}

func (r *reader) scalar(out *node, n ast.Node) {
	out.kind = scalar
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = null
	case *ast.StringNode:
		out.text = n.Value
		t := n.Token.Type
		out.quoted = t == token.SingleQuoteType || t == token.DoubleQuoteType
	case *ast.LiteralNode:
		out.text, out.quoted = n.Value.Value, true
	case *ast.BoolNode:
		out.text, out.word = n.Token.Value, plainBool
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.text, out.word = n.GetToken().Value, plainNumber
	default:
		out.kind, out.refused = null, true
		r.faults.Add(r.doc.fault(out, "a "+n.Type().String()+" is not read here", "write a plain value"))
	}
}

func (r *reader) mapping(out *node, values []*ast.MappingValueNode, flow bool, depth int) {
	out.kind = mapping
	if !flow && len(values) > 0 {
		out.line, out.column = place(values[0].Key.GetToken())
	}
	seen := make(map[string]int, len(values))
	var merged []*node
	for _, v := range values {
		e := entry{}
		e.line, e.column = place(v.Key.GetToken())
		value := r.grow(out, r.read(v.Value, depth+1))
		if v.Key.IsMergeKey() {
			merged = append(merged, value)
			continue
		}
		var ok bool
		if e.key, ok = keyText(v.Key); !ok {
			r.faults.Add(r.doc.at(int(e.line), int(e.column), "a key that is not a plain text", "write a plain key"))
			continue
		}
		if first, twice := seen[e.key]; twice {
			r.faults.Add(r.doc.at(int(e.line), int(e.column), fmt.Sprintf("key %s stands twice, first at line %d", quote(e.key), out.entries[first].line), "remove one"))
			continue
		}
		seen[e.key] = len(out.entries)
		e.value = value
		out.entries = append(out.entries, e)
	}
	for _, m := range merged {
		r.merge(out, m, seen)
	}
}

// merge adds the keys of from, or of each mapping that it lists, which out does not have.
func (r *reader) merge(out, from *node, seen map[string]int) {
	switch from.kind {
	case mapping:
		for _, e := range from.entries {
			if _, have := seen[e.key]; !have {
				seen[e.key] = len(out.entries)
				out.entries = append(out.entries, e)
			}
		}
	case sequence:
		for _, m := range from.items {
			if m.kind != mapping {
				r.faults.Add(r.doc.fault(m, "<< merges "+m.kind.String(), "a mapping is wanted"))
				continue
			}
			r.merge(out, m, seen)
		}
	default:
		r.faults.Add(r.doc.fault(from, "<< merges "+from.kind.String(), "a mapping is wanted"))
	}
}

// keyText returns the text of a key: a plain or quoted scalar.
func keyText(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	}
	return "", false
}

func place(t *token.Token) (line, column int32) {
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return int32(t.Position.Line), int32(t.Position.Column)
}
