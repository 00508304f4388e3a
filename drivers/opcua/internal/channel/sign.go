package channel

import (
	"crypto/rsa"
	"encoding/binary"
	"slices"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// Signature signs the server's nonce for ActivateSession; it is empty without security.
func (c *Channel) Signature(nonce []byte) (*ua.SignatureData, error) {
	if !c.asym.sign {
		return &ua.SignatureData{}, nil
	}
	sig, err := c.asym.algo.Signature(slices.Concat(c.o.ServerCertificate, nonce))
	if err != nil {
		return nil, err
	}
	return &ua.SignatureData{Algorithm: c.asym.algo.SignatureURI(), Signature: sig}, nil
}

// Verify checks the signature with which the server proves, in CreateSession, that the certificate is its own.
func (c *Channel) Verify(nonce []byte, sig *ua.SignatureData) error {
	if !c.asym.sign {
		return nil
	}
	if sig == nil || c.asym.algo.VerifySignature(slices.Concat(c.o.Certificate, nonce), sig.Signature) != nil {
		return ua.StatusBadApplicationSignatureInvalid
	}
	return nil
}

// Proof signs the server's certificate and nonce under a policy with the key of a user's certificate.
func Proof(policy string, key *rsa.PrivateKey, serverCertificate, nonce []byte) (*ua.SignatureData, error) {
	remote, err := publicKey(serverCertificate)
	if err != nil {
		return nil, err
	}
	algo, err := uapolicy.Asymmetric(policy, key, remote)
	if err != nil {
		return nil, err
	}
	sig, err := algo.Signature(slices.Concat(serverCertificate, nonce))
	if err != nil {
		return nil, err
	}
	return &ua.SignatureData{Algorithm: algo.SignatureURI(), Signature: sig}, nil
}

// Secret encrypts a password for the server under a policy, the channel's own when it is empty, with the server's
// certificate. Under the policy None it returns the password as it is, without an algorithm.
func Secret(policy, password string, serverCertificate, nonce []byte) (secret []byte, algorithm string, err error) {
	if policy == ua.SecurityPolicyURINone {
		return []byte(password), "", nil
	}
	key, err := publicKey(serverCertificate)
	if err != nil {
		return nil, "", err
	}
	algo, err := uapolicy.Asymmetric(policy, nil, key)
	if err != nil {
		return nil, "", err
	}
	plain := binary.LittleEndian.AppendUint32(nil, uint32(len(password)+len(nonce)))
	plain = append(append(plain, password...), nonce...)
	if secret, err = algo.Encrypt(plain); err != nil {
		return nil, "", err
	}
	return secret, algo.EncryptionURI(), nil
}
