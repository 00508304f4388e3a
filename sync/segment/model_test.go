package segment

import (
	"fmt"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/interval"
)

// machine drives a store and its model by random steps.
type machine struct {
	t     *rapid.T
	base  string
	dirs  int
	dir   string
	store *Store
	model *slow
}

func (m *machine) open() {
	o := small()
	o.CacheBytes = rapid.SampledFrom([]int64{-1, 4 << 10, 1 << 20}).Draw(m.t, "cache")
	s, err := Open(m.dir, o)
	if err != nil {
		m.t.Fatal(err)
	}
	m.store = s
}

func (m *machine) tx() Tx {
	tx := Tx{Set: map[string][]byte{}}
	for i := range rapid.IntRange(0, 4).Draw(m.t, "records") {
		size := rapid.SampledFrom([]int{0, 1, 100, 3000, 7000}).Draw(m.t, "size")
		tx.Records = append(tx.Records, body(uint64(len(m.model.records)+i), size))
	}
	for range rapid.IntRange(0, 2).Draw(m.t, "keys") {
		var v []byte
		if rapid.Bool().Draw(m.t, "set") {
			v = fmt.Append([]byte{}, len(m.model.records))
		}
		tx.Set[rapid.SampledFrom([]string{"a", "b", "cursor/1", "cursor/2"}).Draw(m.t, "key")] = v
	}
	return tx
}

func (m *machine) append(*rapid.T) {
	for range rapid.IntRange(1, 12).Draw(m.t, "transactions") {
		tx := m.tx()
		first, err := m.store.Append(tx)
		if err != nil || first != uint64(len(m.model.records)) {
			m.t.Fatalf("Append = %d, %v, want %d", first, err, len(m.model.records))
		}
		m.model.append(tx)
	}
}

func (m *machine) sync(*rapid.T) {
	if next, err := m.store.Sync(); err != nil || next != uint64(len(m.model.records)) {
		m.t.Fatalf("Sync = %d, %v, want %d", next, err, len(m.model.records))
	}
}

func (m *machine) release(*rapid.T) {
	n := len(m.model.records)
	from := rapid.IntRange(0, n).Draw(m.t, "from")
	to := rapid.IntRange(from, n).Draw(m.t, "to")
	if rapid.Bool().Draw(m.t, "everything before") {
		from = 0
	}
	if err := m.store.Release(uint64(from), uint64(to)); err != nil {
		m.t.Fatal(err)
	}
	m.model.released.Add(interval.Interval{From: uint64(from), To: uint64(to)})
}

func (m *machine) get(*rapid.T) {
	for range 5 {
		if err := m.model.checkOne(m.store, uint64(rapid.IntRange(0, len(m.model.records)+1).Draw(m.t, "offset"))); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) reopen(*rapid.T) {
	if err := m.store.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.open()
	if r := m.store.Recovery(); !r.Clean || r.Created || len(r.Lost) > 0 || r.StateLost || len(r.Repaired) > 0 {
		m.t.Fatalf("after a clean close, Recovery() = %+v", r)
	}
}

// crash goes on with a copy of the files as they are: what a killed process leaves. Releases may be
// forgotten; nothing else may.
func (m *machine) crash(*rapid.T) {
	m.store.keeper.stop()
	m.dirs++
	dir := filepath.Join(m.base, fmt.Sprint(m.dirs))
	if err := faulttest.Copy(dir, m.dir); err != nil {
		m.t.Fatal(err)
	}
	if err := m.store.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.dir = dir
	m.open()
	if r := m.store.Recovery(); r.Clean || len(r.Lost) > 0 || r.StateLost || r.Torn != (interval.Interval{}) || len(r.SetAside) > 0 {
		m.t.Fatalf("after a kill, Recovery() = %+v", r)
	}
	m.store.mu.RLock()
	remembered := m.store.state.released.Clone()
	m.store.mu.RUnlock()
	for i := range remembered.All() {
		if !m.model.released.Covers(i) {
			m.t.Fatalf("records %d to %d were never released", i.From, i.To)
		}
	}
	m.model.released = remembered
}

func TestAStoreIsAListASetAndAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{t: rt, base: t.TempDir(), model: newSlow()}
		m.dir = filepath.Join(m.base, "0")
		m.open()
		defer func() {
			if err := m.store.Close(); err != nil {
				rt.Errorf("closing: %v", err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.append, "append more": m.append, "sync": m.sync, "release": m.release, "get": m.get,
			"reopen": m.reopen, "crash": m.crash,
			"": func(*rapid.T) {
				if err := m.model.check(m.store); err != nil {
					rt.Fatal(err)
				}
			},
		})
	})
}
