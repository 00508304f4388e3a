package wire

import (
	"encoding/json"
	"fmt"
	"time"
)

// Limits of what a status may say of keys.
const (
	MaxCloudStatusBytes = 128 << 10 // a cloud/status beyond is refused
	MaxChains           = 4         // the key in use, the one before it, and room
	MaxChainLength      = 8         // certificates
	maxCertificateBytes = 8 << 10
)

// Chain is a signer's certificates in DER, its own first, then its intermediates, without the authority.
type Chain [][]byte

// Key returns the id of the chain's key.
func (c Chain) Key() KeyID { return KeyIDOf(c[0]) }

// CloudStatus is what the aggregator announces on cloud/status, retained. It travels as JSON.
type CloudStatus struct {
	State       string    `json:"state" enum:"up,down"`
	Incarnation string    `json:"incarnation" doc:"of the aggregator's log"`
	Version     string    `json:"version,omitempty"`
	At          time.Time `json:"at,omitzero"`
	Chains      []Chain   `json:"chains,omitempty" doc:"of the keys that sign acks and commands: base64 of DER certificates; the first is in use"`
}

// DecodeCloudStatus reads a cloud/status within its limits. Certificates are bytes here; whether they are any, and whose, is for
// sync/identity to judge.
func DecodeCloudStatus(payload []byte) (CloudStatus, error) {
	var s CloudStatus
	if len(payload) > MaxCloudStatusBytes {
		return s, fmt.Errorf("decoding a cloud status: %w: %d bytes, at most %d are allowed", ErrTooLarge, len(payload), MaxCloudStatusBytes)
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return CloudStatus{}, fmt.Errorf("decoding a cloud status: %w: %v", ErrMalformed, err)
	}
	if err := CheckChains(s.Chains); err != nil {
		return CloudStatus{}, fmt.Errorf("decoding a cloud status: %w", err)
	}
	if err := checkText("incarnation", s.Incarnation, MaxTextBytes); err != nil {
		return CloudStatus{}, fmt.Errorf("decoding a cloud status: %w", err)
	}
	return s, nil
}

// CheckChains refuses more and longer chains than a status may hold, and empty ones.
func CheckChains(chains []Chain) error {
	if len(chains) > MaxChains {
		return fmt.Errorf("%w: %d chains, at most %d are allowed", ErrTooLarge, len(chains), MaxChains)
	}
	for i, c := range chains {
		if len(c) == 0 || len(c) > MaxChainLength {
			return fmt.Errorf("%w: chain %d of %d certificates, 1 to %d are allowed", ErrInvalid, i, len(c), MaxChainLength)
		}
		for _, der := range c {
			if len(der) == 0 || len(der) > maxCertificateBytes {
				return fmt.Errorf("%w: chain %d has a certificate of %d bytes, 1 to %d are allowed", ErrInvalid, i, len(der), maxCertificateBytes)
			}
		}
	}
	return nil
}
