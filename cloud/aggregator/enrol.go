package aggregator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/cloud/enrol"
	"github.com/courtside-edge/courtside/sync/identity"
)

// EnrolDir is where a desk keeps what it knows, and takes orders, below the aggregator's data directory.
func EnrolDir(c *config.Config) string { return filepath.Join(c.DataDir, "enrol") }

// enrolment is the desk with what it stands on.
type enrolment struct {
	desk     *enrol.Desk
	door     *identity.Source // the aggregator's SVID as gateways see it at the desk
	listener net.Listener
	control  net.Listener
}

// openAuthority reads the authority that enrols gateways; nil when there is none.
func openAuthority(c *config.Config) (*identity.Authority, error) {
	if !c.Enrol.On() {
		return nil, nil
	}
	var parts [2][]byte
	for i, path := range []string{string(c.Enrol.AuthorityCert), string(c.Enrol.AuthorityKey)} {
		var err error
		if parts[i], err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("enrol: reading the authority: %w", err)
		}
	}
	a, err := identity.ParseAuthority(parts[0], parts[1])
	if err != nil {
		return nil, fmt.Errorf("enrol: files %s and %s: %w", c.Enrol.AuthorityCert, c.Enrol.AuthorityKey, err)
	}
	if a.TrustDomain() != c.Identity.TrustDomain {
		return nil, fmt.Errorf("enrol: the authority is of trust domain %s, but identity.trust_domain is %s", a.TrustDomain(), c.Identity.TrustDomain)
	}
	return a, nil
}

// ownSVID returns a source of the aggregator's SVID that the authority issues.
func ownSVID(c *config.Config, o identity.Options, a *identity.Authority) (*identity.Source, error) {
	return identity.OpenAuthority(o, a, identity.ID{TrustDomain: c.Identity.TrustDomain, Role: identity.Aggregator}, c.Enrol.SVIDTTL)
}

// openEnrolment opens the desk and listens.
func (a *Aggregator) openEnrolment() (err error) {
	if a.authority == nil {
		return nil
	}
	e := &a.enrolment
	if e.door, err = ownSVID(a.c, identity.Options{TrustDomain: a.c.Identity.TrustDomain}, a.authority); err != nil {
		return err
	}
	if e.listener, err = net.Listen("tcp", a.c.Enrol.Listen); err != nil {
		return fmt.Errorf("enrol.listen: %w", err)
	}
	address := a.c.Enrol.Address
	if address == "" {
		address = e.listener.Addr().String()
	}
	granted := func(n enrol.Name) error {
		return a.admit(identity.ID{TrustDomain: a.c.Identity.TrustDomain, Role: identity.Gateway, Venue: n.Venue, Name: n.Gateway})
	}
	if e.desk, err = enrol.Open(enrol.Options{Dir: EnrolDir(a.c), Authority: a.authority, Address: address, Life: a.c.Enrol.SVIDTTL, Grace: a.c.Enrol.Grace,
		Granted: granted, Log: a.d.Log}); err != nil {
		return err
	}
	e.control, err = enrol.ListenControl(EnrolDir(a.c))
	return err
}

// runEnrolment starts what openEnrolment opened.
func (a *Aggregator) runEnrolment(ctx context.Context) {
	e := &a.enrolment
	if e.desk == nil {
		return
	}
	a.group.Go(func() error { return e.desk.Serve(ctx, e.listener, e.door) })
	a.group.Go(func() error { return e.desk.ServeControl(ctx, e.control) })
}

// enrolErr says why gateways could not enrol, or could but would not be understood by the aggregator; nil otherwise.
func (a *Aggregator) enrolErr() error {
	if a.enrolment.desk == nil {
		return nil
	}
	return errors.Join(a.enrolment.desk.Err(), a.authority.Vouches(a.identity))
}

// enrolStats returns what the desk has done; nil without one.
func (a *Aggregator) enrolStats() func() enrol.Stats {
	if a.enrolment.desk == nil {
		return nil
	}
	return a.enrolment.desk.Stats
}

// close closes what openEnrolment opened.
func (e *enrolment) close() error {
	for _, l := range []net.Listener{e.listener, e.control} {
		if l != nil {
			_ = l.Close() // closed already when the server ran
		}
	}
	if e.door == nil {
		return nil
	}
	return e.door.Close()
}

// EnrolAddr returns where gateways enrol; nil when they cannot.
func (a *Aggregator) EnrolAddr() net.Addr {
	if a.enrolment.listener == nil {
		return nil
	}
	return a.enrolment.listener.Addr()
}
