// Package program runs the product's programs as children of a tool. A child dies with the tool, however the tool dies.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Patience is how long a program may take to end when it is asked to; then it is killed.
const Patience = 15 * time.Second

// Program is one program, which may be started again after its end. Start and End are for one goroutine at a time.
type Program struct {
	Name string // in errors
	Path string // of the executable
	Args []string
	Env  []string     // added to this process's
	Log  string       // the file to whose end its output goes
	Lost chan<- error // takes why it ended unasked; what finds no room is left out, for one loss is enough to end a tool

	mu       sync.Mutex
	cmd      *exec.Cmd
	done     chan struct{}
	expected bool // its end was asked for
}

// Start starts the program.
func (p *Program) Start() error {
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() // the child has its own
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	// Its own group, so that Ctrl-C reaches this process alone, which then ends them in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done, p.expected = cmd, done, false
	p.mu.Unlock()
	go func() { // ends with the child, for which End waits
		defer close(done) // only then: whoever waits for the end may start the next one, which is not expected to end
		err := cmd.Wait()
		p.mu.Lock()
		expected := p.expected
		p.mu.Unlock()
		if !expected {
			select {
			case p.Lost <- fmt.Errorf("%s ended by itself (%v); see %s", p.Name, err, p.Log):
			default:
			}
		}
	}()
	return nil
}

// End sends a signal and waits for the end, insisting after Patience. It reports whether the program ended in time; one that does not run has.
func (p *Program) End(sig syscall.Signal) bool {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.expected = true
	p.mu.Unlock()
	if cmd == nil {
		return true
	}
	_ = cmd.Process.Signal(sig) // it may have ended already
	t := time.NewTimer(Patience)
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

// Resident returns the program's resident memory in bytes, 0 when it does not run.
func (p *Program) Resident() int64 {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	if cmd == nil {
		return 0
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", cmd.Process.Pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(raw), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}
