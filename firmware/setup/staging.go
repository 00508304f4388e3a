package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// stagingPrefix names the folder in /etc/courtside where files wait for their check. It is on the same file system, so that a rename moves them.
const stagingPrefix = ".staging-"

// companionMark stands before the paths of files that the configuration names, in the state: a slot's name never begins so.
const companionMark = "./"

// staging holds what is to be taken until all of it is found right.
type staging struct {
	etc, dir string
	folder   *folder
	taken    state
	ready    []entry
	named    []string // paths below etc that the configuration names
	escapes  []string // paths that it names and that lead elsewhere
	missing  []string // paths that it names and that are nowhere
	faults   []string
	read     bool // the configuration could be read, so that named is all that it names
}

// entry is one file that waits.
type entry struct {
	becomes string // its path below etc
	key     string // in the state
	as      string // its path in the folder
	hash    string
	secret  bool
	fresh   bool // it differs from what was taken last
}

// stage opens a new staging folder and lays the folder's known files into it; leftovers of an interrupted one are removed.
func stage(etc string, f *folder, taken state) (*staging, error) {
	old, err := filepath.Glob(filepath.Join(etc, stagingPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(etc, stagingPrefix)
	if err != nil {
		return nil, err
	}
	s := &staging{etc: etc, dir: dir, folder: f, taken: taken}
	for _, file := range f.files {
		if file.hash == "" {
			continue
		}
		text := file.text
		if file.name == tokenFile {
			text = append(bytes.TrimSpace(text), '\n')
		}
		e := entry{becomes: file.becomes, key: file.name, as: file.as, hash: file.hash, secret: file.secret}
		if err := s.add(e, text); err != nil {
			return s, fmt.Errorf("laying %s down: %w", file.as, err)
		}
	}
	return s, nil
}

func (s *staging) remove() error { return os.RemoveAll(s.dir) }

// add writes a file that waits. What did not change since it was taken is not written: the one in /etc/courtside may be newer.
func (s *staging) add(e entry, text []byte) error {
	e.fresh = s.taken.Files[e.key] != e.hash || !isFile(filepath.Join(s.etc, filepath.FromSlash(e.becomes)))
	s.ready = append(s.ready, e)
	if !e.fresh {
		return nil
	}
	path := filepath.Join(s.dir, filepath.FromSlash(e.becomes))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeSynced(path, text, 0o600)
}

// find returns where a path of the configuration leads now; see settings.ParseIn.
func (s *staging) find(written string) string {
	rel := filepath.ToSlash(filepath.Clean(written))
	if path.IsAbs(rel) {
		below, ok := strings.CutPrefix(rel, filepath.ToSlash(s.etc)+"/")
		if !ok {
			return written // the device's own, judged as it is
		}
		rel = below
	}
	if !filepath.IsLocal(filepath.FromSlash(rel)) {
		if !slices.Contains(s.escapes, written) {
			s.escapes = append(s.escapes, written)
		}
		return filepath.Join(s.dir, "outside of the folder")
	}
	if !slices.Contains(s.named, rel) {
		s.named = append(s.named, rel)
		s.collect(rel, written)
	}
	if staged := filepath.Join(s.dir, filepath.FromSlash(rel)); isFile(staged) {
		return staged
	}
	if before := filepath.Join(s.etc, filepath.FromSlash(rel)); isFile(before) {
		return before
	}
	return filepath.Join(s.dir, filepath.FromSlash(rel))
}

// collect lays a file that the configuration names beside the others.
func (s *staging) collect(rel, written string) {
	if slices.ContainsFunc(slots(), func(k slot) bool { return k.becomes == rel || k.name == rel }) {
		return // it is one of those already, or may come later
	}
	if slices.ContainsFunc(s.ready, func(e entry) bool { return e.key == companionMark+rel }) {
		return
	}
	if !s.lay(rel) && !isFile(filepath.Join(s.etc, filepath.FromSlash(rel))) {
		s.missing = append(s.missing, written)
	}
}

// recall lays down those files again that the configuration in use names, so that a changed one is found without reading it.
func (s *staging) recall() {
	for _, key := range slices.Sorted(maps.Keys(s.taken.Files)) {
		if rel, ok := strings.CutPrefix(key, companionMark); ok && filepath.IsLocal(filepath.FromSlash(rel)) {
			s.lay(rel)
		}
	}
}

// lay lays a file of the folder down and reports whether it is there.
func (s *staging) lay(rel string) bool {
	as := s.folder.locate(rel)
	if as == "" {
		return false
	}
	raw, err := s.folder.read(as, maxCompanionBytes)
	if err != nil {
		s.faults = append(s.faults, err.Error())
		return true
	}
	e := entry{becomes: rel, key: companionMark + rel, as: as, hash: hashOf(raw), secret: bytes.Contains(raw, []byte("PRIVATE KEY-----"))}
	if err := s.add(e, raw); err != nil {
		s.faults = append(s.faults, fmt.Sprintf("%s cannot be laid down: %v", as, err))
	}
	return true
}

// fresh reports whether anything differs from what was taken last.
func (s *staging) fresh() bool {
	return slices.ContainsFunc(s.ready, func(e entry) bool { return e.fresh })
}

// content returns a file as it would be once everything is taken, nil when there is none.
func (s *staging) content(becomes string) []byte {
	if filepath.IsAbs(becomes) { // the device's own
		raw, err := os.ReadFile(becomes)
		if err != nil {
			return nil
		}
		return raw
	}
	for _, dir := range []string{s.dir, s.etc} {
		if raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(becomes))); err == nil {
			return raw
		}
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Owner is the user who is to read what is taken.
type Owner struct{ UID, GID int }

// commit moves everything that is fresh to its place, the configuration last, and returns what was taken from now on. Owner nil leaves
// files with whoever runs this.
func (s *staging) commit(owner *Owner) (state, error) {
	order := slices.Clone(s.ready)
	slices.SortStableFunc(order, func(a, b entry) int { return rank(a) - rank(b) })
	next := state{Files: map[string]string{}}
	maps.Copy(next.Files, s.taken.Files)
	for _, e := range order {
		if !e.fresh {
			continue
		}
		if err := s.move(e, owner); err != nil {
			return s.taken, fmt.Errorf("%s: %w", e.becomes, err)
		}
		next.Files[e.key] = e.hash
	}
	if s.read {
		s.retire(next)
	}
	if s.isFresh(tokenFile) && s.folder.get(certFile) == nil { // files would count before the token
		for _, name := range []string{certFile, keyFile, bundleFile} {
			if err := os.Remove(filepath.Join(s.etc, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return s.taken, fmt.Errorf("%s, which the token replaces: %w", name, err)
			}
			delete(next.Files, name)
		}
	}
	return next, next.save(s.etc)
}

// rank orders what is moved: files that others refer to come first.
func rank(e entry) int {
	switch e.key {
	case configFile:
		return 2
	case certFile, keyFile, bundleFile, tokenFile, networkFile:
		return 1
	}
	return 0
}

func (s *staging) move(e entry, owner *Owner) error {
	from, to := filepath.Join(s.dir, filepath.FromSlash(e.becomes)), filepath.Join(s.etc, filepath.FromSlash(e.becomes))
	mode := os.FileMode(0o640)
	if e.secret {
		mode = 0o600
	}
	if err := os.Chmod(from, mode); err != nil {
		return err
	}
	if owner != nil {
		uid := 0
		if e.secret {
			uid = owner.UID
		}
		if err := os.Chown(from, uid, owner.GID); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// retire removes what an earlier configuration named and this one does not.
func (s *staging) retire(next state) {
	for key := range next.Files {
		rel, companion := strings.CutPrefix(key, companionMark)
		if !companion || slices.Contains(s.named, rel) || !filepath.IsLocal(filepath.FromSlash(rel)) {
			continue
		}
		_ = os.Remove(filepath.Join(s.etc, filepath.FromSlash(rel))) // what stays does no harm
		delete(next.Files, key)
	}
}
