package enrol

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

// Status is how an enrolment stands.
type Status struct {
	Enrolled bool   // there is an SVID
	Token    string // id of the token that it came by, or that is tried
	Address  string // of the aggregator's desk; empty when nothing names it
	Cause    string // why the gateway is not enrolled, or could not renew; empty when all is well
	Next     string // what a person may do about it; empty when nothing
}

// String says it in one line.
func (s Status) String() string {
	switch {
	case s.Enrolled && s.Cause == "":
		return fmt.Sprintf("enrolled by token %s, renews at %s", s.Token, s.Address)
	case s.Enrolled:
		return "enrolled, but: " + s.Cause
	}
	return "not enrolled: " + s.Cause
}

// Status returns how the enrolment stands.
func (e *Enrolment) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status == (Status{}) {
		return Status{Cause: "it has just begun"}
	}
	return e.status
}

// report notes how things stand after a round.
func (e *Enrolment) report(h *held, failed, tokenErr error, token join.Token) {
	s := Status{Token: token.ID(), Address: token.Address}
	if tokenErr != nil {
		s.Token = ""
	}
	if h != nil {
		s.Enrolled, s.Token, s.Address = true, h.Token, h.Address
	}
	err := failed
	if tokenErr != nil && (h == nil || !errors.Is(tokenErr, errNoToken)) { // who is enrolled needs none
		err = errors.Join(err, tokenErr)
	}
	if err != nil {
		s.Cause, s.Next = strings.ReplaceAll(err.Error(), "\n", "; "), e.advice(err, s.Address)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = s
}

// advice says what to do about an error.
func (e *Enrolment) advice(err error, address string) string {
	name := string(e.o.ID.Venue) + "/" + string(e.o.ID.Name)
	again := fmt.Sprintf("make a token on the aggregator's machine: aggregator token create %s; put it at %s", name, e.o.TokenFile)
	var no *refused
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the clock of this gateway, or of the aggregator, is wrong: compare both with the time"
	case errors.As(err, &no):
		switch no.Reason {
		case join.UsedToken:
			return "another device has used this token: find out which, aggregator token list says when; then " + again
		case join.Superseded:
			return "another device was enrolled as " + name + " since, or its SVIDs were revoked; if this one is the right one, " + again
		case join.NotGranted:
			return "list gateway " + name + " in the aggregator's configuration, and start the aggregator again"
		case join.UnknownToken, join.LapsedToken, join.RevokedToken, join.WrongGateway, join.LapsedSVID, join.NoSVID:
			return again
		}
		return "look at the aggregator's log"
	case errors.Is(err, errNoToken), errors.Is(err, join.ErrToken), errors.Is(err, errNotOurs):
		return again
	case errors.Is(err, identity.ErrPeer):
		return "the server at " + address + " is not the aggregator that the token names, or its authority was replaced; " + again
	}
	return "is " + address + " reached from here? The cause says what failed"
}
