package waiting_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/waiting"
)

// To wait is no standstill; a file that never comes to its end is.
func TestAFileThatHangsIsSeen(t *testing.T) {
	const patience = 45 * time.Second
	dir := t.TempDir()
	path, sealed := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "sealed")
	if err := os.WriteFile(sealed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		load := func() (*config.Config, error) {
			<-release
			return nil, errAbsent
		}
		g := waiting.New(waiting.Options{File: path, Load: load, Dir: filepath.Join(sealed, "d"), Log: slog.New(slog.DiscardHandler)}, errAbsent)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = g.Run(ctx) // ctx's end
		}()
		for range 20 {
			time.Sleep(time.Minute)
			synctest.Wait()
			if err := g.Stuck(patience); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		first := g.Stuck(patience)
		time.Sleep(time.Minute)
		second := g.Stuck(patience)
		close(release)
		synctest.Wait()
		if third := g.Stuck(patience); first != nil || second == nil || third != nil {
			t.Errorf("stuck: %v, then %v, then %v", first, second, third)
		}
		stop()
		<-ended
	})
}
