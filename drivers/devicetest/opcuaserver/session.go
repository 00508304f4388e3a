package opcuaserver

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// nonceSize is the length of a session's nonces in bytes.
const nonceSize = 32

// session is one client's session. Server.mu guards it.
type session struct {
	id, token  *ua.NodeID
	nonce      []byte
	clientCert []byte
	active     bool
	publishes  []publish // PublishRequests that wait for something to say, oldest first
}

// policies are the security policies that a server with a certificate offers.
func policies() []string {
	return []string{ua.SecurityPolicyURIBasic256Sha256, ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss}
}

func (s *Server) endpoints(url string) []*ua.EndpointDescription {
	var all []*ua.EndpointDescription
	add := func(policy string, mode ua.MessageSecurityMode) {
		all = append(all, &ua.EndpointDescription{
			EndpointURL: url,
			Server: &ua.ApplicationDescription{
				ApplicationURI:  DefaultNamespace,
				ApplicationName: ua.NewLocalizedText("Courtside device server"),
				ApplicationType: ua.ApplicationTypeServer,
				DiscoveryURLs:   []string{url},
			},
			ServerCertificate:   s.opts.Certificate,
			SecurityMode:        mode,
			SecurityPolicyURI:   policy,
			UserIdentityTokens:  s.tokens(policy),
			TransportProfileURI: "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary",
			SecurityLevel:       uapolicy.SecurityLevel(policy, mode),
		})
	}
	if !s.opts.SecureOnly {
		add(ua.SecurityPolicyURINone, ua.MessageSecurityModeNone)
	}
	if s.opts.Key != nil {
		for _, p := range policies() {
			add(p, ua.MessageSecurityModeSign)
			add(p, ua.MessageSecurityModeSignAndEncrypt)
		}
	}
	return all
}

func (s *Server) tokens(policy string) []*ua.UserTokenPolicy {
	if s.opts.Users == nil && s.opts.UserCertificates == nil {
		return []*ua.UserTokenPolicy{{PolicyID: "anonymous", TokenType: ua.UserTokenTypeAnonymous}}
	}
	if policy == ua.SecurityPolicyURINone && s.opts.Key != nil {
		policy = ua.SecurityPolicyURIBasic256Sha256 // a password is never sent in the clear if that can be avoided
	}
	var tokens []*ua.UserTokenPolicy
	if s.opts.Users != nil {
		tokens = append(tokens, &ua.UserTokenPolicy{PolicyID: "user", TokenType: ua.UserTokenTypeUserName, SecurityPolicyURI: policy})
	}
	if s.opts.UserCertificates != nil {
		tokens = append(tokens, &ua.UserTokenPolicy{PolicyID: "certificate", TokenType: ua.UserTokenTypeCertificate, SecurityPolicyURI: policy})
	}
	return tokens
}

func (c *connection) getEndpoints(req *ua.GetEndpointsRequest) (ua.Response, error) {
	return &ua.GetEndpointsResponse{ResponseHeader: header(req, ua.StatusOK), Endpoints: c.run.srv.endpoints(c.run.url())}, nil
}

func (r *listening) url() string { return "opc.tcp://" + r.l.Addr().String() }

func (c *connection) createSession(req *ua.CreateSessionRequest) (ua.Response, error) {
	s := c.run.srv
	offered := false
	for _, e := range s.endpoints("") {
		offered = offered || e.SecurityPolicyURI == c.cfg.SecurityPolicyURI && e.SecurityMode == c.cfg.SecurityMode
	}
	if !offered {
		return nil, ua.StatusBadSecurityPolicyRejected
	}
	sess := &session{nonce: nonce(), clientCert: req.ClientCertificate}
	sig, alg, err := c.sc.NewSessionSignature(req.ClientCertificate, req.ClientNonce)
	if err != nil {
		return nil, ua.StatusBadSecurityChecksFailed
	}
	s.mu.Lock()
	sess.id = ua.NewNumericNodeID(1, s.newID())
	sess.token = ua.NewByteStringNodeID(0, nonce())
	s.sessions[sess.token.String()] = sess
	s.counts.Sessions++
	s.mu.Unlock()
	return &ua.CreateSessionResponse{
		ResponseHeader:        header(req, ua.StatusOK),
		SessionID:             sess.id,
		AuthenticationToken:   sess.token,
		RevisedSessionTimeout: req.RequestedSessionTimeout,
		ServerNonce:           sess.nonce,
		ServerCertificate:     s.opts.Certificate,
		ServerEndpoints:       s.endpoints(c.run.url()),
		ServerSignature:       &ua.SignatureData{Algorithm: alg, Signature: sig},
	}, nil
}

