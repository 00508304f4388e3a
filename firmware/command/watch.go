package command

import (
	"context"

	"github.com/courtside-edge/courtside/sync/notify"
)

// watch tells systemd whether the parts move, how the gateway stands, and when it is about to end, until ended, which waits.
func watch(ctx context.Context, service *notify.Service, status func() string, parts ...notify.Part) (ended func()) {
	return service.Attend(ctx, status, parts...)
}
