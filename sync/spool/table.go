package spool

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/courtside-edge/courtside/sync/point"
)

const tablePrefix = "table/"

// table is a point table that batches name, or the one in use.
type table struct {
	hash  point.TableHash
	parts [][]byte
	refs  int     // held batches that name it
	acked bool    // durable in the cloud
	in    [2]bool // in that lane's store
}

// Table is a point table's encoded parts.
type Table struct {
	Hash  point.TableHash
	Parts [][]byte
}

// UseTable makes a table the one in use. It stays until another is in use, no held batch names it and the cloud has
// acknowledged it. It is stored with the first batch that is stored and names it. The one before stays as well, until the next
// change: batches that were open when it went out of use may still come.
func (s *Spool) UseTable(hash point.TableHash, parts [][]byte) {
	t := s.name(hash)
	t.parts = parts
	if s.current != t {
		s.former = s.current
	}
	s.current = t
}

// Table returns a table that batches may still name.
func (s *Spool) Table(hash point.TableHash) (Table, bool) {
	t := s.tables[hash]
	if t == nil || len(t.parts) == 0 {
		return Table{}, false
	}
	return Table{t.hash, t.parts}, true
}

// Tables returns every table that is here, the one in use first.
func (s *Spool) Tables() []Table {
	var all []Table
	for _, t := range s.tables {
		if len(t.parts) > 0 {
			all = append(all, Table{t.hash, t.parts})
		}
	}
	sort.Slice(all, func(i, k int) bool {
		if ci, ck := all[i].Hash == s.currentHash(), all[k].Hash == s.currentHash(); ci != ck {
			return ci
		}
		return all[i].Hash.String() < all[k].Hash.String()
	})
	return all
}

func (s *Spool) currentHash() (h point.TableHash) {
	if s.current != nil {
		h = s.current.hash
	}
	return h
}

// name returns the table of that hash, and a bare one when only its name is known.
func (s *Spool) name(hash point.TableHash) *table {
	t := s.tables[hash]
	if t == nil {
		t = &table{hash: hash}
		s.tables[hash] = t
	}
	return t
}

// ackTables marks tables as durable in the cloud.
func (s *Spool) ackTables(hashes []point.TableHash) {
	for _, h := range hashes {
		if t := s.tables[h]; t != nil {
			t.acked = true
		}
	}
}

// sweepTables lets go of the tables that nobody needs and returns them. A bare name goes with its last batch.
func (s *Spool) sweepTables() (gone []Table) {
	for h, t := range s.tables {
		if t.refs > 0 || t == s.current || t == s.former || !t.acked && len(t.parts) > 0 {
			continue
		}
		for at, in := range t.in {
			for p := range t.parts {
				if in {
					s.lanes[at].put(tableKey(h, p), nil)
				}
			}
		}
		delete(s.tables, h)
		if len(t.parts) > 0 {
			gone = append(gone, Table{h, t.parts})
		}
	}
	return gone
}

func tableKey(h point.TableHash, part int) string {
	return tablePrefix + h.String() + "/" + strconv.Itoa(part)
}

// loadTables reads the tables that a lane's store keeps.
func (s *Spool) loadTables(l *lane) (faults int) {
	for key, b := range l.store.States(tablePrefix) {
		h, part, err := parseTableKey(key)
		if err != nil {
			faults++
			continue
		}
		t := s.name(h)
		for len(t.parts) <= part {
			t.parts = append(t.parts, nil)
		}
		t.parts[part] = append([]byte(nil), b...)
		t.in[laneAt(l.lane)] = true
	}
	for _, t := range s.tables { // a table with a hole is no table
		for _, p := range t.parts {
			if p == nil {
				t.parts, t.in = nil, [2]bool{}
				faults++
				break
			}
		}
	}
	return faults
}

func parseTableKey(key string) (h point.TableHash, part int, err error) {
	hash, num, ok := strings.Cut(key[len(tablePrefix):], "/")
	if !ok {
		return h, 0, fmt.Errorf("state %q names no part", key)
	}
	if h, err = point.ParseTableHash(hash); err != nil {
		return h, 0, fmt.Errorf("state %q: %w", key, err)
	}
	part, err = strconv.Atoi(num)
	if err != nil || part < 0 || part >= maxParts {
		return h, 0, fmt.Errorf("state %q: %q is not a part's number", key, num)
	}
	return h, part, nil
}

// maxParts bounds the parts of a stored table, so that a damaged key cannot ask for memory.
const maxParts = 1024
