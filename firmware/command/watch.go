package command

import (
	"context"

	"github.com/courtside-edge/courtside/sync/notify"
)

// watch tells systemd whether the parts move, how the gateway stands, and when it is about to end, until ended, which waits.
func watch(ctx context.Context, service *notify.Service, status func() string, parts ...notify.Part) (ended func()) {
	ctx, cancel := context.WithCancel(ctx)
	done, said := make(chan struct{}), make(chan struct{})
	quiet := context.AfterFunc(ctx, func() {
		defer close(said)
		service.Stopping()
	})
	go func() {
		defer close(done)
		service.Watch(ctx, status, parts...)
	}()
	return func() {
		if !quiet() {
			<-said
		}
		cancel()
		<-done
	}
}
