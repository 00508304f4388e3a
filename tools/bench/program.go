package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stopPatience is how long a program may take to end when asked to.
const stopPatience = 15 * time.Second

// program is one child process. It dies with this one, however this one dies.
type program struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // once done is closed
}

// start starts a program on the bench's cores. Its standard output goes to out when that is not nil, the rest to its log.
func start(dir, name string, out *lines, path string, args ...string) (*program, error) {
	p := &program{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if out != nil {
		p.cmd.Stdout = out
	}
	// Its own group, so that Ctrl-C reaches this process alone, which then ends them in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieTogether(p.cmd.SysProcAttr)
	if err := onTwoCores(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ended returns why the program is not running any more, nil while it does.
func (p *program) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended by itself (%v): %s", p.name, p.err, tail(p.log))
	default:
		return nil
	}
}

// stop asks the program to end, and insists after a while.
func (p *program) stop() { p.end(syscall.SIGTERM) }

func (p *program) end(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *program) usage() (usage, error) {
	if err := p.ended(); err != nil {
		return usage{}, err
	}
	return usageOf(p.cmd.Process.Pid)
}

// tail returns the last line of a log.
func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	raw = bytes.TrimSpace(raw)
	if at := bytes.LastIndexByte(raw, '\n'); at >= 0 {
		raw = raw[at+1:]
	}
	return string(raw[:min(len(raw), 300)])
}

// lines gives each line that is written to it to take. It is safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	part []byte
	take func(line []byte)
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		at := bytes.IndexByte(l.part, '\n')
		if at < 0 {
			return len(b), nil
		}
		l.take(l.part[:at])
		l.part = append(l.part[:0], l.part[at+1:]...)
	}
}
