package image

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suite is Debian's release that images stand on.
const suite = "trixie"

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// archive is Debian's archive as apt sees it, for another architecture and beside the host's own settings. apt checks its signatures.
type archive struct {
	b       *Build
	dir     string
	sources string // lines for sources.list
	state   string // names the state of the index
	date    time.Time
}

// index opens the archive and fetches its index.
func (b *Build) index(ctx context.Context) error {
	a := &archive{b: b, dir: filepath.Join(b.Cache, "apt-"+b.Board.Arch)}
	for _, d := range []string{"etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(a.dir, "state", "status"), nil, 0o644); err != nil {
		return err
	}
	b.archive = a
	first := a.update(ctx, suite)
	if first == nil {
		return a.name()
	}
	// A mirror in the middle of a sync, or a cache before it, may hold an index that its own signed list does not name. The archive has a
	// second name for the release; the same release is what has to stand behind it.
	if err := a.update(ctx, "stable"); err != nil {
		return fmt.Errorf("%w\nunder its other name, stable: %w", first, err)
	}
	if err := a.sameRelease(); err != nil {
		return fmt.Errorf("%w\nunder its other name, stable: %w", first, err)
	}
	return a.name()
}

func (a *archive) update(ctx context.Context, release string) error {
	if err := os.RemoveAll(filepath.Join(a.dir, "state", "lists")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(a.dir, "state", "lists", "partial"), 0o755); err != nil {
		return err
	}
	options := "[signed-by=" + keyring
	if a.b.StaleArchive {
		options += " check-valid-until=no"
	}
	options += "]"
	m := a.b.Mirror
	a.sources = fmt.Sprintf("deb %[1]s %[2]s/debian %[3]s main non-free-firmware\ndeb %[1]s %[2]s/debian %[3]s-updates main non-free-firmware\ndeb %[1]s %[2]s/debian-security %[3]s-security main non-free-firmware\n",
		options, m, release)
	if err := os.WriteFile(filepath.Join(a.dir, "etc", "sources.list"), []byte(a.sources), 0o644); err != nil {
		return err
	}
	_, err := a.apt(ctx, "apt-get", "-q", "--error-on=any", "update")
	return err
}

// apt runs one of apt's programs on the private state.
func (a *archive) apt(ctx context.Context, program string, args ...string) (string, error) {
	d := a.dir
	o := []string{"APT::Architecture=" + a.b.Board.Arch, "APT::Architectures=" + a.b.Board.Arch, "Dir::Etc=" + d + "/etc", "Dir::Etc::sourcelist=" + d + "/etc/sources.list",
		"Dir::Etc::sourceparts=/dev/null", "Dir::Etc::main=/dev/null", "Dir::State=" + d + "/state", "Dir::State::status=" + d + "/state/status", "Dir::Cache=" + d + "/cache",
		"Acquire::Languages=none", "Acquire::Retries=3", "APT::Sandbox::User=root"}
	var all []string
	for _, s := range o {
		all = append(all, "-o", s)
	}
	return a.b.in(ctx, filepath.Join(d, "cache", "archives"), program, append(all, args...)...)
}

// sameRelease refuses an index of another release than suite.
func (a *archive) sameRelease() error {
	lists, err := a.lists()
	if err != nil {
		return err
	}
	for _, f := range lists {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "\nCodename: "+suite) {
			return fmt.Errorf("%s is not of Debian %s", filepath.Base(f), suite)
		}
	}
	return nil
}

// name sets the archive's state: a hash of its signed lists, which name everything in it, and the newest date of theirs.
func (a *archive) name() error {
	lists, err := a.lists()
	if err != nil {
		return err
	}
	h := sha256.New()
	for _, f := range lists {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		h.Write(text)
		for line := range strings.Lines(string(text)) {
			if at, ok := strings.CutPrefix(line, "Date: "); ok {
				if d, err := time.Parse(time.RFC1123, strings.TrimSpace(at)); err == nil && d.After(a.date) {
					a.date = d
				}
			}
		}
	}
	a.state = fmt.Sprintf("%x", h.Sum(nil))[:16]
	return nil
}

func (a *archive) lists() ([]string, error) {
	lists, err := filepath.Glob(filepath.Join(a.dir, "state", "lists", "*InRelease"))
	if err == nil && len(lists) != 3 {
		err = fmt.Errorf("apt holds %d signed lists of the archive, not 3", len(lists))
	}
	slices.Sort(lists)
	return lists, err
}

// depends returns what a package depends on, by the first name of each.
func (a *archive) depends(ctx context.Context, name string) ([]string, error) {
	out, err := a.apt(ctx, "apt-cache", "depends", "--important", name)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(out) {
		if _, p, ok := strings.Cut(line, "Depends: "); ok {
			all = append(all, strings.TrimSpace(p))
		}
	}
	return all, nil
}

// unpack returns a folder with the files of a package, fetched and unpacked once a version.
func (a *archive) unpack(ctx context.Context, name string) (string, error) {
	uris, err := a.apt(ctx, "apt-get", "-q", "download", "--print-uris", name)
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(uris, "' ") // 'uri' file size hash
	file, _, ok := strings.Cut(rest, " ")
	if !ok {
		return "", fmt.Errorf("apt does not say where %s is: %s", name, uris)
	}
	dir := filepath.Join(a.b.Cache, "packages", strings.TrimSuffix(file, ".deb"))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if _, err := a.apt(ctx, "apt-get", "-q", "download", name); err != nil {
		return "", err
	}
	deb := filepath.Join(a.dir, "cache", "archives", file)
	if err := os.RemoveAll(dir + ".part"); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir+".part", 0o755); err != nil {
		return "", err
	}
	if _, err := a.b.command(ctx, "dpkg-deb", "-x", deb, dir+".part"); err != nil {
		return "", err
	}
	if err := os.Remove(deb); err != nil {
		return "", err
	}
	return dir, os.Rename(dir+".part", dir)
}
