package export_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/export"
	"github.com/courtside-edge/courtside/sync/wire"
)

var manifest = export.Manifest{Venue: "dal-001", Gateway: "gw-north", Made: time.Unix(1_800_000_000, 0).UTC(), Version: "v1", Chain: wire.Chain{[]byte("certificate")}}

// sign is a signature that a test can recognise.
func sign(topic string, body []byte) ([]byte, error) {
	d := wire.SigningDigest(topic, body)
	return d[:], nil
}

var errForged = errors.New("forged")

func verify(d [32]byte, sig []byte) error {
	if !bytes.Equal(d[:], sig) {
		return errForged
	}
	return nil
}

var ack = wire.EncodeAck(wire.Ack{Incarnation: "x"}) // any payload will do

func whole(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := export.NewWriter(&b, manifest, sign)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []wire.Channel{wire.Replay, wire.Critical} {
		if err := w.Add(wire.GatewayTopic("dal-001", "gw-north", c), ack); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read reads everything of a file.
func read(file []byte) (n int, err error) {
	r, err := export.NewReader(bytes.NewReader(file), wire.Limits{})
	if err != nil {
		return 0, err
	}
	for {
		_, _, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n++
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	r, err := export.NewReader(bytes.NewReader(whole(t)), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Manifest; m.Venue != manifest.Venue || !m.Made.Equal(manifest.Made) || len(m.Chain) != 1 {
		t.Errorf("the manifest is %+v", m)
	}
	if err := r.Vouch(verify); err != nil {
		t.Error(err)
	}
	for _, want := range []wire.Channel{wire.Replay, wire.Critical} {
		topic, payload, err := r.Next()
		if err != nil || topic.Channel != want {
			t.Fatalf("%+v %v, want %s", topic, err, want)
		}
		body, trailer, signed, err := wire.SplitTrailer(payload)
		if err != nil || !signed || !bytes.Equal(body, ack) || trailer.Key != manifest.Chain.Key() {
			t.Fatalf("%+v %v %v", trailer, signed, err)
		}
		if err := verify(wire.SigningDigest(wire.GatewayTopic("dal-001", "gw-north", want), body), trailer.Signature); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %v", err)
	}
}

func TestEveryCutIsSeen(t *testing.T) {
	file := whole(t)
	for n := range file {
		if _, err := read(file[:n]); !errors.Is(err, export.ErrTruncated) && !errors.Is(err, export.ErrNotExport) {
			t.Fatalf("cut at byte %d of %d: %v", n, len(file), err)
		}
	}
}

func TestRefusals(t *testing.T) {
	file := whole(t)
	if _, err := read([]byte(strings.Repeat("x", 100))); !errors.Is(err, export.ErrNotExport) {
		t.Errorf("another file: %v", err)
	}
	forged := bytes.Replace(file, []byte(`"v1"`), []byte(`"v2"`), 1)
	r, err := export.NewReader(bytes.NewReader(forged), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Vouch(verify); !errors.Is(err, errForged) {
		t.Errorf("a changed manifest: %v", err)
	}
	other := bytes.Replace(file, []byte("dal-001/gw/gw-north/replay"), []byte("dal-001/gw/gw-south/replay"), 1)
	if _, err := read(other); !errors.Is(err, wire.ErrInvalid) {
		t.Errorf("something of another gateway: %v", err)
	}
	if n, err := func() (int, error) {
		r, err := export.NewReader(bytes.NewReader(file), wire.Limits{MaxFrameBytes: 1})
		if err != nil {
			return 0, err
		}
		_, p, err := r.Next()
		return len(p), err
	}(); err != nil || n == 0 {
		t.Errorf("a trailer counts for the frame's limit: %v", err)
	}
	large := bytes.Clone(file)
	at := bytes.Index(large, []byte("courtside/1/")) - 4
	copy(large[at:], []byte{0xff, 0xff, 0xff, 0x7f})
	if _, err := read(large); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("a payload of 2 GiB: %v", err)
	}
	for name, m := range map[string]export.Manifest{"no chain": {Venue: "a", Gateway: "b"}, "no venue": {Gateway: "b", Chain: manifest.Chain}, "a bad gateway": {Venue: "a", Gateway: "B", Chain: manifest.Chain}} {
		if _, err := export.NewWriter(io.Discard, m, sign); !errors.Is(err, wire.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := export.NewWriter(io.Discard, manifest, func(string, []byte) ([]byte, error) { return nil, errForged }); !errors.Is(err, errForged) {
		t.Errorf("a key that fails: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(whole(f))
	f.Add(whole(f)[:60])
	f.Add([]byte("courtside export 1\n\x02\x00\x00\x00{}\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if n, err := read(file); err == nil && len(file) < 6*n {
			t.Errorf("%d records in %d bytes", n, len(file))
		}
	})
}
