package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestTrailerRidesOnEveryPayload(t *testing.T) {
	frame := sealed(t, oneOfEach(), fullBatch())
	payloads := map[string][]byte{"a batch": frame, "an ack": EncodeAck(Ack{Incarnation: "x"}), "a large ack": EncodeAck(goldenAck()),
		"a command": EncodeCommand(Command{ID: "c", Kind: Rebirth})}
	want := Trailer{Key: KeyIDOf([]byte("certificate")), Signature: bytes.Repeat([]byte{7}, 71)}
	for name, payload := range payloads {
		body, _, signed, err := SplitTrailer(payload)
		if err != nil || signed || !bytes.Equal(body, payload) {
			t.Errorf("%s without a trailer: signed %v, %v", name, signed, err)
		}
		with := AppendTrailer(payload, want)
		body, got, signed, err := SplitTrailer(with)
		if err != nil || !signed || !bytes.Equal(body, payload) || got.Key != want.Key || !bytes.Equal(got.Signature, want.Signature) {
			t.Errorf("%s: %+v %v %v", name, got, signed, err)
		}
	}
	signed := AppendTrailer(frame, want)
	if FrameHash(signed) != FrameHash(frame) {
		t.Error("a trailer changes the frame hash")
	}
	h, err := Verify(signed, Limits{MaxFrameBytes: len(frame)})
	if err != nil || h.Count != 7 {
		t.Errorf("a trailer counts for the frame's limit: %v", err)
	}
	_, d := newCodec(t, Limits{MaxFrameBytes: len(frame)})
	var into Batch
	if _, err := d.Decode(signed, oneOfEach(), &into); err != nil {
		t.Error(err)
	}
	if a, err := DecodeAck(AppendTrailer(EncodeAck(goldenAck()), want)); err != nil || len(a.Durable) == 0 {
		t.Error(err)
	}
}

func TestTrailerRefusals(t *testing.T) {
	ack := EncodeAck(Ack{Incarnation: "x"})
	good := AppendTrailer(ack, Trailer{Signature: []byte{1, 2, 3}})
	later := bytes.Clone(good)
	later[len(ack)+8] = 2
	short := append(bytes.Clone(ack), 0x52, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3)
	for name, c := range map[string]struct {
		payload []byte
		want    error
	}{
		"nothing":              {nil, ErrTruncated},
		"a header alone":       {header(1).bytes(), ErrTruncated},
		"half a header":        {header(1).bytes()[:40], ErrTruncated},
		"text":                 {[]byte("not a payload"), ErrCompression},
		"a later version":      {later, ErrVersion},
		"no room for a key":    {short, ErrTruncated},
		"a trailer cut short":  {good[:len(good)-1], ErrTruncated},
		"two trailers":         {append(bytes.Clone(good), good[len(ack):]...), ErrTruncated},
		"something else there": {append(bytes.Clone(ack), "01234567890"...), ErrCompression},
	} {
		if _, _, _, err := SplitTrailer(c.payload); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for _, n := range []int{0, maxTrailer} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a signature of %d bytes was taken", n)
				}
			}()
			AppendTrailer(ack, Trailer{Signature: make([]byte, n)})
		}()
	}
}

func (h Header) bytes() []byte {
	b := make([]byte, HeaderSize)
	h.put(b)
	return b
}

func TestSigningDigestTellsTopicsApart(t *testing.T) {
	body := []byte("body")
	seen := map[[32]byte]string{}
	for _, topic := range []string{GatewayTopic("v", "g", AckCh), GatewayTopic("v", "g", CommandCh), GatewayTopic("v", "h", AckCh), GatewayTopic("w", "g", AckCh), ""} {
		d := SigningDigest(topic, body)
		if other, twice := seen[d]; twice {
			t.Errorf("%q and %q share a digest", topic, other)
		}
		seen[d] = topic
	}
	if SigningDigest("ab", []byte("c")) == SigningDigest("a", []byte("bc")) {
		t.Error("topic and body run into each other")
	}
}

func TestCloudStatus(t *testing.T) {
	want := CloudStatus{State: "up", Incarnation: "inc", Version: "1", Chains: []Chain{{[]byte("leaf"), []byte("intermediate")}}}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeCloudStatus(raw)
	if err != nil || got.Incarnation != "inc" || len(got.Chains) != 1 || got.Chains[0].Key() != KeyIDOf([]byte("leaf")) {
		t.Errorf("%+v %v", got, err)
	}
	if old, err := DecodeCloudStatus([]byte(`{"state":"up","incarnation":"i","later":[1]}`)); err != nil || len(old.Chains) != 0 {
		t.Errorf("a status without chains: %v", err)
	}
	many := CloudStatus{Chains: make([]Chain, MaxChains+1)}
	for i := range many.Chains {
		many.Chains[i] = Chain{[]byte{1}}
	}
	for name, c := range map[string]struct {
		s    any
		want error
	}{
		"many chains":         {many, ErrTooLarge},
		"an empty chain":      {CloudStatus{Chains: []Chain{{}}}, ErrInvalid},
		"an empty cert":       {CloudStatus{Chains: []Chain{{nil}}}, ErrInvalid},
		"a long chain":        {CloudStatus{Chains: []Chain{make(Chain, MaxChainLength+1)}}, ErrInvalid},
		"a large certificate": {CloudStatus{Chains: []Chain{{make([]byte, maxCertificateBytes+1)}}}, ErrInvalid},
		"a large status":      {CloudStatus{Version: strings.Repeat("x", MaxCloudStatusBytes)}, ErrTooLarge},
		"a long incarnation":  {CloudStatus{Incarnation: strings.Repeat("x", MaxTextBytes+1)}, ErrTooLarge},
		"a list":              {[]int{1}, ErrMalformed},
	} {
		raw, err := json.Marshal(c.s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeCloudStatus(raw); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestKeyID(t *testing.T) {
	k := KeyIDOf([]byte("certificate"))
	if back, err := ParseKeyID(k.String()); err != nil || back != k {
		t.Errorf("%v %v", back, err)
	}
	for _, s := range []string{"", "00", strings.Repeat("0", 33), strings.Repeat("g", 32)} {
		if _, err := ParseKeyID(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzSplitTrailer(f *testing.F) {
	signed := AppendTrailer(EncodeAck(Ack{Incarnation: "x"}), Trailer{Key: KeyID{1}, Signature: []byte{1, 2, 3}})
	for _, s := range [][]byte{nil, signed, signed[:len(signed)-1], AppendTrailer(sealed(f, oneOfEach(), fullBatch()), Trailer{Signature: []byte{9}})} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		body, trailer, signed, err := SplitTrailer(payload)
		switch {
		case err != nil:
			refused(t, err)
		case signed:
			if again := AppendTrailer(body, trailer); !bytes.Equal(again, payload) {
				t.Fatalf("%x became %x", payload, again)
			}
		case !bytes.Equal(body, payload):
			t.Fatal("an unsigned payload lost bytes")
		}
		if _, err := Verify(payload, Limits{}); err == nil {
			if _, _, _, err := SplitTrailer(payload); err != nil && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrTruncated) {
				t.Fatalf("verified, and no trailer can be looked for: %v", err)
			}
		}
	})
}

func FuzzDecodeCloudStatus(f *testing.F) {
	for _, s := range []string{"", "{}", `{"state":"up","incarnation":"i","chains":[["AQI="]]}`, `{"chains":[[]]}`, `{"at":"2026-11-23T00:00:00Z"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := DecodeCloudStatus(payload)
		if err != nil {
			refused(t, err)
			return
		}
		for _, c := range s.Chains {
			_ = c.Key()
		}
	})
}
