package slot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// maxTextBytes bounds each text that is read about the machine: os-release and the kernel's command line are some hundred bytes.
const maxTextBytes = 64 << 10

// Name is the name of a slot: "A" or "B"; empty for none.
type Name string

// The slots of an image.
const (
	A Name = "A"
	B Name = "B"
)

// Other returns the other slot, none for none.
func (n Name) Other() Name {
	switch n {
	case A:
		return B
	case B:
		return A
	}
	return ""
}

// parseName returns the slot that s names; anything else is none.
func parseName(s string) Name {
	if n := Name(s); n == A || n == B {
		return n
	}
	return ""
}

// Release is what the running image is.
type Release struct {
	Image   string  // IMAGE_ID, such as courtside-raspberrypi4: the compatible of its updates
	Version Version // IMAGE_VERSION
}

// ParseRelease reads an os-release file. What it lacks stays empty; a version that is none of an image's is none.
func ParseRelease(r io.Reader) (Release, error) {
	var out Release
	lines := bufio.NewScanner(io.LimitReader(r, maxTextBytes))
	lines.Buffer(nil, maxTextBytes)
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if !ok {
			continue
		}
		switch value = unquote(value); key {
		case "IMAGE_ID":
			out.Image = value
		case "IMAGE_VERSION":
			out.Version, _ = ParseVersion(value)
		}
	}
	if err := lines.Err(); err != nil {
		return Release{}, fmt.Errorf("reading os-release: %w", err)
	}
	return out, nil
}

// unquote undoes the quotes that a shell takes away in os-release.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	quote, s := s[0], s[1:len(s)-1]
	if quote == '\'' || !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Boot says from which slot the machine was booted, and which slot was confirmed last.
type Boot struct {
	Slot Name // none when this is not an image, or was booted by hand
	Good Name // none when no slot was ever confirmed
}

// Trial reports whether the running slot is not confirmed while another one is: it may still be rolled back.
func (b Boot) Trial() bool { return b.Slot != "" && b.Good != "" && b.Slot != b.Good }

// ParseCmdline reads the kernel's command line: rauc.slot and courtside.good. Of a word that is said twice the last counts.
func ParseCmdline(r io.Reader) (Boot, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxTextBytes))
	if err != nil {
		return Boot{}, fmt.Errorf("reading the kernel's command line: %w", err)
	}
	var out Boot
	quoted := false
	words := strings.FieldsFunc(string(raw), func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	})
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch value = strings.Trim(value, `"`); key {
		case "rauc.slot":
			out.Slot = parseName(value)
		case "courtside.good":
			out.Good = parseName(value)
		}
	}
	return out, nil
}

// ConfirmedFile is where a confirmation during this boot is noted, because the kernel's command line is of its beginning. Its content is
// the slot's name.
const ConfirmedFile = "/run/courtside/confirmed"

// Machine is the image and the boot that a program runs on.
type Machine struct {
	Release
	Boot
}

// IsImage reports whether this machine runs an image of Courtside with slots.
func (m Machine) IsImage() bool { return m.Slot != "" && m.Image != "" }

// Read reads what the machine is from its file system's root. What is missing stays empty: a gateway runs on other systems too.
func Read(root fs.FS) (Machine, error) {
	var m Machine
	var errs []error
	read := func(paths []string, parse func(io.Reader) error) {
		for _, p := range paths {
			f, err := root.Open(p)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = errors.Join(parse(f), f.Close())
			}
			errs = append(errs, err)
			return
		}
	}
	read([]string{"etc/os-release", "usr/lib/os-release"}, func(r io.Reader) (err error) { m.Release, err = ParseRelease(r); return err })
	read([]string{"proc/cmdline"}, func(r io.Reader) (err error) { m.Boot, err = ParseCmdline(r); return err })
	read([]string{strings.TrimPrefix(ConfirmedFile, "/")}, func(r io.Reader) error {
		raw, err := io.ReadAll(io.LimitReader(r, 16))
		if n := parseName(strings.TrimSpace(string(raw))); n != "" && n == m.Slot {
			m.Good = n
		}
		return err
	})
	return m, errors.Join(errs...)
}
