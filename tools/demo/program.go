package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopPatience is how long a program may take to end when asked to.
const stopPatience = 10 * time.Second

// program is one child process. It dies with this one, however this one dies.
type program struct {
	name, path string
	args       []string
	log        string
	failed     chan<- error

	mu       sync.Mutex
	cmd      *exec.Cmd
	done     chan struct{}
	expected bool // its end was asked for
}

// start starts the program; its output goes to its log file.
func (p *program) start() error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() // the child has its own
	cmd := exec.Command(p.path, p.args...)
	cmd.Stdout, cmd.Stderr = out, out
	// Its own group, so that Ctrl-C reaches this process alone, which then ends them in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done, p.expected = cmd, done, false
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		expected := p.expected
		p.mu.Unlock()
		close(done) // only now: whoever waits for the end may start the next one, which is not expected to end
		if !expected {
			select {
			case p.failed <- fmt.Errorf("%s ended by itself (%v); see %s", p.name, err, p.log):
			default: // one failure is enough to end the demo
			}
		}
	}()
	return nil
}

// stop asks the program to end, and insists after a while.
func (p *program) stop() { p.end(syscall.SIGTERM) }

// kill ends the program at once, without a chance to save anything.
func (p *program) kill() { p.end(syscall.SIGKILL) }

func (p *program) end(sig syscall.Signal) {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.expected = true
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(sig) // it may have ended already
	select {
	case <-done:
	case <-time.After(stopPatience):
		_ = cmd.Process.Kill()
		<-done
	}
}

// rss returns the program's resident memory in bytes, 0 when it does not run.
func (p *program) rss() int64 {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	if cmd == nil || cmd.Process == nil {
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
