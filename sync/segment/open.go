package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/courtside-edge/courtside/sync/interval"
)

// rootName is where the store proper lives below the caller's directory, so that a store of a later
// version can be set aside whole by one rename.
const rootName = "store"

// Open opens the store in dir, or creates one, and holds its lock until Close. What a crash, a
// power cut or a failing disk left is repaired or set aside, and Recovery tells of it; Open refuses only
// what it could not do without pretending: ErrLocked (naming the process), ErrFull, an option out
// of range, or what the operating system will not do, such as writing to a read-only file system.
func Open(dir string, o Options) (_ *Store, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening the store in %s: %w", dir, err)
		}
	}()
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, rootName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, root: root, opts: o, lock: lock, state: newState(), ring: ring{limit: o.CacheBytes}}
	s.moved = sync.NewCond(&s.mu)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	s.keeper = startKeeper(s, o.manual)
	s.keeper.kick()
	return s, nil
}

// abandon gives back what a failed open took.
func (s *Store) abandon() error {
	errs := []error{s.reader.close()}
	for _, g := range s.segments {
		if g.db != nil {
			errs = append(errs, g.db.close())
		}
	}
	if s.water != nil {
		errs = append(errs, s.water.close())
	}
	return errors.Join(append(errs, unlock(s.lock))...)
}

// open brings the store to where it can be appended to.
func (s *Store) open() error {
	if err := s.openRoot(); err != nil {
		return err
	}
	if err := errors.Join(clearDoomed(s.root), finishReplacing(s.root)); err != nil {
		return err
	}
	found, err := listSegments(s.root)
	if err != nil {
		return err
	}
	if err := s.identify(found); err != nil {
		return err
	}
	var mark uint64
	if s.water, mark, err = openWatermark(s.root); err != nil {
		return err
	}
	if err := s.recover(found, mark); err != nil {
		return err
	}
	if err := s.roomToOpen(s.opts.SegmentBytes); err != nil {
		return err
	}
	g, err := s.openNext()
	if err != nil {
		return err
	}
	if err := s.begin(g); err != nil {
		return errors.Join(err, g.db.close())
	}
	if err := s.syncRound(); err != nil {
		return err
	}
	// What a crash left is gone before the first append: a start that is followed by a stop leaves nothing behind.
	if err := s.sweep(); err != nil {
		return err
	}
	s.guard()
	return nil
}

// openRoot makes the root directory, after setting aside one of a later version.
func (s *Store) openRoot() error {
	_, err := readIdentity(s.root)
	if errors.Is(err, errLater) {
		to := filepath.Join(s.dir, fmt.Sprintf("%s%d-%s", asidePrefix, s.opts.Now().Unix(), rootName))
		for exists(to) {
			to += "-again"
		}
		if err := os.Rename(s.root, to); err != nil {
			return fmt.Errorf("setting a store of a later version aside: %w", err)
		}
		s.note(SetAside{Path: to, Reason: err.Error()})
	}
	if err := os.Mkdir(s.root, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(syncDir(s.dir), syncDir(filepath.Dir(s.dir)))
}

func (s *Store) note(a SetAside) {
	s.recovery.SetAside = append(s.recovery.SetAside, a)
	s.opts.Log.Warn("something in the store could not be used and was set aside", "path", a.Path, "reason", a.Reason)
}

// identify reads the store's identity, or draws one for a new store. One that was lost is taken
// from the newest segment that still tells it.
func (s *Store) identify(found []*found) error {
	id, err := readIdentity(s.root)
	switch {
	case err == nil:
	case len(found) == 0:
		s.recovery.Created = errors.Is(err, fs.ErrNotExist)
		id = newIdentity()
		err = id.write(s.root)
	default:
		s.opts.Log.Warn("the store's identity is lost and taken from its segments", "dir", s.dir, "err", err)
		id = identityFrom(found)
		err = id.write(s.root)
	}
	s.id, s.mark = id, id.mark()
	s.state.incarnation = id.Incarnation
	return err
}

// identityFrom finds the identity that the newest readable snapshot holds; without one it draws a new one.
func identityFrom(segments []*found) identity {
	id := newIdentity()
	stop := errors.New("found")
	for i := len(segments) - 1; i >= 0; i-- {
		_, _, err := scanRaw(segments[i].dir, nil, func(f frame) error {
			section, err := f.state()
			st := newState()
			if err != nil || !f.snapshot() || st.apply(section, true) != nil || st.incarnation == "" {
				return nil
			}
			m := f.mark()
			id.Incarnation, id.Mark = st.incarnation, fmt.Sprintf("%x", m[:])
			return stop
		})
		if errors.Is(err, stop) {
			break
		}
	}
	return id
}

// listSegments returns the segments below root, by id.
func listSegments(root string) ([]*found, error) {
	entries, err := os.ReadDir(root) // sorted by name, which is by id
	if err != nil {
		return nil, err
	}
	var all []*found
	for _, e := range entries {
		id, ok := parseSegmentName(e.Name())
		if !ok || !e.IsDir() {
			continue
		}
		f := &found{id: id, dir: filepath.Join(root, e.Name())}
		if x, err := readIndex(f.dir, id); err == nil {
			f.index = &x
		}
		all = append(all, f)
	}
	return all, nil
}

func parseSegmentName(name string) (uint64, bool) {
	hex, ok := strings.CutPrefix(name, "seg-")
	id, err := strconv.ParseUint(hex, 16, 64)
	return id, ok && err == nil && name == segmentName(id)
}

// lose notes offsets that had been synced and cannot be read any more.
func (s *Store) lose(from, to uint64) {
	for i := range s.state.released.Missing(interval.Interval{From: from, To: to}) {
		s.recovery.Lost = append(s.recovery.Lost, i)
		s.opts.Log.Error("records that had been synced are lost", "dir", s.dir, "from", i.From, "to", i.To)
	}
}
