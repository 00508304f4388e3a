package faults

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopPatience is how long a program may take to end when asked to.
const stopPatience = 15 * time.Second

// Command is how a program is started; Args come before the rig's own.
type Command struct {
	Path string
	Args []string
	Env  []string // added to this process's
}

// program is one child process. It dies with this one, however this one dies. Its methods are for one goroutine at a time.
type program struct {
	name    string
	command Command
	args    []string
	log     string
	failed  chan<- error

	mu       sync.Mutex
	cmd      *exec.Cmd
	done     chan struct{}
	expected bool // its end was asked for
}

// start starts the program; its output goes to the end of its log file.
func (p *program) start() error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() // the child has its own
	cmd := exec.Command(p.command.Path, append(append([]string{}, p.command.Args...), p.args...)...)
	cmd.Env = append(os.Environ(), p.command.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done, p.expected = cmd, done, false
	p.mu.Unlock()
	go func() { // ends with the child, for which end waits
		err := cmd.Wait()
		p.mu.Lock()
		expected := p.expected
		p.mu.Unlock()
		if !expected {
			select {
			case p.failed <- fmt.Errorf("%s ended by itself (%v); see %s", p.name, err, p.log):
			default: // one failure is enough
			}
		}
		close(done)
	}()
	return nil
}

// end sends a signal and waits for the end, insisting after a while. It reports whether the program ended by itself in time.
func (p *program) end(sig syscall.Signal) bool {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.expected = true
	p.mu.Unlock()
	if cmd == nil {
		return true
	}
	_ = cmd.Process.Signal(sig) // it may have ended already
	t := time.NewTimer(stopPatience)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		_ = cmd.Process.Kill()
		<-done
		return false
	}
}
