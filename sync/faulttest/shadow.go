package faulttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// pageBytes is the unit in which a file's contents reach the disk.
const pageBytes = 4096

// Shadow holds a directory tree as a disk is sure to hold it. The zero value holds nothing.
//
// It is coarser than a disk in one way, and stricter in none: Capture takes everything that the tree
// holds at that moment as synced, so call it right after each fsync with nothing written between.
type Shadow struct{ tree tree }

// tree maps a path below the directory to a file; nil for a directory.
type tree map[string]*file

// file is a file's pages by number; those of zeros only are left out.
type file struct {
	size  int64
	pages map[int64][]byte
}

// Capture takes what dir holds now as synced.
func (s *Shadow) Capture(dir string) error {
	t, err := readTree(dir)
	if err != nil {
		return fmt.Errorf("capturing %s: %w", dir, err)
	}
	s.tree = t
	return nil
}

// Image writes to dir what a disk may hold if the power went now: what was captured last, and of
// each later change to live a part: any pages of a file, its new size or its old one, new files,
// removed ones and renamed ones in either place or both. r decides.
func (s *Shadow) Image(dir, live string, r *rand.Rand) error {
	now, err := readTree(live)
	if err != nil {
		return fmt.Errorf("reading %s: %w", live, err)
	}
	if err := mix(s.tree, now, r).write(dir); err != nil {
		return fmt.Errorf("writing the image of a power cut: %w", err)
	}
	return nil
}

// Copy writes to dir what live holds now: what is found after a process, not the machine, ended.
func Copy(dir, live string) error {
	t, err := readTree(live)
	if err != nil {
		return fmt.Errorf("copying %s: %w", live, err)
	}
	if err := t.write(dir); err != nil {
		return fmt.Errorf("copying %s: %w", live, err)
	}
	return nil
}

func readTree(dir string) (tree, error) {
	t := tree{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			t[rel] = nil
			return nil
		}
		if !e.Type().IsRegular() {
			return nil // a socket is gone with its process
		}
		f, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		t[rel] = f
		return err
	})
	return t, err
}

func readFile(path string) (*file, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	f := &file{pages: map[int64][]byte{}}
	buf := make([]byte, 256<<10)
	zeros := make([]byte, pageBytes)
	for {
		n, err := io.ReadFull(src, buf)
		for at := 0; at < n; at += pageBytes {
			page := buf[at:min(at+pageBytes, n)]
			if !bytes.Equal(page, zeros[:len(page)]) {
				f.pages[(f.size+int64(at))/pageBytes] = bytes.Clone(page)
			}
		}
		f.size += int64(n)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return f, err
		}
	}
}

// mix returns old with a random part of what makes it now.
func mix(old, now tree, r *rand.Rand) tree {
	paths := maps.Clone(now)
	maps.Copy(paths, old)
	out := tree{".": nil}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if _, ok := out[filepath.Dir(path)]; !ok {
			continue // its directory did not make it
		}
		before, had := old[path]
		after, has := now[path]
		switch {
		case had && has && before != nil && after != nil:
			out[path] = mixFile(before, after, r)
		case had && has:
			out[path] = after
		case r.IntN(2) == 0:
			// Neither created nor removed for certain: in one of two cases it is not there.
		case had:
			out[path] = before
		case after == nil:
			out[path] = nil
		default:
			out[path] = mixFile(&file{}, after, r)
		}
	}
	return out
}

func mixFile(old, now *file, r *rand.Rand) *file {
	f := &file{size: old.size, pages: map[int64][]byte{}}
	if r.IntN(2) == 0 {
		f.size = now.size
	}
	numbers := maps.Clone(old.pages)
	if numbers == nil {
		numbers = map[int64][]byte{}
	}
	maps.Copy(numbers, now.pages)
	share := r.IntN(5) // of four: from nothing to everything
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		page := old.pages[n]
		if r.IntN(4) < share {
			page = now.pages[n]
		}
		if page != nil && n*pageBytes < f.size {
			f.pages[n] = page[:min(int64(len(page)), f.size-n*pageBytes)]
		}
	}
	return f
}

func (t tree) write(dir string) error {
	for _, path := range slices.Sorted(maps.Keys(t)) {
		to := filepath.Join(dir, path)
		if t[path] == nil {
			if err := os.MkdirAll(to, 0o700); err != nil {
				return err
			}
			continue
		}
		if err := t[path].write(to); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) write(path string) (err error) {
	dst, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	for n, page := range f.pages {
		if _, err := dst.WriteAt(page, n*pageBytes); err != nil {
			return err
		}
	}
	return dst.Truncate(f.size)
}
