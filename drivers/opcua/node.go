package opcua

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/sync/point"
)

// maxNodeText is how many bytes a node id may have as text, as the specification limits its identifier.
const maxNodeText = 4096

// node is a parsed node id whose namespace may still be a URI.
type node struct {
	ns   uint16
	uri  string // when it is set, ns is looked up in the server's namespace array
	kind byte   // i, s, g or b
	num  uint32
	text string // of s, and the canonical form of g
	raw  []byte // of b
}

// parseNode reads a node id in the form of OPC 10000-6 section 5.3.1.10: ns=2;s=Panel.1, nsu=urn:plc;i=7, g=…, b=….
func parseNode(s string) (node, error) {
	if len(s) > maxNodeText {
		return node{}, fmt.Errorf("it has %d characters, at most %d are allowed", len(s), maxNodeText)
	}
	var n node
	rest := s
	if v, ok := strings.CutPrefix(rest, "nsu="); ok {
		uri, after, found := strings.Cut(v, ";")
		if !found || uri == "" {
			return node{}, errors.New("nsu= wants a namespace URI and ';'")
		}
		n.uri, rest = strings.NewReplacer("%3B", ";", "%3b", ";", "%25", "%").Replace(uri), after
	} else if v, ok := strings.CutPrefix(rest, "ns="); ok {
		num, after, found := strings.Cut(v, ";")
		ns, err := strconv.ParseUint(num, 10, 16)
		if !found || err != nil {
			return node{}, errors.New("ns= wants a number from 0 to 65535 and ';'")
		}
		n.ns, rest = uint16(ns), after
	}
	if len(rest) < 2 || rest[1] != '=' {
		return node{}, errors.New("an identifier is missing: i=number, s=text, g=GUID or b=base64")
	}
	n.kind = rest[0]
	return n, n.identify(rest[2:])
}

// identify reads the identifier of n.kind.
func (n *node) identify(id string) error {
	if id == "" {
		return errors.New("its identifier is empty")
	}
	switch n.kind {
	case 'i':
		num, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is no number from 0 to 4294967295", id)
		}
		n.num = uint32(num)
	case 's':
		n.text = id
	case 'g':
		if b, err := hex.DecodeString(strings.ReplaceAll(id, "-", "")); err != nil || len(b) != 16 || len(id) != 36 {
			return fmt.Errorf("%q is no GUID; write 01234567-89ab-cdef-0123-456789abcdef", id)
		}
		n.text = strings.ToLower(id)
	case 'b':
		b, err := base64.StdEncoding.DecodeString(id)
		if err != nil {
			return fmt.Errorf("%q is not base64", id)
		}
		n.raw = b
	default:
		return fmt.Errorf("%q is no kind of identifier; use i, s, g or b", n.kind)
	}
	return nil
}

// resolve returns n as gopcua has it; namespaces are the server's, by index.
func (n *node) resolve(namespaces []string) (*ua.NodeID, error) {
	ns := n.ns
	if n.uri != "" {
		found := false
		for i, uri := range namespaces {
			if uri == n.uri {
				ns, found = uint16(i), true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("the server has no namespace %q, only %q", n.uri, namespaces)
		}
	}
	switch n.kind {
	case 'i':
		return ua.NewNumericNodeID(ns, n.num), nil
	case 'g':
		return ua.NewGUIDNodeID(ns, n.text), nil
	case 'b':
		return ua.NewByteStringNodeID(ns, n.raw), nil
	}
	return ua.NewStringNodeID(ns, n.text), nil
}

// expand replaces the placeholders of a template: {n} and {n:03} by the number n, {1} to {8} by the ids of
// the point's name, {{ and }} by braces.
func expand(template string, n int64, name point.Name) (string, error) {
	if !strings.ContainsAny(template, "{}") {
		return template, nil
	}
	ids := strings.Split(string(name), "/")
	var b strings.Builder
	for i := 0; i < len(template); {
		c := template[i]
		switch {
		case c != '{' && c != '}':
			b.WriteByte(c)
			i++
		case i+1 < len(template) && template[i+1] == c:
			b.WriteByte(c)
			i += 2
		case c == '}':
			return "", errors.New("'}' stands alone; write }} for a brace")
		default:
			end := strings.IndexByte(template[i:], '}')
			if end < 0 {
				return "", errors.New("'{' is never closed; write {{ for a brace")
			}
			s, err := placeholder(template[i+1:i+end], n, ids)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
			i += end + 1
		}
	}
	return b.String(), nil
}

func placeholder(p string, n int64, ids []string) (string, error) {
	if p == "n" {
		return strconv.FormatInt(n, 10), nil
	}
	if width, ok := strings.CutPrefix(p, "n:0"); ok {
		w, err := strconv.ParseUint(width, 10, 8)
		if err != nil || w > 20 {
			return "", fmt.Errorf("{%s}: a width from 1 to 20 is wanted, as in {n:03}", p)
		}
		return fmt.Sprintf("%0*d", w, n), nil
	}
	k, err := strconv.Atoi(p)
	if err != nil || k < 1 || k > point.MaxNameIDs {
		return "", fmt.Errorf("{%s} is unknown; use {n}, {n:03}, or {1} to {%d} for the ids of the point's name", p, point.MaxNameIDs)
	}
	if k > len(ids) {
		return "", fmt.Errorf("{%d}: the point's name %q joins %d ids only", k, strings.Join(ids, "/"), len(ids))
	}
	return ids[k-1], nil
}
