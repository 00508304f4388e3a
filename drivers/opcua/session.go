package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers/opcua/internal/channel"
)

const (
	sessionTimeout = 60 * time.Second       // a server forgets us after that much silence
	goodbye        = 100 * time.Millisecond // for the server to take back a session
	nonceSize      = 32
	applicationURI = "urn:courtside:gateway" // when our certificate names none
	maxResponse    = 8 << 20                 // bytes; the channel takes no longer message
)

// session is an activated session on a channel.
type session struct {
	ch   *channel.Channel
	auth []byte // the encoded authentication token
}

// logIn creates and activates a session.
func logIn(ctx context.Context, ch *channel.Channel, o *options, creds *credentials, serverCert []byte) (*session, error) {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	uri := creds.uri
	if uri == "" {
		uri = applicationURI
	}
	resp, err := call[*ua.CreateSessionResponse](ctx, ch, nil, &ua.CreateSessionRequest{
		ClientDescription: &ua.ApplicationDescription{
			ApplicationURI: uri, ApplicationName: ua.NewLocalizedText("Courtside gateway"), ApplicationType: ua.ApplicationTypeClient,
		},
		EndpointURL:             o.Endpoint,
		SessionName:             "courtside",
		ClientNonce:             nonce,
		ClientCertificate:       creds.cert,
		RequestedSessionTimeout: float64(sessionTimeout / time.Millisecond),
		MaxResponseMessageSize:  maxResponse,
	})
	if err != nil {
		return nil, fmt.Errorf("create a session: %w", err)
	}
	if o.secure() {
		if !bytes.Equal(resp.ServerCertificate, serverCert) {
			return nil, permanent(errors.New("create a session: the server names another certificate than its endpoint"))
		}
		if err := ch.Verify(nonce, resp.ServerSignature); err != nil {
			return nil, fmt.Errorf("create a session: the server's proof of its certificate: %w", err)
		}
	}
	s := &session{ch: ch}
	if s.auth, err = ua.Encode(resp.AuthenticationToken); err != nil {
		return nil, fmt.Errorf("create a session: %w", err)
	}
	user, proof, err := identityToken(o, creds, resp, serverCert)
	if err != nil {
		return nil, err
	}
	sig, err := ch.Signature(resp.ServerNonce)
	if err != nil {
		return nil, fmt.Errorf("sign the session: %w", err)
	}
	_, err = call[*ua.ActivateSessionResponse](ctx, ch, s.auth, &ua.ActivateSessionRequest{
		ClientSignature:    sig,
		LocaleIDs:          []string{"en"},
		UserIdentityToken:  ua.NewExtensionObject(user),
		UserTokenSignature: proof,
	})
	if err != nil {
		return nil, fmt.Errorf("activate the session as %s: %w", who(o), err)
	}
	return s, nil
}

func who(o *options) string {
	switch {
	case o.Login.CertFile != "":
		return "the certificate of " + o.Login.CertFile
	case o.Login.User != "":
		return fmt.Sprintf("%q", o.Login.User)
	}
	return "anonymous"
}

// tokenOf returns the way in which the server's endpoint wants to be told who we are, or nil, and the certificate of the endpoint.
func tokenOf(o *options, kind ua.UserTokenType, resp *ua.CreateSessionResponse) (token *ua.UserTokenPolicy, cert []byte) {
	for _, e := range resp.ServerEndpoints {
		if e.SecurityPolicyURI != o.policy() || e.SecurityMode != o.securityMode() {
			continue
		}
		for _, t := range e.UserIdentityTokens {
			if t.TokenType == kind && token == nil {
				token = t
			}
		}
		if cert == nil {
			cert = e.ServerCertificate
		}
	}
	return token, cert
}

// identityToken says who we are in the way that the server's endpoint asks for, and proves it where that needs a signature.
func identityToken(o *options, creds *credentials, resp *ua.CreateSessionResponse, serverCert []byte) (any, *ua.SignatureData, error) {
	kind, unsigned := ua.UserTokenTypeAnonymous, &ua.SignatureData{}
	if o.Login.User != "" {
		kind = ua.UserTokenTypeUserName
	} else if creds.userCert != nil {
		kind = ua.UserTokenTypeCertificate
	}
	t, cert := tokenOf(o, kind, resp)
	if len(serverCert) == 0 {
		serverCert = cert
	}
	if t == nil {
		switch {
		case kind == ua.UserTokenTypeUserName:
			return nil, nil, permanent(errors.New("the server takes no user and password; leave login out"))
		case kind == ua.UserTokenTypeCertificate:
			return nil, nil, permanent(errors.New("the server takes no user's certificate; use login: {user, password_file}, or leave login out"))
		case len(resp.ServerEndpoints) > 0:
			return nil, nil, permanent(errors.New("the server admits nobody anonymously; set login"))
		}
		return &ua.AnonymousIdentityToken{PolicyID: "anonymous"}, unsigned, nil // what most servers call it, should this one not say
	}
	policy := t.SecurityPolicyURI
	if policy == "" {
		policy = o.policy()
	}
	switch kind {
	case ua.UserTokenTypeUserName:
		secret, algorithm, err := channel.Secret(policy, creds.password, serverCert, resp.ServerNonce)
		if err != nil {
			return nil, nil, permanent(fmt.Errorf("encrypt the password of %q: %w", o.Login.User, err))
		}
		return &ua.UserNameIdentityToken{PolicyID: t.PolicyID, UserName: o.Login.User, Password: secret, EncryptionAlgorithm: algorithm}, unsigned, nil
	case ua.UserTokenTypeCertificate:
		proof, err := channel.Proof(policy, creds.userKey, serverCert, resp.ServerNonce)
		if err != nil {
			return nil, nil, permanent(fmt.Errorf("sign with the key of %s: %w", o.Login.CertFile, err))
		}
		return &ua.X509IdentityToken{PolicyID: t.PolicyID, CertificateData: creds.userCert}, proof, nil
	}
	return &ua.AnonymousIdentityToken{PolicyID: t.PolicyID}, unsigned, nil
}

// close gives the session back, if the server takes it at once, and closes the channel.
func (s *session) close() error {
	if s.ch.Err() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		_, _ = call[*ua.CloseSessionResponse](ctx, s.ch, s.auth, &ua.CloseSessionRequest{DeleteSubscriptions: true})
	}
	return s.ch.Close()
}
