package wire

import (
	"fmt"

	"github.com/courtside-edge/courtside/sync/contract"
	"github.com/courtside-edge/courtside/sync/point"
)

func ackShape() shape {
	return shape{2: {what: "durable ranges", max: MaxRanges}, 3: {what: "table hashes", max: MaxRanges}, 4: {what: "refusals", max: MaxRanges}}
}

// EncodeAck returns the payload of a. Empty ranges are left out, and so is what exceeds MaxRanges: it is acked
// when it is sent again. Reasons are cut to MaxTextBytes.
func EncodeAck(a Ack) []byte {
	c := &contract.Ack{Incarnation: text(a.Incarnation), CloudTimeUnix: unix(a.CloudTime), Credit: a.Credit, Inventory: a.Inventory}
	for _, r := range a.Durable {
		if r.From < r.To && len(c.Durable) < MaxRanges {
			c.Durable = append(c.Durable, &contract.Range{Epoch: r.Epoch[:], Lane: contract.Lane(r.Lane), From: r.From, To: r.To})
		}
	}
	for _, h := range a.Tables[:min(len(a.Tables), MaxRanges)] {
		c.Tables = append(c.Tables, h[:])
	}
	for _, r := range a.Refused[:min(len(a.Refused), MaxRanges)] {
		c.Refused = append(c.Refused, &contract.Refused{Epoch: r.Epoch[:], Lane: contract.Lane(r.Lane), Seq: r.Seq, Reason: text(r.Reason)})
	}
	return encodeControl(c)
}

// DecodeAck reads an ack, whole or not at all. Every range is of a known lane and an epoch that is not zero, and
// holds a seq at least; whether the epochs are the reader's own is for him to judge.
func DecodeAck(payload []byte) (Ack, error) {
	var c contract.Ack
	if err := decodeControl(payload, ackShape(), &c); err != nil {
		return Ack{}, fmt.Errorf("decoding an ack: %w", err)
	}
	a := Ack{Incarnation: c.Incarnation, CloudTime: timeOf(c.CloudTimeUnix), Credit: c.Credit, Inventory: c.Inventory}
	if err := checkText("incarnation", a.Incarnation, MaxTextBytes); err != nil {
		return Ack{}, fmt.Errorf("decoding an ack: %w", err)
	}
	for i, r := range c.Durable {
		d, err := rangeOf(r)
		if err != nil {
			return Ack{}, fmt.Errorf("decoding an ack: durable range %d: %w", i, err)
		}
		a.Durable = append(a.Durable, d)
	}
	for i, t := range c.Tables {
		h, err := from16("table hash", t)
		if err != nil {
			return Ack{}, fmt.Errorf("decoding an ack: table %d: %w", i, err)
		}
		a.Tables = append(a.Tables, h)
	}
	for i, r := range c.Refused {
		d, err := refusedOf(r)
		if err != nil {
			return Ack{}, fmt.Errorf("decoding an ack: refusal %d: %w", i, err)
		}
		a.Refused = append(a.Refused, d)
	}
	return a, nil
}

func rangeOf(c *contract.Range) (r Range, err error) {
	if r.Epoch, err = epochOf("epoch", c.Epoch); err != nil {
		return r, err
	}
	if r.Lane, err = laneOf(c.Lane); err != nil {
		return r, err
	}
	if r.From, r.To = c.From, c.To; r.From >= r.To {
		return r, fmt.Errorf("%w: seqs %d to %d", ErrInvalid, r.From, r.To)
	}
	return r, nil
}

func refusedOf(c *contract.Refused) (Refused, error) {
	epoch, err := epochOf("epoch", c.Epoch)
	if err != nil {
		return Refused{}, err
	}
	lane, err := laneOf(c.Lane)
	if err != nil {
		return Refused{}, err
	}
	return Refused{BatchID: point.BatchID{Epoch: epoch, Lane: lane, Seq: c.Seq}, Reason: c.Reason}, checkText("reason", c.Reason, MaxTextBytes)
}
