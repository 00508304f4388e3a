package join

// Where an aggregator answers, below https://{address}. Both are POST with a JSON body; byte strings are base64 (RFC 4648, with padding).
const (
	EnrolPath = "/v1/enrol" // server's certificate pinned by the token; an Enrol, without a client certificate
	RenewPath = "/v1/renew" // mutual TLS under the SVID that is renewed; a Renew
)

// Sizes beyond which a message is refused unread.
const (
	MaxRequestBytes = 16 << 10 // a request with the largest key that is taken has 2 KiB
	MaxAnswerBytes  = 64 << 10 // a chain and a bundle of ten certificates each
)

// Enrol asks for the first SVID of a gateway.
type Enrol struct {
	Gateway string `json:"gateway"` // {venue}/{gateway}, which must be the token's
	Secret  []byte `json:"secret"`  // the token's
	CSR     []byte `json:"csr"`     // PKCS #10 in DER; its key and the proof that the asker has it count, nothing else
}

// Renew asks for a fresh SVID of the identity that the connection proves.
type Renew struct {
	CSR []byte `json:"csr"` // with a new key
}

// Answer is an SVID.
type Answer struct {
	SVID    [][]byte `json:"svid"`    // certificates in DER: the SVID, then its intermediates
	Bundle  [][]byte `json:"bundle"`  // certificates in DER: the trust domain's authorities
	Address string   `json:"address"` // where to renew, host:port
}

// Refusal is every other answer.
type Refusal struct {
	Reason Reason `json:"reason"`
	Detail string `json:"detail"` // for people
}

// Reason says why an SVID was refused; metrics count by it.
type Reason string

// The reasons.
const (
	BadRequest   Reason = "bad-request"   // the message cannot be read, or is too large
	BadKey       Reason = "bad-key"       // the CSR proves no key, or one that is too weak or of another kind
	UnknownToken Reason = "unknown-token" // nobody made it, or it was forgotten long after it ended
	UsedToken    Reason = "used-token"    // another key has used it: a second device, or a thief
	LapsedToken  Reason = "lapsed-token"  // it has expired
	RevokedToken Reason = "revoked-token" // it was taken back
	WrongGateway Reason = "wrong-gateway" // the token is another gateway's
	NotGranted   Reason = "not-granted"   // the aggregator's configuration does not name the gateway
	NoSVID       Reason = "no-svid"       // a renewal without a valid SVID of a gateway
	LapsedSVID   Reason = "lapsed-svid"   // its SVID expired too long ago
	Superseded   Reason = "superseded"    // a newer token has enrolled the gateway since
	Busy         Reason = "busy"          // too many requests; the header Retry-After says how long to wait
	Failed       Reason = "failed"        // the aggregator could not, for a reason of its own
)

// Passing reports whether the same request may succeed a little later without anybody's doing.
func (r Reason) Passing() bool { return r == Busy || r == Failed }
