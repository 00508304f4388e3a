package opcuaserver_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o opcuaserver.Options) *opcuaserver.Server {
	t.Helper()
	s := opcuaserver.New(o)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, endpoint string, opts ...opcua.Option) *opcua.Client {
	t.Helper()
	c, err := opcua.NewClient(endpoint, append(opts, opcua.AutoReconnect(false), opcua.RequestTimeout(10*time.Second))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Connect(t.Context()); err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() {
		c.Close(context.WithoutCancel(t.Context()))
	})
	return c
}

func certificate(t *testing.T) ([]byte, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageContentCommitment,
		URIs:         []*url.URL{{Scheme: "urn", Opaque: "test:app"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

func TestReadAndBrowse(t *testing.T) {
	s := start(t, opcuaserver.Options{})
	when := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	if err := s.Declare("ns=1;s=panel.1", opcuaserver.UInt16); err != nil {
		t.Fatal(err)
	}
	if err := s.Set("ns=1;s=panel.1", 513, when); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s.Endpoint())
	res, err := c.Read(t.Context(), &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth, NodesToRead: []*ua.ReadValueID{
		{NodeID: ua.NewStringNodeID(1, "panel.1")}, {NodeID: ua.NewStringNodeID(1, "panel.2")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if v := res.Results[0]; v.Value.Value() != uint16(513) || !v.SourceTimestamp.Equal(when) {
		t.Errorf("panel.1 = %v at %v", v.Value.Value(), v.SourceTimestamp)
	}
	if got := res.Results[1].Status; got != ua.StatusBadNodeIDUnknown {
		t.Errorf("status of an unknown node = %v", got)
	}
	refs, err := c.Node(ua.NewNumericNodeID(0, 85)).ReferencedNodes(t.Context(), 0, ua.BrowseDirectionForward, 0, true)
	if err != nil || len(refs) != 1 || refs[0].ID.String() != "ns=1;s=panel.1" {
		t.Errorf("browse = %v, %v", refs, err)
	}
}

func TestSubscription(t *testing.T) {
	s := start(t, opcuaserver.Options{})
	const id = "ns=1;s=a"
	if err := s.Declare(id, opcuaserver.Double); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s.Endpoint())
	notes := make(chan *opcua.PublishNotificationData, 100)
	sub, err := c.Subscribe(t.Context(), &opcua.SubscriptionParameters{Interval: 10 * time.Millisecond}, notes)
	if err != nil {
		t.Fatal(err)
	}
	res, err := sub.Monitor(t.Context(), ua.TimestampsToReturnBoth,
		opcua.NewMonitoredItemCreateRequestWithDefaults(ua.MustParseNodeID(id), 0, 7),
		opcua.NewMonitoredItemCreateRequestWithDefaults(ua.MustParseNodeID("ns=1;s=none"), 0, 8))
	if err != nil {
		t.Fatal(err)
	}
	if res.Results[0].StatusCode != ua.StatusOK || res.Results[1].StatusCode != ua.StatusBadNodeIDUnknown {
		t.Fatalf("results %v, %v", res.Results[0].StatusCode, res.Results[1].StatusCode)
	}
	for i := range 3 {
		if err := s.Set(id, float64(i+1), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var got []any
	for len(got) < 4 {
		n := <-notes
		if n.Error != nil {
			t.Fatal(n.Error)
		}
		for _, i := range n.Value.(*ua.DataChangeNotification).MonitoredItems {
			got = append(got, i.Value.Value.Value())
		}
	}
	if got[0] != 0.0 || got[3] != 3.0 {
		t.Errorf("values %v: every one is wanted, in order", got)
	}
	s.Remove(id)
	n := <-notes
	if st := n.Value.(*ua.DataChangeNotification).MonitoredItems[0].Value.Status; st != ua.StatusBadNodeIDUnknown {
		t.Errorf("status of a removed node = %v", st)
	}
	if err := sub.Cancel(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSecurity(t *testing.T) {
	scert, skey := certificate(t)
	ccert, ckey := certificate(t)
	s := start(t, opcuaserver.Options{Certificate: scert, Key: skey, SecureOnly: true, Users: map[string]string{"gw": "secret"}})
	eps, err := opcua.GetEndpoints(t.Context(), s.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"} {
		t.Run(policy, func(t *testing.T) {
			ep, err := opcua.SelectEndpoint(eps, policy, ua.MessageSecurityModeSignAndEncrypt)
			if err != nil {
				t.Fatal(err)
			}
			opts := func(password string) []opcua.Option {
				return []opcua.Option{opcua.AuthUsername("gw", password), opcua.Certificate(ccert), opcua.PrivateKey(ckey), opcua.AutoReconnect(false),
					opcua.SecurityFromEndpoint(ep, ua.UserTokenTypeUserName)}
			}
			connect(t, s.Endpoint(), opts("secret")...)
			c, err := opcua.NewClient(s.Endpoint(), opts("wrong")...)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Connect(t.Context()); err != ua.StatusBadUserAccessDenied {
				t.Errorf("a wrong password got %v", err)
			}
		})
	}
}

func TestSetRefusesWhatDoesNotFit(t *testing.T) {
	s := opcuaserver.New(opcuaserver.Options{})
	if err := s.Declare("ns=1;s=a", opcuaserver.Int16); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{40000, "x", 1.5, uint64(1 << 63)} {
		if err := s.Set("ns=1;s=a", v, time.Now()); err == nil {
			t.Errorf("Set(%v) was accepted", v)
		}
	}
	if err := s.Set("ns=1;s=b", 1, time.Now()); err == nil {
		t.Error("a node that was never declared was set")
	}
	if err := s.Declare("nonsense;;", opcuaserver.Int16); err == nil {
		t.Error("a malformed node id was declared")
	}
}
