package settings

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Digest returns a hash of what the section says: its keys in order and their values, not their places and comments. Two sections with one
// digest mean the same; sections that mean the same may differ in it, by the order of keys for example. What files that it
// names hold is not part of it.
func (s *Section) Digest() [32]byte {
	h := sha256.New()
	s.node.digest(h)
	return [32]byte(h.Sum(nil))
}

func (n *node) digest(h hash.Hash) {
	write := func(text string) {
		var size [8]byte
		binary.LittleEndian.PutUint64(size[:], uint64(len(text)))
		h.Write(size[:])
		h.Write([]byte(text))
	}
	if n == nil {
		h.Write([]byte{255, 0, 0})
		return
	}
	quoted := byte(0)
	if n.quoted {
		quoted = 1
	}
	h.Write([]byte{byte(n.kind), quoted, byte(n.word)})
	write(n.text)
	for i := range n.entries {
		write(n.entries[i].key)
		n.entries[i].value.digest(h)
	}
	h.Write([]byte{254})
	for _, item := range n.items {
		item.digest(h)
	}
	h.Write([]byte{253})
}
