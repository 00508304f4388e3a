package tracking

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
)

// handshakes remembers why a server's certificate was refused: gRPC keeps only the text of it.
type handshakes struct {
	credentials.TransportCredentials
	refused atomic.Pointer[error]
}

// ClientHandshake implements credentials.TransportCredentials.
func (h *handshakes) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := h.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if isRefusal(err) {
		h.refused.Store(&err)
	}
	return c, info, err
}

// Clone implements credentials.TransportCredentials: gRPC clones before it connects, and the copy has to tell the original.
func (h *handshakes) Clone() credentials.TransportCredentials { return h }

// isRefusal reports whether a handshake failed for the server's certificate.
func isRefusal(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}
