package settings

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

const (
	// maxKeyBytes is the longest key. The parser keeps a path for each value; long keys would make it quadratic.
	maxKeyBytes = 128
	// maxAnchors is how many anchors a file may set; the parser recurses through anchors of anchors.
	maxAnchors = 1000
)

// checkTokens refuses what would make the parser recurse or copy without bound, and the parts of YAML that are not read.
func (d *document) checkTokens(tokens token.Tokens, l Limits) error {
	var depth nesting
	anchors := 0
	if len(tokens) > 4*l.Values {
		return d.whole("it holds more than %d values", l.Values)
	}
	for _, t := range tokens {
		switch t.Type {
		case token.TagType:
			return d.atToken(t, "tag "+quote(t.Value), "tags are not read; remove it")
		case token.DirectiveType:
			return d.atToken(t, "a directive", "directives are not read; remove it")
		case token.MappingKeyType:
			return d.atToken(t, "an explicit key", `write "key: value"`)
		case token.AnchorType:
			if anchors++; anchors > maxAnchors {
				return d.atToken(t, fmt.Sprintf("more than %d anchors", maxAnchors), "")
			}
		case token.MappingValueType:
			if t.Prev != nil && len(t.Prev.Value) > maxKeyBytes {
				return d.atToken(t.Prev, fmt.Sprintf("a key of %d bytes", len(t.Prev.Value)), fmt.Sprintf("at most %d are allowed", maxKeyBytes))
			}
		}
		if depth.add(t) > l.Depth {
			return d.atToken(t, fmt.Sprintf("nested deeper than %d levels", l.Depth), "")
		}
	}
	return nil
}

// nesting follows how deep tokens nest: flow brackets plus the columns at which open block collections began.
type nesting struct {
	flow    int
	columns []int
}

func (n *nesting) add(t *token.Token) int {
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.flow++
	case token.MappingEndType, token.SequenceEndType:
		n.flow = max(n.flow-1, 0)
	case token.SequenceEntryType:
		n.block(t)
	case token.MappingValueType:
		if t.Prev != nil {
			n.block(t.Prev)
		}
	}
	return n.flow + len(n.columns)
}

func (n *nesting) block(t *token.Token) {
	if n.flow > 0 || t.Position == nil {
		return
	}
	column := t.Position.Column
	for len(n.columns) > 0 && n.columns[len(n.columns)-1] >= column {
		n.columns = n.columns[:len(n.columns)-1]
	}
	n.columns = append(n.columns, column)
}
