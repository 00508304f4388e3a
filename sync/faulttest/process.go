package faulttest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// roleVariable is the environment variable that tells a test binary that it is a child.
const roleVariable = "COURTSIDE_FAULTTEST_ROLE"

// A Role is what a child process does; args are those of Start. It should run until it is killed.
// Lines that it writes to standard output reach the parent through Process.Line.
type Role func(args []string) error

// Main runs the tests, or the role that the process was started for, and returns the exit code.
// Call it from TestMain: os.Exit(faulttest.Main(m, roles)).
func Main(m *testing.M, roles map[string]Role) int {
	name := os.Getenv(roleVariable)
	if name == "" {
		return m.Run()
	}
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "faulttest: no role %q\n", name)
		return 2
	}
	if err := role(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "faulttest: role %s: %v\n", name, err)
		return 1
	}
	return 0
}

// Process is a child process of a test.
type Process struct {
	cmd    *exec.Cmd
	out    *bufio.Reader
	stderr strings.Builder
}

// Start starts the test binary again in a role. The child is killed when the test ends, if it still runs.
func Start(t testing.TB, role string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(os.Args[0], args...)}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting a child in role %s: %v", role, err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return p
}

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Line returns the child's next line of output without its end, or io.EOF once there are no more.
// A line that the child did not end does not count.
func (p *Process) Line() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", io.EOF
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// Kill sends SIGKILL and waits for the child's end. Lines that it wrote before can still be read
// only if Drain is used instead. Killing a child that ended does nothing.
func (p *Process) Kill() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = p.cmd.Wait() // "signal: killed" is what was asked for
	return err
}

// Drain sends SIGKILL, returns the lines that the child had written and were not read yet, and waits for its end.
func (p *Process) Drain() ([]string, error) {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, err
	}
	var lines []string
	for {
		line, err := p.Line()
		if err != nil {
			return lines, p.Kill()
		}
		lines = append(lines, line)
	}
}

// Stderr returns what the child wrote to standard error; it is complete once the child ended.
func (p *Process) Stderr() string { return p.stderr.String() }
