package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/courtside-edge/courtside/cloud/fingerprint"
	"github.com/courtside-edge/courtside/sync/export"
	"github.com/courtside-edge/courtside/sync/wire"
)

// Imported is what became of an export.
type Imported struct {
	Gateway    Gateway
	Made       time.Time // on the gateway's clock
	Batches    int       // that went into the log and are durable
	Duplicates int       // that were durable already
	Tables     int       // parts of point tables
	Refused    int       // whose signature, name or form is wrong
	Reason     string    // of the first that was refused
}

// Witness judges what an export's signer signed.
type Witness interface {
	Verify(digest [32]byte, signature []byte) error
}

// importStride is how many bytes of an import may wait for the disk, so that a file of gigabytes needs no memory.
const importStride = 16 << 20

// Import takes in an export that somebody carried here. Its signatures stand in place of the broker's word: witness says whether the manifest's
// chain counts, and every record is verified by it. What is accepted goes the way of every batch, so that nothing counts twice, and is
// acknowledged to the gateway when it is next connected. When Import returns without an error, all that it counts is durable.
func (in *Ingest) Import(ctx context.Context, file io.Reader, received time.Time, witness func(export.Manifest) (Witness, error)) (out Imported, err error) {
	r, err := export.NewReader(file, in.o.Limits)
	if err != nil {
		return out, err
	}
	m := r.Manifest
	out.Gateway, out.Made = Gateway{m.Venue, m.Gateway}, m.Made
	in.mu.Lock()
	gw := in.gateways[out.Gateway]
	in.mu.Unlock()
	if gw == nil {
		return out, fmt.Errorf("an export of gateway %s of venue %s: the configuration does not know it", m.Gateway, m.Venue)
	}
	w, err := witness(m)
	if err != nil {
		return out, err
	}
	if err := r.Vouch(w.Verify); err != nil {
		return out, err
	}
	waiting := 0
	for {
		t, payload, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, in.settled(ctx)
		}
		if err != nil { // what came before it stands
			return out, errors.Join(err, in.settled(ctx))
		}
		in.importOne(gw, t, payload, received, w, &out)
		if waiting += len(payload); waiting >= importStride {
			waiting = 0
			if err := in.settled(ctx); err != nil {
				return out, err
			}
		}
	}
}

// importOne takes in one record.
func (in *Ingest) importOne(gw *gateway, t wire.Topic, payload []byte, received time.Time, w Witness, out *Imported) {
	reason, err := in.carried(gw, t, payload, received, w, out)
	if err != nil {
		in.refuse(t, reason, err)
		if out.Refused++; out.Reason == "" {
			out.Reason = err.Error()
		}
	}
}

func (in *Ingest) carried(gw *gateway, t wire.Topic, payload []byte, received time.Time, w Witness, out *Imported) (reason string, err error) {
	body, trailer, signed, err := wire.SplitTrailer(payload)
	if err != nil {
		return wire.Reason(err), err
	}
	if !signed {
		return "unsigned", errUnsigned
	}
	switch t.Channel {
	case wire.Replay, wire.Critical:
		if err := w.Verify(wire.SigningDigest(wire.GatewayTopic(t.Venue, t.Gateway, t.Channel), body), trailer.Signature); err != nil {
			return "signature", err
		}
		h, reason, err := in.formed(t, payload)
		if err != nil {
			return reason, err
		}
		_, fresh, reason, err := in.takeBatch(delayed{gw: gw, topic: t, header: h, print: fingerprint.Of(payload), payload: payload, received: received})
		if err != nil {
			return reason, err
		}
		if fresh {
			out.Batches++
		} else {
			out.Duplicates++
		}
		return "", nil
	case wire.Table:
		if err := w.Verify(wire.SigningDigest(wire.TableTopic(t.Venue, t.Gateway, t.Hash, t.Part), body), trailer.Signature); err != nil {
			return "signature", err
		}
		out.Tables++
		in.handleTable(gw, t, body, received)
		return "", nil
	}
	return "wrong-channel", fmt.Errorf("an export holds batches and point tables, and nothing for %s", t.Channel)
}

// settled waits until everything that was appended is durable and known as such.
func (in *Ingest) settled(ctx context.Context) error {
	_, next := in.o.Log.Bounds()
	for {
		moved := in.o.Log.Watch()
		if err := in.o.Log.Err(); err != nil {
			return fmt.Errorf("the log failed: %w", err)
		}
		if in.o.Log.Synced() >= next {
			in.Settle()
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the log's disk: %w", ctx.Err())
		}
	}
}
