package settings

// kind is what a value is in the file.
type kind uint8

const (
	null kind = iota
	scalar
	sequence
	mapping
)

// String returns the kind as faults write it.
func (k kind) String() string {
	return [...]string{null: "nothing", scalar: "a single value", sequence: "a list", mapping: "a mapping"}[k]
}

// node is one value of the file. Aliases share the node of their anchor, so the nodes form a graph without cycles.
type node struct {
	kind    kind
	refused bool // already a fault; whoever meets it stays silent
	quoted  bool // a scalar in quotes or a block text: always a text
	word    word // what a plain scalar is in YAML's own view
	line    int32
	column  int32
	size    int    // values below and including this one, aliases expanded
	depth   int    // levels of mappings and lists, aliases expanded
	text    string // of a scalar
	entries []entry
	items   []*node
}

// word is the type that YAML gives to a plain scalar.
type word uint8

const (
	plainText word = iota
	plainBool
	plainNumber
)

// entry is one key of a mapping.
type entry struct {
	key          string
	line, column int32
	value        *node
}

// find returns the entry of key, or nil.
func (n *node) find(key string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}