func (c *connection) activateSession(req *ua.ActivateSessionRequest) (ua.Response, error) {
	s := c.run.srv
	s.mu.Lock()
	sess := s.sessions[token(req)]
	s.mu.Unlock()
	if sess == nil {
		return nil, ua.StatusBadSessionIDInvalid
	}
	if err := c.sc.VerifySessionSignature(sess.clientCert, sess.nonce, req.ClientSignature.Signature); err != nil {
		return nil, ua.StatusBadApplicationSignatureInvalid
	}
	if err := s.admit(c.cfg.SecurityPolicyURI, sess, req); err != nil {
		return nil, err
	}
	s.mu.Lock()
	sess.active = true
	sess.nonce = nonce()
	next := sess.nonce
	s.mu.Unlock()
	return &ua.ActivateSessionResponse{ResponseHeader: header(req, ua.StatusOK), ServerNonce: next}, nil
}

// admit checks the user of an ActivateSession request.
func (s *Server) admit(policy string, sess *session, req *ua.ActivateSessionRequest) error {
	if s.opts.Users == nil && s.opts.UserCertificates == nil {
		return nil
	}
	var value any
	if eo := req.UserIdentityToken; eo != nil {
		value = eo.Value
	}
	if tok, ok := value.(*ua.X509IdentityToken); ok {
		return s.admitCertificate(policy, sess, tok, req.UserTokenSignature)
	}
	tok, ok := value.(*ua.UserNameIdentityToken)
	if !ok {
		return ua.StatusBadIdentityTokenRejected
	}
	password, err := s.password(sess, tok)
	if err != nil {
		return ua.StatusBadIdentityTokenInvalid
	}
	if want, ok := s.opts.Users[tok.UserName]; !ok || want != password {
		return ua.StatusBadUserAccessDenied
	}
	return nil
}

// admitCertificate checks that a user holds a certificate that is admitted.
func (s *Server) admitCertificate(policy string, sess *session, tok *ua.X509IdentityToken, proof *ua.SignatureData) error {
	if !slices.ContainsFunc(s.opts.UserCertificates, func(c []byte) bool { return bytes.Equal(c, tok.CertificateData) }) {
		return ua.StatusBadUserAccessDenied
	}
	cert, err := x509.ParseCertificate(tok.CertificateData)
	if err != nil || proof == nil {
		return ua.StatusBadIdentityTokenInvalid
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return ua.StatusBadIdentityTokenInvalid
	}
	algo, err := uapolicy.Asymmetric(policy, s.opts.Key, key)
	if err != nil || proof.Algorithm != algo.SignatureURI() || algo.VerifySignature(slices.Concat(s.opts.Certificate, sess.nonce), proof.Signature) != nil {
		return ua.StatusBadUserSignatureInvalid
	}
	return nil
}

// password returns the password of a token, decrypted with the server's key when it was encrypted.
func (s *Server) password(sess *session, tok *ua.UserNameIdentityToken) (string, error) {
	if tok.EncryptionAlgorithm == "" {
		return string(tok.Password), nil
	}
	policy := ua.SecurityPolicyURIBasic256Sha256
	if strings.HasSuffix(tok.EncryptionAlgorithm, "rsa-oaep-sha2-256") {
		policy = ua.SecurityPolicyURIAes256Sha256RsaPss
	}
	algo, err := uapolicy.Asymmetric(policy, s.opts.Key, nil)
	if err != nil {
		return "", err
	}
	plain, err := algo.Decrypt(tok.Password)
	if err != nil {
		return "", err
	}
	if len(plain) < 4 || int64(binary.LittleEndian.Uint32(plain)) != int64(len(plain)-4) || len(plain) < 4+len(sess.nonce) {
		return "", ua.StatusBadIdentityTokenInvalid
	}
	return string(plain[4 : len(plain)-len(sess.nonce)]), nil
}

func (c *connection) closeSession(req *ua.CloseSessionRequest) (ua.Response, error) {
	s := c.run.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[token(req)]
	if sess == nil {
		return nil, ua.StatusBadSessionIDInvalid
	}
	delete(s.sessions, token(req))
	for id, sub := range s.subs {
		if sub.owner == sess && req.DeleteSubscriptions {
			sub.stop()
			delete(s.subs, id)
		}
	}
	return &ua.CloseSessionResponse{ResponseHeader: header(req, ua.StatusOK)}, nil
}

func token(req ua.Request) string { return req.Header().AuthenticationToken.String() }

func nonce() []byte {
	b := make([]byte, nonceSize)
	rand.Read(b)
	return b
}
