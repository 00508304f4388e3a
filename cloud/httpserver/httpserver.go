// Package httpserver runs an HTTP server until its context ends, as every server of the aggregator does.
package httpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Run serves on l until ctx ends, lets answers that are under way finish for patience, and then cuts off who is still there. It closes l, and
// returns when nothing of srv runs any more: nil when that was asked for.
func Run(ctx context.Context, srv *http.Server, l net.Listener, patience time.Duration) error {
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := srv.Shutdown(late)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-done
	return err
}
