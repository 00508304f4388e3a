package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc; USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// usage is what a process has used and holds.
type usage struct {
	at      time.Time
	cpu     time.Duration
	rss     int64 // VmRSS, bytes
	peak    int64 // VmHWM, bytes
	written int64 // bytes given to write calls, sockets included; 0 when the kernel does not say
}

// usageOf reads /proc.
func usageOf(pid int) (usage, error) {
	u := usage{at: time.Now()}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	raw, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, err
	}
	if u.cpu, err = parseStat(string(raw)); err != nil {
		return u, fmt.Errorf("process %d: %w", pid, err)
	}
	if raw, err = os.ReadFile(filepath.Join(dir, "status")); err != nil {
		return u, err
	}
	u.rss, u.peak = field(string(raw), "VmRSS:")<<10, field(string(raw), "VmHWM:")<<10
	if raw, err = os.ReadFile(filepath.Join(dir, "io")); err == nil {
		u.written = field(string(raw), "wchar:")
	}
	return u, nil
}

// parseStat returns user and system time from /proc/PID/stat. The second field is the program's name, which may hold anything.
func parseStat(stat string) (time.Duration, error) {
	end := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[end+1:])
	const user, system = 11, 12 // fields 14 and 15 of the file, counted from the one after the name
	if end < 0 || len(fields) <= system {
		return 0, fmt.Errorf("stat %q has too few fields", stat)
	}
	total := int64(0)
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stat %q: %w", stat, err)
		}
		total += n
	}
	return time.Duration(total) * tick, nil
}

// field returns the number after a name that begins a line, 0 when it is not there.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				n, err := strconv.ParseInt(f[0], 10, 64)
				if err == nil {
					return n
				}
			}
		}
	}
	return 0
}

// busy returns the CPU time that the whole machine has spent on anything.
func busy() time.Duration {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	total := int64(0)
	for i, f := range strings.Fields(first) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, waiting for disks, guests (counted as user already)
			continue
		}
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		total += n
	}
	return time.Duration(total) * tick
}

// ownCPU returns the CPU time of this process, and of its children that have ended.
func ownCPU() time.Duration {
	total := time.Duration(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

// diskBytes returns how many bytes of disk the files below dir take up.
func diskBytes(dir string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			total += int64(st.Blocks) * 512
		}
		return nil
	})
	return total, err
}

// machine is where the figures come from.
type machine struct {
	Time    time.Time `json:"time"`
	CPU     string    `json:"cpu"`
	Cores   int       `json:"cores"`
	Go      string    `json:"go"`
	Kernel  string    `json:"kernel"`
	Load    string    `json:"load_before"`
	Seconds float64   `json:"seconds_each"`
}

func thisMachine(seconds float64) machine {
	m := machine{Time: time.Now().UTC(), Cores: runtime.NumCPU(), Go: runtime.Version(), Seconds: seconds}
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(v)
				break
			}
		}
	}
	for path, into := range map[string]*string{"/proc/sys/kernel/osrelease": &m.Kernel, "/proc/loadavg": &m.Load} {
		if raw, err := os.ReadFile(path); err == nil {
			*into = strings.TrimSpace(string(raw))
		}
	}
	return m
}
