package program_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/tools/program"
)

// shell is a program that runs a script, and what it tells when it ends unasked.
func shell(t *testing.T, script string) (*program.Program, <-chan error) {
	t.Helper()
	lost := make(chan error, 1)
	p := &program.Program{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"WORD=hello"}, Log: filepath.Join(t.TempDir(), "log"), Lost: lost}
	t.Cleanup(func() { p.End(syscall.SIGKILL) })
	return p, lost
}

// A program that is killed and started again at once is not reported as one that ended by itself.
func TestStartedAgainAfterAKill(t *testing.T) {
	p, lost := shell(t, "exec sleep 60")
	for range 200 {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if !p.End(syscall.SIGKILL) {
			t.Fatal("a killed program did not end")
		}
	}
	select {
	case err := <-lost:
		t.Error(err)
	default:
	}
}

func TestAnEndUnaskedIsTold(t *testing.T) {
	p, lost := shell(t, "echo $WORD; exit 3")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-lost:
		if !strings.Contains(err.Error(), "shell ended by itself (exit status 3); see "+p.Log) {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody was told that the program ended")
	}
	if said, err := os.ReadFile(p.Log); err != nil || string(said) != "hello\n" {
		t.Errorf("its log: %q, %v", said, err)
	}
	if !p.End(syscall.SIGTERM) || p.Resident() != 0 {
		t.Error("a program that has ended does not count as ended")
	}
}

func TestResident(t *testing.T) {
	p, _ := shell(t, "exec sleep 60")
	if p.Resident() != 0 || !p.End(syscall.SIGTERM) {
		t.Error("a program that was never started runs")
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if n := p.Resident(); n < 1<<12 || n > 1<<30 {
		t.Errorf("sleep takes %d bytes", n)
	}
}

func TestWhatIsNotThereIsNotStarted(t *testing.T) {
	p, _ := shell(t, "")
	p.Path = filepath.Join(t.TempDir(), "nothing")
	if err := p.Start(); err == nil || !strings.Contains(err.Error(), "starting shell") {
		t.Error(err)
	}
}
