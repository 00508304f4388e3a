package enrol

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

// askPatience bounds one exchange, connecting and handshake included.
const askPatience = 30 * time.Second

// refused is the aggregator's no.
type refused struct {
	join.Refusal
	after time.Duration // not to ask before; 0 for no wish
}

func (r *refused) Error() string {
	return fmt.Sprintf("the aggregator refuses: %s: %.300s", r.Reason, r.Detail)
}

// request returns a PKCS #10 request that proves key and names nobody: the aggregator knows who asks.
func request(key crypto.Signer) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

// ask sends one request and returns the answer.
func ask(ctx context.Context, secure *tls.Config, address, path string, in any) (a join.Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	raw, err := json.Marshal(in)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, bytes.NewReader(raw))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return a, fmt.Errorf("asking the aggregator: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, join.MaxAnswerBytes+1))
	switch {
	case err != nil:
		return a, fmt.Errorf("reading the aggregator's answer: %w", err)
	case len(body) > join.MaxAnswerBytes:
		return a, fmt.Errorf("reading the aggregator's answer: it has more than %d bytes", join.MaxAnswerBytes)
	case resp.StatusCode != http.StatusOK:
		no := &refused{}
		if json.Unmarshal(body, &no.Refusal) != nil || no.Reason == "" {
			no.Reason, no.Detail = join.Failed, resp.Status
		}
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			no.after = min(time.Duration(n)*time.Second, longest)
		}
		return a, no
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("reading the aggregator's answer: %w", err)
	}
	return a, nil
}

// enrol uses a token.
func (e *Enrolment) enrol(ctx context.Context, t join.Token) error {
	secure, err := identity.PinnedTLS(t.TrustDomain, t.Authority, e.o.Clock)
	if err != nil {
		return err
	}
	key, err := e.files.pending(t.ID())
	if err != nil {
		return fmt.Errorf("keeping the key to enrol with: %w", err)
	}
	csr, err := request(key)
	if err != nil {
		return err
	}
	a, err := ask(ctx, secure, t.Address, join.EnrolPath, join.Enrol{Gateway: string(t.Venue) + "/" + string(t.Gateway), Secret: t.Secret[:], CSR: csr})
	if err != nil {
		return err
	}
	return e.take(a, key, record{Token: t.ID(), Address: t.Address})
}

// renew renews what is held, with a new key.
func (e *Enrolment) renew(ctx context.Context, h *held) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	csr, err := request(key)
	if err != nil {
		return err
	}
	a, err := ask(ctx, e.o.Source.RenewTLS(), h.Address, join.RenewPath, join.Renew{CSR: csr})
	if err != nil {
		return err
	}
	return e.take(a, key, h.record)
}

// take checks what came and makes it what is held.
func (e *Enrolment) take(a join.Answer, key crypto.Signer, r record) error {
	if err := (identity.Issued{Chain: a.SVID, Bundle: a.Bundle}).Check(e.o.ID, key.Public()); err != nil {
		return fmt.Errorf("the aggregator's answer is not used: %w", err)
	}
	if join.CheckAddress(a.Address) == nil {
		r.Address = a.Address
	}
	if err := e.files.keep(a, key, r); err != nil {
		return fmt.Errorf("keeping the SVID: %w", err)
	}
	return nil
}
