package identitytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Agent serves the SPIFFE Workload API on one Unix socket. Whoever can open the socket gets its
// SVIDs: the file's permissions are the only attestation.
type Agent struct {
	socket string
	server *grpc.Server
	served sync.WaitGroup

	mu      sync.Mutex
	answer  *workload.X509SVIDResponse
	refusal error // what every call answers instead, when not nil
	changed chan struct{}
}

// Serve starts an agent on socket, which is replaced when it is left from an earlier one. It denies until the first Set.
func Serve(socket string) (*Agent, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("serving the Workload API: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("serving the Workload API: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("serving the Workload API: %w", err)
	}
	a := &Agent{socket: socket, server: grpc.NewServer(), changed: make(chan struct{}),
		refusal: status.Error(codes.PermissionDenied, "no identity issued")}
	workload.RegisterSpiffeWorkloadAPIServer(a.server, &service{agent: a})
	a.served.Go(func() { _ = a.server.Serve(listener) }) // ends by Stop
	return a, nil
}

// Addr returns the agent's address as clients write it.
func (a *Agent) Addr() string { return "unix://" + a.socket }

// Set sends SVIDs, the default one first, and the authority's bundle to all clients, now and from now on.
func (a *Agent) Set(authority *Authority, svids ...SVID) {
	answer := &workload.X509SVIDResponse{}
	for _, s := range svids {
		answer.Svids = append(answer.Svids, &workload.X509SVID{SpiffeId: s.SPIFFEID, X509Svid: s.Cert, X509SvidKey: s.Key, Bundle: authority.ca.Bundle()[0]})
	}
	a.change(answer, nil)
}

// Deny ends all watches with a status of this code, and answers so from now on until the next Set.
func (a *Agent) Deny(code codes.Code) {
	a.change(nil, status.Error(code, "denied"))
}

func (a *Agent) change(answer *workload.X509SVIDResponse, refusal error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer, a.refusal = answer, refusal
	close(a.changed)
	a.changed = make(chan struct{})
}

// state returns what to answer now, and what is closed when that changes.
func (a *Agent) state() (*workload.X509SVIDResponse, <-chan struct{}, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer, a.changed, a.refusal
}

// Close cuts all connections, waits, and leaves no socket behind. It may be called twice.
func (a *Agent) Close() error {
	a.server.Stop()
	a.served.Wait()
	return nil
}

// service is what gRPC calls.
type service struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	agent *Agent
}

// FetchX509SVID streams the SVIDs in force and each change.
func (s *service) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	if err := checkHeader(stream.Context()); err != nil {
		return err
	}
	for {
		answer, changed, refusal := s.agent.state()
		if refusal != nil {
			return refusal
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// checkHeader refuses calls without the header that the Workload API's standard demands.
func checkHeader(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if v := md.Get("workload.spiffe.io"); len(v) != 1 || v[0] != "true" {
		return status.Error(codes.InvalidArgument, "the security header workload.spiffe.io is missing")
	}
	return nil
}
