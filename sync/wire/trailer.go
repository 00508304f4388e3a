package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// KeyID names the key of a signature: the first 16 bytes of the SHA-256 of the signer's certificate in DER.
type KeyID [16]byte

// KeyIDOf returns the id of the key that a certificate in DER certifies.
func KeyIDOf(certificate []byte) KeyID {
	sum := sha256.Sum256(certificate)
	return KeyID(sum[:16])
}

// String returns the id in hexadecimal.
func (k KeyID) String() string { return hex.EncodeToString(k[:]) }

// ParseKeyID reads what String wrote.
func ParseKeyID(s string) (k KeyID, err error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(k) {
		return k, fmt.Errorf("%w: key id %.40q is not 32 hexadecimal digits", ErrInvalid, s)
	}
	return KeyID(raw), nil
}

// Trailer is what may follow a payload: who vouches for it.
type Trailer struct {
	Key       KeyID
	Signature []byte // over SigningDigest; ECDSA in ASN.1, or Ed25519
}

// trailerVersion begins a trailer's content.
const trailerVersion = 1

// trailerHead is magic, length, version and key id.
const trailerHead = 8 + 1 + len(KeyID{})

// AppendTrailer returns payload, which has none, with a trailer behind it. A signature that does not fit is a fault of the caller and panics.
func AppendTrailer(payload []byte, t Trailer) []byte {
	n := trailerHead - 8 + len(t.Signature)
	if len(t.Signature) == 0 || n > maxTrailer {
		panic(fmt.Sprintf("wire: a signature of %d bytes", len(t.Signature)))
	}
	le := binary.LittleEndian
	out := make([]byte, 0, len(payload)+8+n)
	out = append(out, payload...)
	out = le.AppendUint32(out, trailerMagic)
	out = le.AppendUint32(out, uint32(n))
	out = append(out, trailerVersion)
	out = append(out, t.Key[:]...)
	return append(out, t.Signature...)
}

// SplitTrailer takes a payload apart into what is signed and its trailer; signed is false for a payload without one, whose body
// is the whole. It inflates nothing and checks structure only. A trailer of a later version is refused: who wants a signature
// must understand it, and who does not want one need not call this.
func SplitTrailer(payload []byte) (body []byte, t Trailer, signed bool, err error) {
	at := 0
	if len(payload) >= 4 && binary.LittleEndian.Uint32(payload) == headerMagic {
		if len(payload) < HeaderSize {
			return nil, t, false, fmt.Errorf("looking for a trailer: %w: %d bytes", ErrTruncated, len(payload))
		}
		at = HeaderSize
	}
	z, err := scanFrame(payload[at:])
	if err != nil {
		return nil, t, false, fmt.Errorf("looking for a trailer: %w", err)
	}
	body, rest := payload[:at+z.size], payload[at+z.size:]
	if err := checkTrailer(rest); err != nil {
		return nil, t, false, fmt.Errorf("looking for a trailer: %w", err)
	}
	if len(rest) == 0 {
		return body, t, false, nil
	}
	if len(rest) <= trailerHead {
		return nil, t, false, fmt.Errorf("reading a trailer of %d bytes: %w", len(rest), ErrTruncated)
	}
	if v := rest[8]; v != trailerVersion {
		return nil, t, false, fmt.Errorf("reading a trailer: %w: %d, %d is spoken here", ErrVersion, v, trailerVersion)
	}
	return body, Trailer{Key: KeyID(rest[9:trailerHead]), Signature: rest[trailerHead:]}, true, nil
}

// signingContext keeps signatures of this protocol apart from all others of the same key, TLS's above all.
const signingContext = "courtside/1 payload\n"

// SigningDigest returns what is signed of a payload without trailer that is published to topic: the SHA-256 over a context, the topic
// behind its length as 16 bits, and the payload. The topic binds it to its venue, gateway and channel.
func SigningDigest(topic string, body []byte) [32]byte {
	h := sha256.New()
	_, _ = h.Write([]byte(signingContext)) // never fails, nor do those below
	_, _ = h.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(topic))))
	_, _ = h.Write([]byte(topic))
	_, _ = h.Write(body)
	return [32]byte(h.Sum(nil))
}
