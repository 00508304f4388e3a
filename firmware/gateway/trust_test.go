package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// met is a session with whoever showed a certificate.
type met struct {
	uplink.Session
	state tls.ConnectionState
}

func (m met) ConnectionState() tls.ConnectionState { return m.state }

func with(t *testing.T, s *identity.Source) met {
	t.Helper()
	signer, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(signer.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return met{state: tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}}
}

func announced(t *testing.T, sources ...*identity.Source) []byte {
	t.Helper()
	s := wire.CloudStatus{State: "up", Incarnation: "inc"}
	for _, source := range sources {
		signer, err := source.Signer()
		if err != nil {
			t.Fatal(err)
		}
		s.Chains = append(s.Chains, signer.Chain)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestWhoIsBelieved: over whose connection, with which signature.
func TestWhoIsBelieved(t *testing.T) {
	ca, other := identitytest.New(t, "courtside.test"), identitytest.New(t, "courtside.test")
	gateway := identitytest.Open(t, ca, ca.Gateway("v", "g"))
	cloud, broker := identitytest.Open(t, ca, ca.Aggregator()), identitytest.Open(t, ca, ca.Broker())
	impostor, neighbour := identitytest.Open(t, other, other.Aggregator()), identitytest.Open(t, ca, ca.Gateway("v", "h"))
	tr := &trust{verifier: gateway.Verifier(8, identity.Aggregator)}
	const topic = "courtside/1/v/gw/g/ack"
	ack := wire.EncodeAck(wire.Ack{Incarnation: "inc"})
	signed := func(s *identity.Source) []byte {
		signs := &trust{sign: true}
		if err := signs.begin(s); err != nil {
			t.Fatal(err)
		}
		out, err := signs.seal(topic, ack)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	far := tr.judge(with(t, broker))
	if _, err := far.Verify(topic, signed(cloud)); !errors.Is(err, identity.ErrKey) {
		t.Errorf("before the chain is known: %v", err)
	}
	if err := far.Learn(announced(t, impostor, neighbour)); !errors.Is(err, identity.ErrPeer) {
		t.Errorf("chains of others were learnt: %v", err)
	}
	if err := far.Learn(announced(t, impostor, cloud)); err != nil {
		t.Errorf("a good chain beside a bad one: %v", err)
	}
	if err := errors.Join(far.Learn([]byte(`{"state":"down"}`)), far.Learn(announced(t))); err != nil {
		t.Error(err)
	}
	if err := far.Learn([]byte("{")); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("%v", err)
	}
	v, err := far.Verify(topic, signed(cloud))
	if err != nil || !v.Signed || v.NotAfter.Before(time.Now()) {
		t.Errorf("%+v %v", v, err)
	}
	for name, c := range map[string]struct {
		payload []byte
		want    error
	}{"unsigned": {ack, uplink.ErrUnsigned}, "an impostor's": {signed(impostor), identity.ErrKey}, "a neighbour's": {signed(neighbour), identity.ErrKey},
		"garbage": {[]byte("garbage"), wire.ErrCompression}} {
		if _, err := far.Verify(topic, c.payload); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	own := tr.judge(with(t, cloud))
	if v, err := own.Verify(topic, ack); err != nil || v.Signed || !v.NotAfter.Equal(cloud.NotAfter()) {
		t.Errorf("unsigned, from the aggregator itself: %+v %v", v, err)
	}
	forged := signed(cloud)
	forged[len(forged)-1] ^= 1
	if _, err := own.Verify(topic, forged); !errors.Is(err, identity.ErrSignature) {
		t.Errorf("a wrong signature from the aggregator itself: %v", err)
	}
	for _, s := range []uplink.Session{nil, met{}, with(t, neighbour)} {
		if _, err := tr.judge(s).Verify(topic, ack); !errors.Is(err, uplink.ErrUnsigned) {
			t.Errorf("%T: %v", s, err)
		}
	}
}

func TestSigningBatches(t *testing.T) {
	ca := identitytest.New(t, "courtside.test")
	source := identitytest.Open(t, ca, ca.Gateway("v", "g"))
	silent := &trust{}
	if err := silent.begin(source); err != nil || silent.chains() != nil {
		t.Errorf("chains without signatures: %v %v", silent.chains(), err)
	}
	signs := &trust{sign: true}
	if _, err := signs.seal("t", []byte("x")); !errors.Is(err, errNoSigner) {
		t.Errorf("%v", err)
	}
	if err := signs.begin(source); err != nil || len(signs.chains()) != 1 {
		t.Errorf("%v %v", signs.chains(), err)
	}
}

func TestTheProbeIsSkippedOnlyWhenToldOrDone(t *testing.T) {
	o := mqtt.Options{URL: "mqtt://127.0.0.1:1", ClientID: "g"}
	if err := (&trust{}).admit(context.Background(), o, "t"); err == nil {
		t.Error("a broker that is not there was admitted")
	}
	for _, tr := range []*trust{{probe: -1}, {probed: true}} {
		if err := tr.admit(context.Background(), o, "t"); err != nil {
			t.Error(err)
		}
	}
}
