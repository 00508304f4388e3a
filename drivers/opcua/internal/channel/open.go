package channel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// opening is an OPN on its way.
type opening struct {
	nonce []byte
	done  chan error // gets the outcome
}

// renewAfter is the part of a token's life after which the next is asked for, as the specification has it.
const renewAfter = 0.75

// openToken asks for new keys and waits until they are in place. Nothing else is sent meanwhile: some
// servers, gopcua's among them, forget the old keys when they make the new ones.
func (c *Channel) openToken(ctx context.Context, kind ua.SecurityTokenRequestType) error {
	nonce, err := c.asym.algo.MakeNonce()
	if err != nil {
		return err
	}
	r, err := Encode(&ua.OpenSecureChannelRequest{
		RequestType:       kind,
		SecurityMode:      c.o.Mode,
		ClientNonce:       nonce,
		RequestedLifetime: uint32(c.o.Lifetime / time.Millisecond),
	})
	if err != nil {
		return err
	}
	op := &opening{nonce: nonce, done: make(chan error, 1)}
	c.mu.Lock()
	c.opening = op
	c.mu.Unlock()
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	out := make(chan Answer, 1)
	if _, err := c.sendLocked(ctx, r, nil, 0, out); err != nil {
		return fmt.Errorf("open a secure channel: %w", err)
	}
	select {
	case err = <-op.done:
	case a := <-out: // only the channel's end or an abort comes here
		err = a.Err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("open a secure channel: %w", err)
	}
	return nil
}

// openHeader returns the header of an OPN chunk.
func (c *Channel) openHeader(channel uint32) []byte {
	b := append(make([]byte, 0, 2048), "OPNF\x00\x00\x00\x00"...)
	b = binary.LittleEndian.AppendUint32(b, channel)
	b = appendBytes(b, []byte(c.o.Policy))
	if !c.asym.sign {
		return appendBytes(appendBytes(b, nil), nil)
	}
	b = appendBytes(b, c.o.Certificate)
	return appendBytes(b, uapolicy.Thumbprint(c.o.ServerCertificate))
}

func appendBytes(b, v []byte) []byte {
	if v == nil {
		return binary.LittleEndian.AppendUint32(b, 0xffffffff)
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
}

// opened puts the keys of an OPN's answer in place. It runs in the reader, so that no message can overtake them.
func (c *Channel) opened(channel uint32, body []byte) error {
	c.mu.Lock()
	op := c.opening
	c.opening = nil
	c.mu.Unlock()
	if op == nil {
		return errors.New("the server opened a channel that nobody asked for")
	}
	tok, err := c.newToken(op, channel, body)
	if err == nil {
		c.mu.Lock()
		c.id, c.previous, c.current = channel, c.current, tok
		c.mu.Unlock()
	}
	op.done <- err
	return err
}

func (c *Channel) newToken(op *opening, channel uint32, body []byte) (token, error) {
	resp, err := Decode[*ua.OpenSecureChannelResponse](body)
	if err != nil {
		return token{}, err
	}
	if resp.SecurityToken == nil || resp.SecurityToken.ChannelID != channel {
		return token{}, errors.New("the server's answer names another channel than its header")
	}
	if c.asym.sign && len(resp.ServerNonce) != c.asym.algo.NonceLength() {
		return token{}, fmt.Errorf("the server's nonce has %d bytes, %d are wanted", len(resp.ServerNonce), c.asym.algo.NonceLength())
	}
	algo, err := uapolicy.Symmetric(c.o.Policy, op.nonce, resp.ServerNonce)
	if err != nil {
		return token{}, err
	}
	life := time.Duration(resp.SecurityToken.RevisedLifetime) * time.Millisecond
	return token{
		id: resp.SecurityToken.TokenID,
		prot: protection{
			algo:    algo,
			sign:    c.o.Mode == ua.MessageSecurityModeSign || c.o.Mode == ua.MessageSecurityModeSignAndEncrypt,
			encrypt: c.o.Mode == ua.MessageSecurityModeSignAndEncrypt,
		},
		life:  max(min(life, c.o.Lifetime), minLifetime),
		valid: true,
	}, nil
}

// renew asks for new keys before the old ones expire, as long as the channel lives.
func (c *Channel) renew() {
	for {
		c.mu.Lock()
		life := c.current.life
		c.mu.Unlock()
		t := time.NewTimer(time.Duration(float64(life) * renewAfter))
		select {
		case <-t.C:
		case <-c.lost:
			t.Stop()
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(float64(life)*(1-renewAfter)))
		err := c.openToken(ctx, ua.SecurityTokenRequestTypeRenew)
		cancel()
		if err != nil {
			c.fail(fmt.Errorf("renew the keys: %w", err))
			return
		}
	}
}
