package segment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	newPrefix   = "new-"   // a segment that is being written anew
	asidePrefix = "aside-" // what could not be read in full, kept for a person
	// maxAside is how many segments are kept aside: the newest. Without a bound they would fill the disk.
	maxAside = 4
)

// mend writes a closed segment anew from the frames that its files still hold. The caller holds reading.
func (s *Store) mend(g *segment) error {
	seen := map[uint32]frameRef{}
	_, _, err := scanRaw(g.dir, &s.mark, func(f frame) error {
		if f.segment() == g.id && f.end() <= g.next {
			seen[f.index()] = f.ref()
		}
		return nil
	})
	if err != nil {
		return err
	}
	whole := len(seen) == g.frames
	x, err := s.rewrite(g.id, g.index(), seen)
	if err != nil {
		return err
	}
	if err := s.replace(g.id, whole); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.frames, g.bytes, g.recordBytes, g.indexed = int(x.frames), x.bytes, x.recordBytes, true
	return nil
}

// rewrite writes the frames of segment id that keep lists, by number, to a new directory beside it,
// with an index that claims the offsets of claim. The frames stay as they are, checksums and all.
func (s *Store) rewrite(id uint64, claim index, keep map[uint32]frameRef) (index, error) {
	dir := filepath.Join(s.root, newPrefix+segmentName(id))
	if err := os.RemoveAll(dir); err != nil {
		return index{}, err
	}
	size := max(s.opts.SegmentBytes, claim.bytes)
	if err := s.roomToOpen(size); err != nil {
		return index{}, err
	}
	d, err := createDB(dir, size, s.opts.Log)
	if err != nil {
		return index{}, err
	}
	x := index{segment: id, first: claim.first, next: claim.next}
	done := map[uint32]bool{}
	_, _, err = scanRaw(s.segmentDir(id), &s.mark, func(f frame) error {
		if f.segment() != id || keep[f.index()] != f.ref() || done[f.index()] {
			return nil
		}
		done[f.index()] = true
		x.frames++
		x.bytes += int64(len(f))
		x.recordBytes += f.recordBytes()
		return d.put(f.ref(), slices.Clone(f))
	})
	if err == nil {
		err = d.sync()
	}
	if err = errors.Join(err, d.close()); err == nil {
		err = writeIndex(dir, x)
	}
	if err != nil {
		return index{}, fmt.Errorf("writing segment %d anew: %w", id, err)
	}
	return x, nil
}

// replace puts what rewrite wrote in the segment's place. What was there is deleted when the new one holds
// all of it, else set aside.
func (s *Store) replace(id uint64, whole bool) error {
	name := segmentName(id)
	var err error
	if whole {
		err = doom(s.root, name)
	} else {
		_, err = s.setAside(name)
	}
	if err == nil {
		err = os.Rename(filepath.Join(s.root, newPrefix+name), filepath.Join(s.root, name))
	}
	if err == nil {
		err = syncDir(s.root)
	}
	if err != nil {
		return fmt.Errorf("replacing segment %d: %w", id, err)
	}
	return clearDoomed(s.root)
}

// setAside renames something below root so that the store takes no notice of it any more, and
// returns its new path. The oldest ones beyond maxAside are deleted.
func (s *Store) setAside(name string) (string, error) {
	to := filepath.Join(s.root, fmt.Sprintf("%s%d-%s", asidePrefix, s.opts.Now().Unix(), strings.TrimPrefix(name, newPrefix)))
	for exists(to) {
		to += "-again"
	}
	if err := os.Rename(filepath.Join(s.root, name), to); err != nil {
		return "", fmt.Errorf("setting %s aside: %w", name, err)
	}
	aside, err := filepath.Glob(filepath.Join(s.root, asidePrefix+"*"))
	if err != nil {
		return to, err
	}
	slices.Sort(aside)
	for len(aside) > maxAside {
		s.opts.Log.Warn("the oldest segment set aside is deleted to bound their number", "path", aside[0])
		if err := os.RemoveAll(aside[0]); err != nil {
			return to, err
		}
		aside = aside[1:]
	}
	return to, syncDir(s.root)
}

// finishReplacing completes what a crash left between the two renames of replace, and deletes what
// was not complete.
func finishReplacing(root string) error {
	begun, err := filepath.Glob(filepath.Join(root, newPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range begun {
		name := strings.TrimPrefix(filepath.Base(path), newPrefix)
		id, ok := parseSegmentName(name)
		target := filepath.Join(root, name)
		if _, err := readIndex(path, id); ok && err == nil && !exists(target) {
			if err := os.Rename(path, target); err != nil {
				return err
			}
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return syncDir(root)
}
