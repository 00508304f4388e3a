package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/courtside-edge/courtside/sync/interval"
)

// The operations of a state section: one byte, then uvarint-counted fields.
const (
	opSet         = 1 // key, value
	opDelete      = 2 // key
	opRelease     = 3 // from, how many
	opIncarnation = 4 // the store's incarnation; in snapshots, in case the identity file is lost
)

// keyOverhead is what a key of the small state is charged beside its bytes.
const keyOverhead = 16

var errState = errors.New("the small state is malformed")

// state is everything a store knows beside its records. It is not safe for concurrent use.
type state struct {
	values      map[string][]byte
	bytes       int // charged against the limit
	released    interval.Set
	incarnation string
}

func newState() *state { return &state{values: map[string][]byte{}} }

// set stores v under k; nil deletes.
func (s *state) set(k string, v []byte) {
	s.bytes += s.delta(k, v)
	if v == nil {
		delete(s.values, k)
		return
	}
	s.values[k] = v
}

// delta returns by how many bytes set(k, v) would change the charge.
func (s *state) delta(k string, v []byte) int {
	d := 0
	if old, ok := s.values[k]; ok {
		d -= len(k) + len(old) + keyOverhead
	}
	if v != nil {
		d += len(k) + len(v) + keyOverhead
	}
	return d
}

func appendBytes(b []byte, op byte, fields ...[]byte) []byte {
	b = append(b, op)
	for _, f := range fields {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return b
}

func appendSet(b []byte, k string, v []byte) []byte {
	if v == nil {
		return appendBytes(b, opDelete, []byte(k))
	}
	return appendBytes(b, opSet, []byte(k), v)
}

func appendReleases(b []byte, released iter.Seq[interval.Interval]) []byte {
	for i := range released {
		b = append(b, opRelease)
		b = binary.AppendUvarint(b, i.From)
		b = binary.AppendUvarint(b, i.Len())
	}
	return b
}

// snapshot encodes the whole state. Releases beyond limit bytes are left out except those that
// needed accepts: a release that is forgotten only offers its records again.
func (s *state) snapshot(limit int, needed func(interval.Interval) bool) []byte {
	b := appendBytes(nil, opIncarnation, []byte(s.incarnation))
	for _, k := range slices.Sorted(maps.Keys(s.values)) {
		b = appendSet(b, k, s.values[k])
	}
	all := appendReleases(nil, s.released.All())
	if len(all) <= limit {
		return append(b, all...)
	}
	return appendReleases(b, func(yield func(interval.Interval) bool) {
		for i := range s.released.All() {
			if needed(i) && !yield(i) {
				return
			}
		}
	})
}

// apply carries out a state section, all of it or, when it is malformed, nothing. It copies what it keeps.
func (s *state) apply(section []byte, snapshot bool) error {
	var steps []func(*state)
	for len(section) > 0 {
		step, rest, err := parseOp(section)
		if err != nil {
			return err
		}
		steps, section = append(steps, step), rest
	}
	if snapshot {
		*s = *newState()
	}
	for _, step := range steps {
		step(s)
	}
	return nil
}

func parseOp(b []byte) (step func(*state), rest []byte, err error) {
	op, b := b[0], b[1:]
	switch op {
	case opSet:
		var k, v []byte
		if k, b, err = cutBytes(b); err == nil {
			v, b, err = cutBytes(b)
		}
		key, value := string(k), append([]byte{}, v...)
		return func(s *state) { s.set(key, value) }, b, err
	case opDelete:
		var k []byte
		k, b, err = cutBytes(b)
		key := string(k)
		return func(s *state) { s.set(key, nil) }, b, err
	case opRelease:
		from, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, nil, fmt.Errorf("%w: a release without an offset", errState)
		}
		count, m := binary.Uvarint(b[n:])
		if m <= 0 || from+count < from {
			return nil, nil, fmt.Errorf("%w: a release without an end", errState)
		}
		return func(s *state) { s.released.Add(interval.Interval{From: from, To: from + count}) }, b[n+m:], nil
	case opIncarnation:
		var id []byte
		id, b, err = cutBytes(b)
		name := string(id)
		return func(s *state) { s.incarnation = name }, b, err
	}
	return nil, nil, fmt.Errorf("%w: operation %d is unknown", errState, op)
}

func cutBytes(b []byte) (field, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, fmt.Errorf("%w: a field of %d bytes is cut short", errState, size)
	}
	end := n + int(size)
	return b[n:end], b[end:], nil
}

// State returns the value of key in the small state. The bytes must not be modified.
func (s *Store) State(key string) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.state.values[key]
	return v, ok
}

// States yields the keys that begin with prefix, in order, with their values as they were when the
// iteration began. The bytes must not be modified.
func (s *Store) States(prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		s.mu.RLock()
		found := map[string][]byte{}
		for k, v := range s.state.values {
			if strings.HasPrefix(k, prefix) {
				found[k] = v
			}
		}
		s.mu.RUnlock()
		for _, k := range slices.Sorted(maps.Keys(found)) {
			if !yield(k, found[k]) {
				return
			}
		}
	}
}
