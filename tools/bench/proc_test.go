package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStatIsReadBehindTheName(t *testing.T) {
	const rest = " S 1 2 3 0 -1 4194304 100 0 0 0 250 75 9 9 20 0 5 0 12345 1000 200"
	for _, name := range []string{"(gateway)", "(a ) b (c))", "()"} {
		if got, err := parseStat("42 " + name + rest); err != nil || got != 3250*time.Millisecond {
			t.Errorf("%s: %v, %v; want 3.25 s", name, got, err)
		}
	}
	for _, bad := range []string{"", "42 name S 1", "42 (x) S 1 2 3", "42 (x) S 1 2 3 0 -1 4194304 100 0 0 0 many 75 0"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if n := field("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:"); n != 1234 {
		t.Errorf("VmRSS is %d", n)
	}
	if n := field("VmRSS: many kB\n", "VmRSS:"); n != 0 {
		t.Errorf("a VmRSS that is no number is %d", n)
	}
}

func TestThisProcessHasUsage(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	u, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if u.rss < 1<<20 || u.peak < u.rss/2 {
		t.Errorf("%+v", u)
	}
	if busy() < ownCPU()/2 {
		t.Errorf("the machine was busy for %v, this process alone for %v", busy(), ownCPU())
	}
	if _, err := usageOf(1 << 30); err == nil {
		t.Error("a process that cannot be has a usage")
	}
}

func TestDiskBytesCountBlocks(t *testing.T) {
	dir := t.TempDir()
	before, err := diskBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := sparse.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	if err := sparse.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := diskBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	if grown := after - before; grown < 1<<20 || grown > 64<<20 {
		t.Errorf("1 MiB of data and 1 GiB of hole take %d bytes", grown)
	}
	if _, err := diskBytes(filepath.Join(dir, "absent")); err == nil {
		t.Error("an absent folder has a size")
	}
}

func TestLinesComeWhole(t *testing.T) {
	var got []string
	l := &lines{take: func(line []byte) { got = append(got, string(line)) }}
	for _, part := range []string{"one\ntw", "o", "\n\nfour\nrest"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if s := strings.Join(got, "|"); s != "one|two||four" {
		t.Errorf("lines %q", s)
	}
}

func TestAProgramThatEndsIsNoticed(t *testing.T) {
	dir := t.TempDir()
	if _, err := start(dir, "absent", nil, filepath.Join(dir, "absent")); err == nil {
		t.Error("an absent program was started")
	}
	p, err := start(dir, "short", nil, "/bin/sh", "-c", "echo why it ended >&2; exit 3")
	if err != nil {
		t.Skip(err)
	}
	<-p.done
	if err := p.ended(); err == nil || !strings.Contains(err.Error(), "why it ended") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("ended: %v", err)
	}
	if _, err := p.usage(); err == nil {
		t.Error("it has a usage after its end")
	}
	p.stop()
}
