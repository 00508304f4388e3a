package tracking

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/tracking/events"
)

// maxMessageBytes is the largest message that is read; a position has some 25 bytes. A larger one ends the stream.
const maxMessageBytes = 4 << 10

// source opens streams of one tracking system.
type source struct {
	device drivers.Device
	o      options
	book   *book
}

// Open implements drivers.Source.
func (s *source) Open(ctx context.Context) (drivers.Conn, error) {
	failed := func(f drivers.Failure, err error) error {
		return &drivers.Error{Op: "connect to " + s.o.Address, Failure: f, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return nil, failed(drivers.Transient, err)
	}
	secure, err := s.credentials()
	if err != nil {
		return nil, failed(drivers.Permanent, err)
	}
	shaken := &handshakes{TransportCredentials: secure}
	// The name is resolved when connecting, by the machine's own resolver; no proxy and no service configuration from DNS
	// stands between a gateway and its device.
	client, err := grpc.NewClient("passthrough:///"+s.o.Address, grpc.WithTransportCredentials(shaken), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)))
	if err != nil {
		return nil, failed(drivers.Permanent, err)
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // the stream outlives Open
	c := &conn{source: s, client: client, end: end}
	patience, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	unlink := context.AfterFunc(patience, end)
	c.stream, err = events.Stream(life, client)
	if !unlink() && err == nil { // ended while the last step was done
		err = patience.Err()
	}
	if err != nil {
		if patience.Err() != nil {
			err = patience.Err()
		}
		f := failureOf(err)
		if known := shaken.refused.Load(); known != nil {
			f, err = drivers.Permanent, *known
		}
		return nil, failed(f, errors.Join(err, c.Close()))
	}
	return c, nil
}

// credentials reads the files of a TLS connection.
func (s *source) credentials() (credentials.TransportCredentials, error) {
	o := s.o.TLS
	if o == nil {
		return insecure.NewCredentials(), nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(s.o.Address) // checked by Prepare
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate", o.CAFile)
		}
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(c), nil
}

// failureOf says whether a person has to act before a call can succeed.
func failureOf(err error) drivers.Failure {
	switch status.Code(err) {
	case codes.Unimplemented, codes.Unauthenticated, codes.PermissionDenied:
		return drivers.Permanent
	}
	return drivers.Transient
}

// waitFor returns how often the book is looked through, for d to be kept by a quarter.
func waitFor(d time.Duration) time.Duration { return max(d/4, 5*time.Millisecond) }
