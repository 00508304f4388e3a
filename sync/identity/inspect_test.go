package identity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
)

func TestInspect(t *testing.T) {
	begin := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC) // no clock of today knows this time
	authority, err := identitytest.NewAuthority("courtside.test", begin.Add(-time.Hour), 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other := identitytest.New(t, "courtside.test")
	issue := func(a *identitytest.Authority) identitytest.SVID {
		s, err := a.Issue(identitytest.RequestFor(authority.Gateway("v", "g"), begin, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	svid, stranger := issue(authority), issue(authority)
	p, err := identity.Inspect(svid.CertPEM(), svid.KeyPEM(), authority.Bundle())
	if err != nil {
		t.Fatal(err)
	}
	if p.ID != authority.Gateway("v", "g") || p.NotBefore.After(begin) || begin.Sub(p.NotBefore) > time.Minute || p.NotAfter.Sub(p.NotBefore) < time.Hour {
		t.Errorf("it says %+v", p)
	}
	if _, err := identity.Inspect(svid.CertPEM(), svid.KeyPEM(), other.Bundle()); !errors.Is(err, identity.ErrChain) {
		t.Errorf("another authority's bundle gives %v, want ErrChain", err)
	}
	for what, err := range map[string]error{
		"do not make an SVID": inspected(svid.CertPEM(), stranger.KeyPEM(), authority.Bundle()),
		"bundle cannot":       inspected(svid.CertPEM(), svid.KeyPEM(), []byte("-----BEGIN CERTIFICATE-----\n")),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v does not say %q", err, what)
		}
	}
}

func inspected(cert, key, bundle []byte) error {
	_, err := identity.Inspect(cert, key, bundle)
	return err
}
