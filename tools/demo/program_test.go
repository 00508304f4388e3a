package main

import (
	"path/filepath"
	"testing"
)

// A program that is killed and started again at once is not reported as one that ended by itself.
func TestProgramStartedAgainAfterKill(t *testing.T) {
	failed := make(chan error, 1)
	p := &program{name: "sleeper", path: "/bin/sleep", args: []string{"60"}, log: filepath.Join(t.TempDir(), "log"), failed: failed}
	for range 200 {
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		p.kill()
	}
	select {
	case err := <-failed:
		t.Error(err)
	default:
	}
}
