package ingest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// bySource judges by a verifier of one gateway.
type bySource struct{ v *identity.Verifier }

func (s bySource) Learn(_, _ point.ID, chain [][]byte) error { return s.v.Learn(chain) }
func (s bySource) Verify(_, _ point.ID, key [16]byte, digest [32]byte, signature []byte) error {
	_, err := s.v.Verify(key, digest, signature)
	return err
}

func signedBy(t *testing.T, s *identity.Source, topic string, payload []byte) []byte {
	t.Helper()
	signer, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer.Sign(wire.SigningDigest(topic, payload))
	if err != nil {
		t.Fatal(err)
	}
	return wire.AppendTrailer(payload, wire.Trailer{Key: signer.Key(), Signature: sig})
}

func birth(t *testing.T, s *identity.Source) []byte {
	t.Helper()
	signer, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(wire.Status{Venue: venuetest.Venue, Gateway: venuetest.Gateway, State: "birth", Session: "s", Chains: []wire.Chain{signer.Chain}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestBatchSignatures: a wrong signature is refused always, none only where one is required; what is refused is not in the log.
func TestBatchSignatures(t *testing.T) {
	ca := identitytest.New(t, "courtside.test")
	own := identitytest.Open(t, ca, ca.Gateway(string(venuetest.Venue), string(venuetest.Gateway)))
	other := identitytest.Open(t, ca, ca.Gateway(string(venuetest.Venue), "gw-south"))
	cloud := identitytest.Open(t, ca, ca.Aggregator())
	id, err := own.ID()
	if err != nil {
		t.Fatal(err)
	}
	topic := wire.GatewayTopic(venuetest.Venue, venuetest.Gateway, wire.Live)
	for _, required := range []bool{false, true} {
		f := &fixture{t: t, rig: venuetest.New(t), log: newLog(), box: &inbox{acks: make(chan wire.Ack, 100)}, now: time.Unix(1_700_000_000, 0)}
		f.in = ingest.New(ingest.Options{Log: f.log, Publisher: f.box, Limits: wire.DefaultLimits(), Now: func() time.Time { return f.now },
			Signatures: bySource{cloud.Verifier(4, id)}, RequireSigned: required, Gateways: []ingest.Gateway{{Venue: venuetest.Venue, Gateway: venuetest.Gateway}}})
		frame := f.batch(point.Telemetry, 0, 1)
		f.send(wire.Live, signedBy(t, own, topic, frame)) // its chain is not known yet
		f.send(wire.StatusCh, birth(t, other))            // announced here, but of another gateway
		f.send(wire.Live, signedBy(t, other, topic, frame))
		f.send(wire.StatusCh, birth(t, own))
		records := f.log.len()
		f.send(wire.Replay, signedBy(t, own, topic, frame)) // signed for another channel
		broken := signedBy(t, own, topic, frame)
		broken[len(broken)-1] ^= 1
		f.send(wire.Live, broken)
		if f.log.len() != records {
			t.Errorf("required %v: %d batches with wrong signatures are in the log", required, f.log.len()-records)
		}
		f.send(wire.Live, signedBy(t, own, topic, frame))
		f.send(wire.Live, f.batch(point.Telemetry, 1, 1))
		want := map[bool]int{false: 2, true: 1}[required]
		if got := f.log.len() - records; got != want {
			t.Errorf("required %v: %d batches are in the log, want %d", required, got, want)
		}
		refused := f.in.Stats().Refused
		if refused["signature"] != 4 || refused["chain"] != 1 || (refused["unsigned"] == 1) != required {
			t.Errorf("required %v: %v", required, refused)
		}
	}
}

// TestBatchSignaturesAreOverlookedWithoutAJudge: the trailer changes nothing, not even whether two frames are one.
func TestBatchSignaturesAreOverlookedWithoutAJudge(t *testing.T) {
	f := start(t)
	frame := f.batch(point.Telemetry, 0, 1)
	f.send(wire.Live, wire.AppendTrailer(frame, wire.Trailer{Signature: []byte("any")}))
	f.log.sync()
	<-f.box.acks
	f.send(wire.Live, frame)
	if s := f.in.Stats(); s.Duplicates != 1 || len(s.Refused) != 0 {
		t.Errorf("%+v", s)
	}
}
