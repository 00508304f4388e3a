package gwctltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/firmware/diag"
)

const (
	commissioningDoc = "../../docs/commissioning.md"
	faultsBegin      = "<!-- faults: written by go test ./tools/gwctltest -run TestNineFaults -update -->\n"
	faultsEnd        = "<!-- end of faults -->"
)

// told is what the doctor said of one fault.
type told struct {
	fault   string
	finding diag.Finding
}

// TestNineFaults injects the faults that an integrator meets, one after the other; the doctor has to name the cause of each. What it says is
// the table of docs/commissioning.md.
func TestNineFaults(t *testing.T) {
	rows := &faultTable{}
	p := params(t)
	p.Files = []string{"testdata/faults.txtar"}
	p.Dir = ""
	p.Setup = func(e *testscript.Env) error {
		e.Values[tableKey{}] = rows
		return setup(e)
	}
	t.Run("inject", func(t *testing.T) { testscript.Run(t, p) })
	if t.Failed() {
		return
	}
	if len(rows.all) < 9 {
		t.Skipf("%d of nine faults could be injected here: a full disk needs the right to mount one", len(rows.all))
	}
	var b strings.Builder
	b.WriteString("\n| fault | check | what `gwctl doctor` says |\n|---|---|---|\n")
	for _, r := range rows.all {
		clean := func(s string) string { return strings.ReplaceAll(rows.names.Replace(s), "|", "\\|") }
		fmt.Fprintf(&b, "| %s | %s `%s` | **cause** %s · **next** %s |\n", r.fault, strings.ToUpper(string(r.finding.Grade)), r.finding.Check, clean(r.finding.Cause), clean(r.finding.Next))
	}
	b.WriteString("\n")
	raw, err := os.ReadFile(commissioningDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), faultsBegin)
	was, after, also := strings.Cut(rest, faultsEnd)
	if !ok || !also {
		t.Fatalf("%s has no place for the table", commissioningDoc)
	}
	if *update {
		if err := os.WriteFile(commissioningDoc, []byte(before+faultsBegin+b.String()+faultsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != b.String() {
		t.Errorf("the table of faults in %s is not what the doctor says; write it anew with -update. It says:\n%s", commissioningDoc, b.String())
	}
}

type tableKey struct{}

type faultTable struct {
	all   []told
	names *strings.Replacer
}

// fault asks the doctor until a check fails and names a cause: `fault NAME CHECK CAUSE [as-stranger]`.
func fault(ts *testscript.TestScript, _ bool, args []string) {
	ask := func() []byte {
		out, _, _ := run(ts, []string{"gwctl", "doctor", "-o", "json", "--socket", ts.Getenv("SOCKET")})
		return []byte(out)
	}
	if len(args) > 3 && args[3] == "as-stranger" {
		ask = func() []byte { return asStranger(ts, "doctor", "-o", "json", "--socket", ts.Getenv("SOCKET")) }
	}
	var out []byte
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		var findings []diag.Finding
		out = ask()
		ts.Check(json.Unmarshal(out, &findings))
		for _, f := range findings {
			if f.Check != args[1] || f.Grade != diag.Fail && f.Grade != diag.Warn || !strings.Contains(f.Cause, args[2]) {
				continue
			}
			rows := ts.Value(tableKey{}).(*faultTable)
			rows.all = append(rows.all, told{args[0], f})
			rows.names = strings.NewReplacer(ts.Getenv("SOCKET"), "/var/lib/courtside/gateway.sock", ts.Getenv("PLC"), "192.168.1.10:502", ts.Getenv("BROKER"), "broker:8883",
				filepath.Join(of(ts).dir, "id"), "/etc/courtside", ts.Getenv("PORT"), "/dev/ttyUSB0", ts.Getenv("ABSENT"), "192.168.1.10:502", of(ts).dir, "/etc/courtside")
			return
		}
	}
	ts.Fatalf("the doctor never says %q of %s, but at last:\n%s", args[2], args[1], out)
}

// asStranger runs gwctl as a user whom the gateway does not know, where this process may; else the socket is closed to everybody.
func asStranger(ts *testscript.TestScript, args ...string) []byte {
	self, err := os.Executable()
	ts.Check(err)
	program := filepath.Join(of(ts).dir, "..", "as-stranger", "gwctl") // the name chooses the command
	if _, err := os.Stat(program); err != nil {
		ts.Check(os.MkdirAll(filepath.Dir(program), 0o755))
		raw, err := os.ReadFile(self)
		ts.Check(err)
		ts.Check(os.WriteFile(program, raw, 0o755))
	}
	var out bytes.Buffer
	c := exec.Command(program, args...)
	c.Stdout = &out
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: false}}
	}
	_ = c.Run() // it ends with 7, or with what its output says
	return out.Bytes()
}

// openSocket lets every user reach the socket, so that the gateway itself has to refuse; a process that is not root can only close it.
func openSocket(ts *testscript.TestScript, _ bool, _ []string) {
	socket := ts.Getenv("SOCKET")
	if os.Getuid() != 0 {
		ts.Check(os.Chmod(socket, 0))
		return
	}
	ts.Check(os.Chmod(filepath.Dir(socket), 0o755))
	ts.Check(os.Chmod(socket, 0o666))
	ts.Check(os.Chmod(of(ts).dir, 0o755))
}

// serial starts a device on a pseudo-terminal that understands one speed: `serial 19200` sets $PORT.
func serial(ts *testscript.TestScript, _ bool, args []string) {
	baud, err := strconv.Atoi(args[0])
	ts.Check(err)
	line, err := modbusserver.StartPTYAt(of(ts).registers, baud)
	ts.Check(err)
	ts.Defer(func() { _ = line.Close() })
	ts.Setenv("PORT", line.Addr())
}

// absent sets $ABSENT to an address where nothing answers, not even with a refusal.
func absent(ts *testscript.TestScript, _ bool, _ []string) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	ts.Check(err)
	ts.Defer(func() { _ = syscall.Close(fd) })
	ts.Check(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	ts.Check(syscall.Listen(fd, 0))
	at, err := syscall.Getsockname(fd)
	ts.Check(err)
	addr := fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
	for range 8 { // nobody accepts: once the queue is full, the kernel drops what comes
		conn, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			break
		}
		ts.Defer(func() { _ = conn.Close() })
	}
	ts.Setenv("ABSENT", addr)
}

// smallDisk mounts a file system of 96 MiB at the data directory.
func smallDisk(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.MkAbs("d")
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m,mode=0755"))
	s := of(ts)
	ts.Defer(func() {
		if s.gateway != nil {
			_ = s.gateway.Close()
			s.gateway = nil
		}
		_ = syscall.Unmount(dir, syscall.MNT_DETACH)
	})
}

// fillDisk leaves nothing free.
func fillDisk(ts *testscript.TestScript, _ bool, _ []string) {
	f, err := os.Create(filepath.Join(ts.MkAbs("d"), "fill"))
	ts.Check(err)
	defer f.Close()
	block := make([]byte, 1<<16)
	for range 96 << 4 {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
	ts.Fatalf("the disk does not fill")
}
