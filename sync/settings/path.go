package settings

import (
	"fmt"
	"os"
	"path/filepath"
)

// Path is a path in the file system. One that is relative starts from the folder of the configuration file.
type Path string

// File is a Path that must name a readable file when the configuration is read.
type File string

// resolve returns p as seen from the folder of the configuration.
func (d *document) resolve(p string) string {
	switch {
	case p != "" && d.find != nil:
		return d.find(p)
	case p == "" || filepath.IsAbs(p):
		return p
	}
	return filepath.Join(d.dir, p)
}

// Path returns where a path leads that stands in the section's file, or would stand there.
func (s *Section) Path(path string) string {
	if s.doc == nil {
		return path
	}
	return s.doc.resolve(path)
}

// readable returns why path is not a file that can be read, or nil.
func readable(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return nil
}
