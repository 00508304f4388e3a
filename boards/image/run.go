package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// command runs a program and returns its standard output. Its failure shows the command and its last lines.
func (b *Build) command(ctx context.Context, name string, args ...string) (string, error) {
	return b.run(ctx, nil, "", name, args...)
}

// in is command in a folder.
func (b *Build) in(ctx context.Context, dir, name string, args ...string) (string, error) {
	return b.run(ctx, nil, dir, name, args...)
}

func (b *Build) run(ctx context.Context, stdin io.Reader, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin = dir, stdin
	cmd.Env = append(os.Environ(), b.environment()...)
	var out bytes.Buffer
	var both transcript
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, &both), &both
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, last(both.String(), 15))
	}
	return out.String(), nil
}

// transcript takes what a program says on both of its outputs, which two goroutines read.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string { return t.text.String() }

// environment makes what is built depend on nothing of the builder's.
func (b *Build) environment() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "SOURCE_DATE_EPOCH=" + strconv.FormatInt(b.Epoch.Unix(), 10), "E2FSPROGS_FAKE_TIME=" + strconv.FormatInt(b.Epoch.Unix(), 10),
		"DEBIAN_FRONTEND=noninteractive", "PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin"}
}

// last returns the last n lines of s, indented.
func last(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return "    " + strings.Join(lines, "\n    ")
}

// words returns the lines of a list, without comments and blank ones.
func words(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
	return all, nil
}

// replace writes text to path so that the file is whole or not there.
func replace(path string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	next := path + ".part"
	if err := os.WriteFile(next, text, mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// values returns a map's values in the order of its keys.
func values(m map[string]string) []string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[k])
	}
	return all
}
