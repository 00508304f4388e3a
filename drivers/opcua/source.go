package opcua

import (
	"context"
	"errors"
	"fmt"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/channel"
)

// source opens sessions with one server.
type source struct {
	device drivers.Device
	o      *options
	items  []item // by class
}

// Open connects, logs in and resolves what depends on the server; see drivers.Source.
func (s *source) Open(ctx context.Context) (drivers.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	c, err := s.open(ctx)
	if err != nil {
		return nil, &drivers.Error{Op: "connect to " + s.o.Endpoint, Failure: failureOf(err), Err: err}
	}
	if s.o.Mode == modePoll {
		return c, nil
	}
	return newSubscriber(c), nil
}

func (s *source) open(ctx context.Context) (*conn, error) {
	creds, err := loadCredentials(s.o)
	if err != nil {
		return nil, permanent(err)
	}
	o := channel.Options{Endpoint: s.o.Endpoint, Policy: s.o.policy(), Mode: s.o.securityMode()}
	if s.o.secure() {
		o.Certificate, o.Key = creds.cert, creds.key
		if o.ServerCertificate, err = s.discover(ctx, creds); err != nil {
			return nil, err
		}
	}
	ch, err := channel.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	sess, err := logIn(ctx, ch, s.o, creds, o.ServerCertificate)
	if err != nil {
		return nil, errors.Join(err, ch.Close())
	}
	c, err := newConn(ctx, s, sess)
	if err != nil {
		sess.close()
		return nil, err
	}
	return c, nil
}

// discover asks the server for its endpoints and returns the certificate of the one that is wanted, once it is trusted.
func (s *source) discover(ctx context.Context, creds *credentials) ([]byte, error) {
	ch, err := channel.Open(ctx, channel.Options{Endpoint: s.o.Endpoint, Policy: ua.SecurityPolicyURINone, Mode: ua.MessageSecurityModeNone})
	if err != nil {
		return nil, err
	}
	defer ch.Close()
	resp, err := call[*ua.GetEndpointsResponse](ctx, ch, nil, &ua.GetEndpointsRequest{EndpointURL: s.o.Endpoint})
	if err != nil {
		return nil, fmt.Errorf("ask for the endpoints: %w", err)
	}
	var offers []string
	for _, e := range resp.Endpoints {
		if e.SecurityPolicyURI == s.o.policy() && e.SecurityMode == s.o.securityMode() {
			if err := creds.trust(e.ServerCertificate); err != nil {
				return nil, permanent(err)
			}
			return e.ServerCertificate, nil
		}
		offers = append(offers, policyName(e.SecurityPolicyURI)+" "+e.SecurityMode.String())
	}
	return nil, permanent(fmt.Errorf("the server has no endpoint with policy %s and mode %s, only %q", s.o.Security.Policy, s.o.Security.Mode, offers))
}

func policyName(uri string) string {
	for name, u := range policies() {
		if u == uri {
			return name
		}
	}
	return uri
}

// call sends one request and decodes its answer.
func call[T ua.Response](ctx context.Context, ch *channel.Channel, auth []byte, req ua.Request) (T, error) {
	var none T
	r, err := channel.Encode(req)
	if err != nil {
		return none, err
	}
	body, err := ch.Call(ctx, r, auth)
	if err != nil {
		return none, err
	}
	return channel.Decode[T](body)
}
