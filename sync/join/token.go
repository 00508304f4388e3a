package join

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/courtside-edge/courtside/sync/point"
)

// ErrToken is what every refused text of a token wraps.
var ErrToken = errors.New("not a join token")

const (
	// Prefix begins every token of this version.
	Prefix = "courtside-join-1."
	family = "courtside-join-"

	// MaxTokenBytes is the longest text that is read as a token; four names of full length make less.
	MaxTokenBytes = 2048

	secretBytes   = 32
	checksumBytes = 4
)

// Token is the right to become one gateway.
type Token struct {
	Address        string // host:port of the aggregator's enrolment
	TrustDomain    string
	Venue, Gateway point.ID
	Secret         [secretBytes]byte
	Authority      [sha256.Size]byte // SHA-256 of the authority's certificate in DER
}

// Parse reads a token. Blanks and line ends around it do not matter. Its error wraps ErrToken and never shows the secret.
func Parse(text string) (Token, error) {
	if len(text) > MaxTokenBytes {
		return Token{}, fmt.Errorf("%w: %d bytes, at most %d are read", ErrToken, len(text), MaxTokenBytes)
	}
	line := strings.TrimSpace(text)
	body, ok := strings.CutPrefix(line, Prefix)
	if !ok {
		if version, _, cut := strings.Cut(strings.TrimPrefix(line, family), "."); strings.HasPrefix(line, family) && cut && len(version) <= 4 {
			return Token{}, fmt.Errorf("%w: version %q, 1 is known here", ErrToken, version)
		}
		return Token{}, fmt.Errorf("%w: it does not begin with %q", ErrToken, Prefix)
	}
	if strings.ContainsAny(body, "\r\n") { // base64 would pass over them
		return Token{}, fmt.Errorf("%w: it is one line", ErrToken)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return Token{}, fmt.Errorf("%w: a character slipped, or the end is missing", ErrToken)
	}
	if len(raw) < checksumBytes || !bytes.Equal(checksum(raw[:len(raw)-checksumBytes]), raw[len(raw)-checksumBytes:]) {
		return Token{}, fmt.Errorf("%w: its checksum is wrong; a character slipped, or the end is missing", ErrToken)
	}
	return decode(raw[:len(raw)-checksumBytes])
}

// decode reads what the checksum covers.
func decode(raw []byte) (Token, error) {
	var names [4]string
	for i := range names {
		if len(raw) == 0 || len(raw) <= int(raw[0]) {
			return Token{}, fmt.Errorf("%w: it ends too early", ErrToken)
		}
		names[i], raw = string(raw[1:1+raw[0]]), raw[1+raw[0]:]
	}
	t := Token{Address: names[0], TrustDomain: names[1], Venue: point.ID(names[2]), Gateway: point.ID(names[3])}
	if len(raw) != len(t.Secret)+len(t.Authority) {
		return Token{}, fmt.Errorf("%w: its length is wrong", ErrToken)
	}
	copy(t.Secret[:], raw)
	copy(t.Authority[:], raw[len(t.Secret):])
	return t, t.check()
}

// check reports what is no name in t.
func (t Token) check() error {
	if err := CheckAddress(t.Address); err != nil {
		return fmt.Errorf("%w: address: %w", ErrToken, err)
	}
	if !isDomain(t.TrustDomain) {
		return fmt.Errorf("%w: %.64q is no trust domain", ErrToken, t.TrustDomain)
	}
	for _, id := range []point.ID{t.Venue, t.Gateway} {
		if _, err := point.ParseID(string(id)); err != nil {
			return fmt.Errorf("%w: %w", ErrToken, err)
		}
	}
	return nil
}

// isDomain reports whether s can be the name of a trust domain.
func isDomain(s string) bool {
	return s != "" && len(s) <= 255 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

// CheckAddress returns why s is not the host:port that a gateway can dial.
func CheckAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(s) > 255 {
		return fmt.Errorf("%.64q is not host:port", s)
	}
	for _, c := range []byte(host) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("/?#@\\\"<>^`{|}", c) >= 0 {
			return fmt.Errorf("%.64q is not host:port", s)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%.8q is not a port, 1 to 65535", port)
	}
	return nil
}

// Encode returns the line that Parse reads. Its error says which of the names is none.
func (t Token) Encode() (string, error) {
	if err := t.check(); err != nil {
		return "", err
	}
	var raw []byte
	for _, name := range []string{t.Address, t.TrustDomain, string(t.Venue), string(t.Gateway)} {
		raw = append(append(raw, byte(len(name))), name...)
	}
	raw = append(append(raw, t.Secret[:]...), t.Authority[:]...)
	return Prefix + base64.RawURLEncoding.EncodeToString(append(raw, checksum(raw)...)), nil
}

func checksum(raw []byte) []byte {
	sum := sha256.Sum256(raw)
	return sum[:checksumBytes]
}

// ID names the token in lists and logs; it says nothing of the secret.
func (t Token) ID() string { return IDOf(HashSecret(t.Secret[:])) }

// HashSecret returns what an aggregator keeps of a secret. It has 256 random bits, so that its plain hash gives nothing away.
func HashSecret(secret []byte) [sha256.Size]byte { return sha256.Sum256(secret) }

// IDOf returns the id of the token whose secret has this hash.
func IDOf(hash [sha256.Size]byte) string { return hex.EncodeToString(hash[:6]) }

// String names the token without its secret.
func (t Token) String() string { return fmt.Sprintf("token %s of %s/%s", t.ID(), t.Venue, t.Gateway) }

// LogValue implements slog.LogValuer; it shows no secret.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// GoString implements fmt.GoStringer; it shows no secret.
func (t Token) GoString() string { return t.String() }
