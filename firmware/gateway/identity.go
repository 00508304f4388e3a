package gateway

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/enrol"
	"github.com/courtside-edge/courtside/sync/identity"
)

// identityDir is where an identity that came by a join token is kept, below data_dir.
const identityDir = "identity"

// enrolledPoll is how often those files are read: they change when the gateway itself changes them.
const enrolledPoll = time.Second

// openIdentity opens where the configuration says that the SVID comes from, and the enrolment when that is a join token.
func (g *Gateway) openIdentity(ctx context.Context) (err error) {
	c := g.c.Identity
	o := identity.Options{TrustDomain: c.TrustDomain, WorkloadAPI: c.WorkloadAPI, CertFile: c.CertFile, KeyFile: c.KeyFile, BundleFile: c.BundleFile,
		Clock: g.judgedAt(), Log: g.log}
	switch {
	case c.WorkloadAPI != "":
		g.identity, err = identity.OpenWorkload(context.WithoutCancel(ctx), o) // it ends with release, after the uplink's farewell
	case byToken(g.c):
		err = g.openEnrolment(o)
	default:
		g.identity, err = identity.OpenFiles(o)
	}
	return err
}

// byToken reports whether the SVID comes by a join token. A configuration that names no source has both: then files count if they are there, or if there is
// neither a token nor an SVID that came by one.
func byToken(c *config.Config) bool {
	token := c.Identity.JoinTokenFile
	if token == "" || c.Identity.CertFile == "" {
		return token != ""
	}
	svid, _ := enrol.Files(filepath.Join(c.DataDir, identityDir))
	return !exists(c.Identity.CertFile) && (exists(token) || exists(svid))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (g *Gateway) openEnrolment(o identity.Options) (err error) {
	dir := filepath.Join(g.c.DataDir, identityDir)
	svid, bundle := enrol.Files(dir)
	o.CertFile, o.KeyFile, o.BundleFile, o.Poll = svid, svid, bundle, enrolledPoll
	if g.identity, err = identity.OpenFiles(o); err != nil {
		return err
	}
	g.enrolment, err = enrol.New(enrol.Options{Dir: dir, TokenFile: g.c.Identity.JoinTokenFile, Source: g.identity, Clock: g.judgedAt(), Look: g.d.EnrolLook, Log: g.log,
		ID: identity.ID{TrustDomain: o.TrustDomain, Role: identity.Gateway, Venue: g.c.Venue, Name: g.c.Gateway}})
	return err
}

// runEnrolment enrols and renews until ctx ends; without a join token it returns at once.
func (g *Gateway) runEnrolment(ctx context.Context) {
	if g.enrolment != nil {
		g.enrolment.Run(ctx)
	}
}

// ownID returns who the gateway is, or why nobody yet.
func (g *Gateway) ownID() (identity.ID, error) {
	id, err := g.identity.ID()
	if err == nil || g.enrolment == nil {
		return id, err
	}
	if s := g.enrolment.Status(); !s.Enrolled {
		return id, errors.New(s.String()) // says more than that there is no file
	}
	return id, err
}

func (g *Gateway) identityStatus() diag.Identity {
	if g.identity == nil {
		return diag.Identity{}
	}
	var s diag.Identity
	cause := g.identity.Err()
	if g.enrolment != nil {
		e := g.enrolment.Status()
		s.Enrolment, s.Next = e.String(), e.Next
		if !e.Enrolled && e.Cause != "" {
			cause = errors.New(e.Cause) // says more than that there is no file
		}
	}
	id, err := g.identity.ID()
	if err != nil {
		if cause != nil {
			err = cause
		}
		s.Error = err.Error()
		return s
	}
	s.ID, s.NotAfter = id.String(), g.identity.NotAfter()
	return s
}
