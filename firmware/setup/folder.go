package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/courtside-edge/courtside/sync/settings"
)

// Names of what may lie in the folder.
const (
	configFile  = "courtside.yaml"
	networkFile = "network"
	certFile    = "svid.pem"
	keyFile     = "svid.key"
	bundleFile  = "bundle.pem"
	tokenFile   = "join-token"
)

// maxCompanionBytes is the longest file that a configuration names; a tag list is no longer either.
const maxCompanionBytes = 64 << 20

// maxEntries is how many files of the folder are looked at; a sensible one has ten.
const maxEntries = 1000

// slot is one kind of file of the folder.
type slot struct {
	name     string
	also     []string // other names that people give it
	becomes  string   // in /etc/courtside
	maxBytes int64
	secret   bool
}

func slots() []slot {
	return []slot{
		{name: configFile, also: []string{"courtside.yml"}, becomes: "gateway.yaml", maxBytes: 32 << 20},
		{name: networkFile, also: []string{"network.yaml", "network.yml"}, becomes: networkFile, maxBytes: 64 << 10},
		{name: bundleFile, becomes: bundleFile, maxBytes: 1 << 20},
		{name: certFile, becomes: certFile, maxBytes: 1 << 20},
		{name: keyFile, becomes: keyFile, maxBytes: 1 << 20, secret: true},
		{name: tokenFile, becomes: tokenFile, maxBytes: 4 << 10, secret: true},
	}
}

// found is one file of the folder that is known.
type found struct {
	slot
	as   string // its name in the folder
	hash string // of its bytes as they lie there
	text []byte // without a UTF-8 mark, with plain line ends
}

// folder is what lies in the folder.
type folder struct {
	root    *os.Root // nil when there is none
	files   []found
	strange []string // names that nothing is known of
	erased  []string // secrets that were written over, and not removed before the power went
	faults  []string
}

// openFolder reads the folder. One that is not there is empty; the caller closes it.
func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &folder{}, err
	}
	f := &folder{root: root}
	names, err := f.names(".")
	if err != nil {
		return f, fmt.Errorf("reading the folder: %w", err)
	}
	for _, name := range names {
		f.consider(name)
	}
	return f, nil
}

func (f *folder) close() {
	if f.root != nil {
		_ = f.root.Close() // it was read from
	}
}

// names lists the files and folders in dir, in order.
func (f *folder) names(dir string) ([]string, error) {
	d, err := f.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// consider takes the file called name when it is known.
func (f *folder) consider(name string) {
	plain := strings.ToLower(name)
	if foreign(plain) {
		return
	}
	for _, s := range slots() {
		if base := strings.TrimSuffix(plain, ".txt"); base != s.name && !slices.Contains(s.also, base) {
			continue
		}
		if i := slices.IndexFunc(f.files, func(o found) bool { return o.name == s.name }); i >= 0 {
			f.fault("%s and %s are both there; remove the one that is not meant", f.files[i].as, name)
			return
		}
		f.take(s, name)
		return
	}
	f.strange = append(f.strange, name)
}

// beside returns the names of files that lie beside the folder and belong into it: a slip that is easily made.
func beside(dir string) (names []string) {
	d, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return nil
	}
	defer d.Close()
	entries, _ := d.ReadDir(maxEntries) // what can be read is better than nothing
	for _, e := range entries {
		base := strings.TrimSuffix(strings.ToLower(e.Name()), ".txt")
		if e.Type().IsRegular() && slices.ContainsFunc(slots(), func(s slot) bool { return s.name == base || slices.Contains(s.also, base) }) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// foreign reports whether a file is one that systems leave wherever they write, or of the image: the report and the examples. macOS puts "._name" beside each file.
func foreign(name string) bool {
	switch name {
	case "report.txt", "report.tmp", "readme.txt", "system volume information", "desktop.ini", "thumbs.db", "found.000":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") || strings.HasSuffix(name, "~") ||
		strings.HasSuffix(name, ".example") || strings.HasPrefix(name, "fsck")
}

func (f *folder) take(s slot, name string) {
	raw, err := f.read(name, s.maxBytes)
	if err != nil {
		f.fault("%v", err)
		f.files = append(f.files, found{slot: s, as: name})
		return
	}
	if s.secret && len(bytes.Trim(raw, "\x00")) == 0 {
		f.erased = append(f.erased, name)
		return
	}
	text, err := plainText(raw)
	if err != nil {
		f.fault("%s: %v", name, err)
	}
	f.files = append(f.files, found{slot: s, as: name, hash: hashOf(raw), text: text})
}

// read returns the content of a file in the folder.
func (f *folder) read(name string, most int64) ([]byte, error) {
	info, err := f.root.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", name, cause(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", name)
	case info.Size() > most:
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read; is it the right file?", name, info.Size(), most)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, cause(err))
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w; copy it to the partition again", name, cause(err))
	}
	return raw, nil
}

func (f *folder) fault(format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

// get returns the file of a slot, nil when there is none that could be read.
func (f *folder) get(name string) *found {
	for i := range f.files {
		if f.files[i].name == name && f.files[i].hash != "" {
			return &f.files[i]
		}
	}
	return nil
}

// locate returns how a path is written in the folder, where upper and lower case are one; "" when it is not there.
func (f *folder) locate(rel string) string {
	if f.root == nil {
		return ""
	}
	at := "."
	for part := range strings.SplitSeq(rel, "/") {
		names, err := f.names(at)
		if err != nil {
			return ""
		}
		i := slices.Index(names, part)
		if i < 0 {
			i = slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, part) })
		}
		if i < 0 {
			return ""
		}
		at = path.Join(at, names[i])
	}
	if info, err := f.root.Stat(at); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return at
}

// hint says what a strange file may be meant to be.
func hint(name string) string {
	var known []string
	for _, s := range slots() {
		known = append(known, s.name)
	}
	if near := settings.Nearest(strings.TrimSuffix(strings.ToLower(name), ".txt"), known); near != "" {
		return "; is it meant to be " + near + "?"
	}
	return ""
}

// plainText returns raw without what editors add, or why it is no UTF-8 text.
func plainText(raw []byte) ([]byte, error) {
	if len(raw) > 0 && len(bytes.Trim(raw, "\x00")) == 0 {
		return nil, errors.New("it holds nothing but zeros: the medium was taken out before it was written; copy it again, and eject the medium")
	}
	if bytes.HasPrefix(raw, []byte{0xff, 0xfe}) || bytes.HasPrefix(raw, []byte{0xfe, 0xff}) || len(raw) > 1 && bytes.Count(raw, []byte{0}) >= len(raw)/3 {
		return nil, errors.New("it is saved as UTF-16, which Windows calls Unicode; save it again with the encoding UTF-8")
	}
	return bytes.ReplaceAll(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), []byte("\r\n"), []byte("\n")), nil
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// cause leaves out what the caller has said.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
