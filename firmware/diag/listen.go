package diag

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
)

// SocketName is the socket's name in the gateway's data directory.
const SocketName = "gateway.sock"

// Group is the group whose members may ask the gateway.
const Group = "courtside"

// Listen opens the socket in dir, taking the place of one that a dead gateway left. Where the group exists and the gateway may
// give the socket to it, it does; otherwise the socket stays with the gateway's own group.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("diagnostics socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("diagnostics socket: %w", err)
	}
	if g, err := user.LookupGroup(Group); err == nil {
		if gid, err := strconv.Atoi(g.Gid); err == nil {
			_ = os.Chown(path, -1, gid) // only root and members may; without it the gateway's own group asks
		}
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("diagnostics socket: %w", err), l.Close())
	}
	return l, nil
}

// Peer is who asks, as the kernel tells it.
type Peer struct {
	UID, GID, PID int
	Groups        []int // supplementary ones, as far as they can be read
}

// Permit returns nil when p may ask a gateway that runs as user self, where group is the number of Group, or -1 when there is none.
func (p Peer) Permit(self, group int) error {
	if p.UID == 0 || p.UID == self || group >= 0 && (p.GID == group || slices.Contains(p.Groups, group)) {
		return nil
	}
	name := strconv.Itoa(p.UID)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return fmt.Errorf("%w: user %s is neither root, nor the gateway's own, nor in the group %s; use sudo, or: usermod -aG %s %s, then log in again",
		ErrNotPermitted, name, Group, Group, name)
}

type peerKey struct{}

// ConnContext is for http.Server: it notes who is at the other end of a Unix socket.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	p, err := peerOf(c)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// PermitPeer judges the peer that ConnContext noted. One that the kernel does not name is not permitted.
func PermitPeer(ctx context.Context) error {
	p, ok := ctx.Value(peerKey{}).(Peer)
	if !ok {
		return fmt.Errorf("%w: the kernel does not say who asks", ErrNotPermitted)
	}
	group := -1
	if g, err := user.LookupGroup(Group); err == nil {
		if gid, err := strconv.Atoi(g.Gid); err == nil {
			group = gid
		}
	}
	return p.Permit(os.Getuid(), group)
}
