package channel_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
	"github.com/courtside-edge/courtside/drivers/opcua/internal/channel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type identity struct {
	cert []byte
	key  *rsa.PrivateKey
}

func newIdentity(t testing.TB, bits int) identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return identity{der, key}
}

func start(t testing.TB, o opcuaserver.Options) *opcuaserver.Server {
	t.Helper()
	s := opcuaserver.New(o)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func getEndpoints(t testing.TB, c *channel.Channel, url string) ([]*ua.EndpointDescription, error) {
	t.Helper()
	r, err := channel.Encode(&ua.GetEndpointsRequest{EndpointURL: url})
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.Call(bounded(t), r, nil)
	if err != nil {
		return nil, err
	}
	resp, err := channel.Decode[*ua.GetEndpointsResponse](body)
	if err != nil {
		return nil, err
	}
	return resp.Endpoints, nil
}

func TestEveryPolicyAndMode(t *testing.T) {
	server, small, large := newIdentity(t, 2048), newIdentity(t, 2048), newIdentity(t, 3072)
	s := start(t, opcuaserver.Options{Certificate: server.cert, Key: server.key})
	for _, policy := range []string{ua.SecurityPolicyURIBasic256Sha256, ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss} {
		for _, mode := range []ua.MessageSecurityMode{ua.MessageSecurityModeSign, ua.MessageSecurityModeSignAndEncrypt} {
			for _, me := range []identity{small, large} {
				if me.key == large.key && policy != ua.SecurityPolicyURIBasic256Sha256 {
					continue // a longer key changes the padding, whatever the policy
				}
				t.Run(strings.TrimPrefix(policy, ua.SecurityPolicyURIPrefix)+mode.String()+big.NewInt(int64(me.key.Size())).String(), func(t *testing.T) {
					c, err := channel.Open(bounded(t), channel.Options{Endpoint: s.Endpoint(), Policy: policy, Mode: mode,
						Certificate: me.cert, Key: me.key, ServerCertificate: server.cert})
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					for range 3 {
						if eps, err := getEndpoints(t, c, s.Endpoint()); err != nil || len(eps) != 7 {
							t.Errorf("%d endpoints, %v", len(eps), err)
						}
					}
				})
			}
		}
	}
}

func TestKeysAreRenewed(t *testing.T) {
	server, me := newIdentity(t, 2048), newIdentity(t, 2048)
	s := start(t, opcuaserver.Options{Certificate: server.cert, Key: server.key})
	c, err := channel.Open(bounded(t), channel.Options{Endpoint: s.Endpoint(), Policy: ua.SecurityPolicyURIBasic256Sha256,
		Mode: ua.MessageSecurityModeSignAndEncrypt, Certificate: me.cert, Key: me.key, ServerCertificate: server.cert, Lifetime: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); { // at least two renewals
		if _, err := getEndpoints(t, c, s.Endpoint()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnotherCertificateIsRefused(t *testing.T) {
	server, other, me := newIdentity(t, 2048), newIdentity(t, 2048), newIdentity(t, 2048)
	s := start(t, opcuaserver.Options{Certificate: server.cert, Key: server.key})
	_, err := channel.Open(bounded(t), channel.Options{Endpoint: s.Endpoint(), Policy: ua.SecurityPolicyURIBasic256Sha256,
		Mode: ua.MessageSecurityModeSignAndEncrypt, Certificate: me.cert, Key: me.key, ServerCertificate: other.cert})
	if err == nil {
		t.Error("a server with another certificate was accepted")
	}
}

// listen answers each connection with script and closes it.
func listen(t *testing.T, script func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			script(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "opc.tcp://" + l.Addr().String()
}

func none(url string) channel.Options {
	return channel.Options{Endpoint: url, Policy: ua.SecurityPolicyURINone, Mode: ua.MessageSecurityModeNone}
}

func TestHelloRefuses(t *testing.T) {
	for name, answer := range map[string]string{
		"another protocol":  "HTTP/1.1 400 Bad Request\r\n\r\n",
		"an endless chunk":  "ACKF\xff\xff\xff\xff",
		"a short chunk":     "ACKF\x01\x00\x00\x00",
		"tiny buffers":      "ACKF\x1c\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"an error":          "ERRF\x10\x00\x00\x00\x00\x00\x83\x80\xff\xff\xff\xff",
		"an error cut off":  "ERRF\x0c\x00\x00\x00\x00\x00\x83\x80",
		"nothing":           "",
		"half a message":    "ACKF\x1c\x00\x00\x00\x00",
		"not an ACK":        "MSGF\x08\x00\x00\x00",
		"an OPN that is no": "ACKF\x1c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00OPNF\x10\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\x7f",
	} {
		t.Run(name, func(t *testing.T) {
			url := listen(t, func(c net.Conn) {
				io.ReadFull(c, make([]byte, 32))
				io.WriteString(c, answer)
			})
			if c, err := channel.Open(bounded(t), none(url)); err == nil {
				c.Close()
				t.Error("a channel was opened")
			}
		})
	}
}

func TestCancellation(t *testing.T) {
	s := start(t, opcuaserver.Options{})
	c, err := channel.Open(bounded(t), none(s.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Stall(true)
	defer s.Stall(false)
	r, err := channel.Encode(&ua.GetEndpointsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := c.Call(ctx, r, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call ended with %v", err)
	}
	if _, err := channel.Open(ctx, none(s.Endpoint())); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Open ended with %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := channel.Open(ctx, none(s.Endpoint())); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open of a silent server ended with %v", err)
	}
}

func TestLossEndsEveryCall(t *testing.T) {
	s := start(t, opcuaserver.Options{})
	c, err := channel.Open(bounded(t), none(s.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Stall(true)
	r, err := channel.Encode(&ua.GetEndpointsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan channel.Answer, 2)
	for range 2 {
		if _, err := c.Send(t.Context(), r, nil, 0, out); err != nil {
			t.Fatal(err)
		}
	}
	s.DropConnections()
	for range 2 {
		if a := <-out; a.Err == nil {
			t.Error("a call on a lost connection was answered")
		}
	}
	<-c.Lost()
	if _, err := c.Call(t.Context(), r, nil); err == nil || c.Err() == nil {
		t.Errorf("a call after the loss ended with %v", err)
	}
}

func TestGarbageLosesTheChannel(t *testing.T) {
	s := start(t, opcuaserver.Options{})
	c, err := channel.Open(bounded(t), none(s.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Garbage(1)
	if _, err := getEndpoints(t, c, s.Endpoint()); err == nil || !strings.Contains(err.Error(), "no OPC UA chunk") {
		t.Errorf("garbage ended a call with %v", err)
	}
	<-c.Lost()
}

func TestDecodeSurvivesHostileLengths(t *testing.T) {
	// a ReadResponse with one value: an array of -5 elements
	body := append([]byte{1, 0, 0x7a, 0x02}, make([]byte, 8+4+4+1)...)
	body = append(body, 0xff, 0xff, 0xff, 0xff, 0, 0, 0)
	body = append(body, 1, 0, 0, 0, 0x01, 0x86, 0xfb, 0xff, 0xff, 0xff)
	if _, err := channel.Decode[*ua.ReadResponse](body); err == nil {
		t.Error("an array of negative length was decoded")
	}
}

func TestCloseTwice(t *testing.T) {
	s := start(t, opcuaserver.Options{})
	c, err := channel.Open(bounded(t), none(s.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if !errors.Is(c.Err(), channel.ErrClosed) {
		t.Errorf("the cause of a closed channel is %v", c.Err())
	}
}
