//go:build image

package imagetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// machine is a virtual machine with an image's disk. Its power may be cut and come back; the disk stays.
type machine struct {
	t        *testing.T
	board    string
	disk     string
	firmware string
	forward  []int // guest ports, reached at ports of this machine
	ports    map[int]int
	log      *os.File // everything that the console said, over all boots

	cmd     *exec.Cmd
	ended   chan struct{}
	console net.Conn

	mu      sync.Mutex
	said    bytes.Buffer // since the power came on
	more    chan struct{}
	started time.Time
	mark    int // a position that a test remembers
}

// newMachine copies the image's disk and makes it as large as a small card, so that the first boot has something to grow into.
func newMachine(t *testing.T, i *built) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, board: i.board, disk: filepath.Join(dir, "disk.img"), firmware: i.firmware, more: make(chan struct{}, 1), ports: map[int]int{}}
	tool(t, "cp", "--sparse=always", i.disk, m.disk)
	if err := os.Truncate(m.disk, 2<<30); err != nil {
		t.Fatal(err)
	}
	logs := filepath.Join(*logDir, strings.ReplaceAll(t.Name(), "/", "-"))
	var err error
	if m.log, err = os.Create(logs + ".console"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.cut(); m.log.Close() })
	return m
}

// on switches the machine on.
func (m *machine) on() {
	m.t.Helper()
	if m.cmd != nil {
		m.t.Fatal("the machine is on already")
	}
	socket := filepath.Join(filepath.Dir(m.disk), "console")
	network := "user,id=n0"
	for _, guest := range m.forward {
		m.ports[guest] = freePort(m.t)
		network += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", m.ports[guest], guest)
	}
	args := []string{"-display", "none", "-m", "512", "-smp", "2", "-bios", m.firmware, "-drive", "file=" + m.disk + ",format=raw,if=none,id=d0,cache=none,aio=threads", "-netdev", network,
		"-chardev", "socket,id=s0,path=" + socket + ",server=on,wait=on", "-serial", "chardev:s0"}
	program := "qemu-system-aarch64"
	if m.board == "qemu-armv7" {
		program = "qemu-system-arm"
		args = append(args, "-M", "virt,highmem=off", "-cpu", "cortex-a15", "-device", "virtio-blk-device,drive=d0", "-device", "virtio-net-device,netdev=n0", "-device", "virtio-rng-device")
	} else {
		args = append(args, "-M", "virt", "-cpu", "cortex-a57", "-device", "virtio-blk-pci,drive=d0", "-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci",
			"-device", "i6300esb", "-action", "watchdog=reset")
	}
	m.cmd = exec.Command(program, args...)
	var stderr bytes.Buffer
	m.cmd.Stderr = &stderr
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.started = time.Now()
	ended := make(chan struct{})
	m.ended = ended
	go func() { _ = m.cmd.Wait(); close(ended) }()
	deadline := time.Now().Add(time.Minute)
	for {
		var err error
		if m.console, err = net.Dial("unix", socket); err == nil {
			break
		}
		select {
		case <-ended:
			m.t.Fatalf("%s ended: %s", program, stderr.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s does not open its console within a minute: %v", program, err)
		}
	}
	m.mu.Lock()
	m.said.Reset()
	m.mu.Unlock()
	go m.listen(m.console)
}

func (m *machine) listen(c net.Conn) {
	block := make([]byte, 4096)
	for {
		n, err := c.Read(block)
		if n > 0 {
			m.mu.Lock()
			m.said.Write(block[:n])
			_, _ = m.log.Write(block[:n])
			m.mu.Unlock()
			select {
			case m.more <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// cut takes the power away.
func (m *machine) cut() {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Kill()
	<-m.ended
	m.console.Close()
	m.cmd = nil
}

// text is what the console said since from, without what moves a cursor or colours.
func (m *machine) text(from int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return clean(m.said.Bytes()[min(from, m.said.Len()):])
}

var escape = regexp.MustCompile(`\x1b(\[[0-9;?!]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)?|[()][A-Z0-9]|[a-zA-Z0-9])`)

func clean(b []byte) string {
	return strings.ReplaceAll(string(escape.ReplaceAll(b, nil)), "\r", "")
}

func (m *machine) position() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.said.Len()
}

// patience is how long what takes a while may take on a busy machine.
const patience = 10 * time.Minute

// wait waits until the console has said something since from, and returns what fitted.
func (m *machine) wait(what string, from int, pattern string) []string {
	m.t.Helper()
	return m.waitLong(what, from, pattern, patience)
}

// waitLong is wait with a limit of its own.
func (m *machine) waitLong(what string, from int, pattern string, limit time.Duration) []string {
	m.t.Helper()
	re := regexp.MustCompile(pattern)
	begin := time.Now()
	timeout := time.After(limit)
	for {
		if found := re.FindStringSubmatch(m.text(from)); found != nil {
			m.t.Logf("%-60s %5.1f s (%.1f s after power)", what, time.Since(begin).Seconds(), time.Since(m.started).Seconds())
			return found
		}
		select {
		case <-m.more:
		case <-time.After(time.Second):
		case <-m.ended:
			m.t.Fatalf("waiting for %s: the machine ended; its console said last:\n%s", what, tail(m.text(0), 40))
		case <-timeout:
			m.t.Fatalf("waiting for %s (%s): nothing after %v; the console said last:\n%s", what, pattern, limit, tail(m.text(from), 60))
		}
	}
}

const prompt = "gwctl> "

// ask types a command at the console's prompt and returns what it says until the next prompt. A prompt that a state line broke is asked for anew.
func (m *machine) ask(command string) string {
	m.t.Helper()
	from := m.position()
	if _, err := m.console.Write([]byte(command + "\r")); err != nil {
		m.t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for {
		text := m.text(from)
		if _, after, ok := strings.Cut(text, command+"\n"); ok {
			if answer, _, ok := strings.Cut(after, prompt); ok {
				return answer
			}
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: no answer after %v; the console said last:\n%s", command, patience, tail(text, 40))
		}
		select {
		case <-m.more:
		case <-time.After(time.Second):
		}
	}
}

// until asks again and again until the answer fits.
func (m *machine) until(what, command, pattern string) string {
	m.t.Helper()
	re := regexp.MustCompile(pattern)
	begin := time.Now()
	for {
		answer := m.ask(command)
		if re.MatchString(answer) {
			m.t.Logf("%-60s %5.1f s (%.1f s after power)", what, time.Since(begin).Seconds(), time.Since(m.started).Seconds())
			return answer
		}
		if time.Since(begin) > patience {
			m.t.Fatalf("waiting for %s: %s does not answer %s after %v, but:\n%s", what, command, pattern, patience, answer)
		}
		time.Sleep(2 * time.Second)
	}
}

// prompted waits for the console of a boot.
func (m *machine) prompted(from int) {
	m.t.Helper()
	m.wait("the console's prompt", from, `gwctl> `)
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// tool runs a program of the host.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
