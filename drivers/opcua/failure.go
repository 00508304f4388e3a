package opcua

import (
	"errors"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
)

// permanentError marks what only a person can mend.
type permanentError struct{ error }

// Unwrap returns the cause.
func (e permanentError) Unwrap() error { return e.error }

func permanent(err error) error { return permanentError{err} }

// failureOf says whether retrying is of use.
func failureOf(err error) drivers.Failure {
	if _, ok := errors.AsType[permanentError](err); ok {
		return drivers.Permanent
	}
	code, ok := errors.AsType[ua.StatusCode](err)
	if !ok {
		return drivers.Transient
	}
	switch code {
	case ua.StatusBadUserAccessDenied, ua.StatusBadIdentityTokenRejected, ua.StatusBadIdentityTokenInvalid,
		ua.StatusBadUserSignatureInvalid, ua.StatusBadApplicationSignatureInvalid,
		ua.StatusBadSecurityPolicyRejected, ua.StatusBadSecurityModeRejected, ua.StatusBadSecurityChecksFailed,
		ua.StatusBadCertificateInvalid, ua.StatusBadCertificateUntrusted, ua.StatusBadCertificateTimeInvalid, ua.StatusBadCertificateHostNameInvalid,
		ua.StatusBadCertificateURIInvalid, ua.StatusBadCertificateUseNotAllowed, ua.StatusBadCertificateRevoked, ua.StatusBadCertificateIssuerRevoked,
		ua.StatusBadCertificateChainIncomplete, ua.StatusBadServiceUnsupported, ua.StatusBadTCPEndpointURLInvalid:
		return drivers.Permanent
	}
	return drivers.Transient
}
