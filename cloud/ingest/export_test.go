package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/export"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// carriage is a gateway that exports and a cloud that imports.
type carriage struct {
	*fixture
	gateway, cloud *identity.Source
	id             identity.ID
}

func carry(t *testing.T) *carriage {
	ca := identitytest.New(t, "courtside.test")
	c := &carriage{fixture: start(t), id: ca.Gateway(string(venuetest.Venue), string(venuetest.Gateway))}
	c.gateway, c.cloud = identitytest.Open(t, ca, c.id), identitytest.Open(t, ca, ca.Aggregator())
	return c
}

// write makes an export of frames by channel.
func (c *carriage) write(by *identity.Source, frames map[wire.Channel][][]byte) []byte {
	c.t.Helper()
	signer, err := by.Signer()
	if err != nil {
		c.t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := export.NewWriter(&b, export.Manifest{Venue: venuetest.Venue, Gateway: venuetest.Gateway, Made: time.Now(), Chain: signer.Chain},
		func(topic string, body []byte) ([]byte, error) { return signer.Sign(wire.SigningDigest(topic, body)) })
	if err != nil {
		c.t.Fatal(err)
	}
	for ch, list := range frames {
		for _, f := range list {
			if err := w.Add(wire.GatewayTopic(venuetest.Venue, venuetest.Gateway, ch), f); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	return b.Bytes()
}

// take imports a file while the log syncs.
func (c *carriage) take(file []byte) (ingest.Imported, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
			c.log.sync()
		}
	}()
	out, err := c.in.Import(ctx, bytes.NewReader(file), c.now, func(m export.Manifest) (ingest.Witness, error) {
		w, err := c.cloud.Witness(m.Chain, m.Made, c.id)
		if err != nil {
			return nil, err // not a nil witness in an interface
		}
		return w, nil
	})
	cancel()
	<-done
	return out, err
}

// TestI1ImportIsTheSameBatch: what was carried by hand and what comes over the link later are one batch.
func TestI1ImportIsTheSameBatch(t *testing.T) {
	c := carry(t)
	one, two := c.batch(point.Telemetry, 0, 1), c.batch(point.Critical, 0, 1)
	file := c.write(c.gateway, map[wire.Channel][][]byte{wire.Replay: {one}, wire.Critical: {two}})
	out, err := c.take(file)
	if err != nil || out.Batches != 2 || out.Refused != 0 {
		t.Fatalf("%+v %v", out, err)
	}
	if out, err = c.take(file); err != nil || out.Batches != 0 || out.Duplicates != 2 {
		t.Errorf("a second time: %+v %v", out, err)
	}
	c.send(wire.Replay, one)
	if n := c.log.len(); n != 2 {
		t.Errorf("the log holds %d records after the same batch came over the link, want 2", n)
	}
}

func TestImportRefuses(t *testing.T) {
	c := carry(t)
	frame := c.batch(point.Telemetry, 0, 1)
	file := c.write(c.gateway, map[wire.Channel][][]byte{wire.Replay: {frame}})
	ca := identitytest.New(t, "courtside.test")
	stranger := identitytest.Open(t, ca, c.id)
	for name, f := range map[string]struct {
		file []byte
		want error
	}{
		"an authority that nobody knows": {c.write(stranger, map[wire.Channel][][]byte{wire.Replay: {frame}}), identity.ErrPeer},
		"a key of somebody else":         {c.write(c.cloud, map[wire.Channel][][]byte{wire.Replay: {frame}}), identity.ErrPeer},
		"another venue":                  {bytes.ReplaceAll(file, []byte(`"venue":"`+string(venuetest.Venue)), []byte(`"venue":"`+strings.Repeat("x", len(venuetest.Venue)))), nil},
		"a file cut off":                 {file[:len(file)-6], export.ErrTruncated},
	} {
		if _, err := c.take(f.file); err == nil || f.want != nil && !errors.Is(err, f.want) {
			t.Errorf("%s: %v, want %v", name, err, f.want)
		}
	}
	if n := c.log.len(); n != 1 {
		t.Fatalf("the log holds %d records, want the one of the file that is cut off", n)
	}
	wrong := c.write(c.gateway, map[wire.Channel][][]byte{wire.Critical: {c.batch(point.Telemetry, 1, 1)}, wire.StatusCh: {wire.EncodeAck(wire.Ack{})}})
	if out, err := c.take(wrong); err != nil || out.Refused != 2 || out.Reason == "" || out.Batches != 0 {
		t.Errorf("a lane on the wrong channel, and a status: %+v %v", out, err)
	}
	changed := c.write(c.gateway, map[wire.Channel][][]byte{wire.Replay: {c.batch(point.Telemetry, 2, 1)}})
	changed = bytes.Replace(changed, []byte("/replay"), []byte("/table/"), 1) // no such topic
	if _, err := c.take(changed); !errors.Is(err, wire.ErrInvalid) {
		t.Errorf("a topic that there is not: %v", err)
	}
	if n := c.log.len(); n != 1 {
		t.Errorf("the log holds %d records after what was refused, want 1", n)
	}
}
