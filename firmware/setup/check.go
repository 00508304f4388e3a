package setup

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/network"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
	"github.com/courtside-edge/courtside/sync/settings"
)

// imageDataDir is where an image keeps the gateway's state: the one folder that outlives an update.
const imageDataDir = "/var/lib/courtside"

// checker judges what waits in a staging folder, all of it.
type checker struct {
	s        *staging
	registry drivers.Registry
	now      time.Time
	clockSet bool
	volatile bool // a key that was removed from the folder may be lost

	config   *config.Config // nil without a right one
	faults   []string
	warnings []string
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, c.plain(fmt.Sprintf(format, args...)))
}

// refuse adds each fault of err.
func (c *checker) refuse(err error) {
	all, ok := errors.AsType[*settings.Error](err)
	if !ok {
		c.fault("%v", err)
		return
	}
	for _, f := range all.Faults {
		c.fault("%v", f)
	}
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, c.plain(fmt.Sprintf(format, args...)))
}

// plain says nothing of the folder where files wait.
func (c *checker) plain(message string) string {
	return strings.ReplaceAll(message, c.s.dir+string(filepath.Separator), "")
}

// check judges everything and leaves nothing out because of a fault before it.
func (c *checker) check() {
	c.configuration()
	c.network()
	c.identity()
	c.token()
	for _, message := range c.s.faults {
		c.fault("%s", message)
	}
}

// configuration judges the folder's, or else the one that was taken, because the other files have to fit it.
func (c *checker) configuration() {
	name, text := filepath.Join(c.s.etc, "gateway.yaml"), c.s.content("gateway.yaml")
	if f := c.s.folder.get(configFile); f != nil {
		name, text = f.as, f.text
	}
	if text == nil {
		return
	}
	cfg, err := config.ParseIn(name, text, c.registry, c.s.find)
	c.s.read = err == nil
	faults := settings.Faults{}
	faults.Add(err)
	faults.Add(imageOnly(name, text))
	for _, written := range c.s.escapes {
		faults.Add(at(name, text, written, "leads out of the folder", "put the file beside "+name+" and name it alone"))
	}
	if err == nil { // else the faults say it already
		for _, written := range c.s.missing {
			faults.Add(at(name, text, written, "is named, but no such file lies in the folder", "put it there, or correct the name"))
		}
	}
	if err := faults.Err(); err != nil {
		c.refuse(err)
		return
	}
	c.config = cfg
}

// imageOnly refuses what a gateway on its own system may have and one of an image may not.
func imageOnly(name string, text []byte) error {
	root, err := settings.Parse(name, text, settings.Limits{})
	if err != nil {
		return nil // said already
	}
	var dir string
	if root.Get("data_dir", &dir) != nil || dir == "" || filepath.Clean(dir) == imageDataDir {
		return nil
	}
	return root.FaultFix("data_dir", fmt.Sprintf("data_dir is %q, but on an image only %s outlives a restart", dir, imageDataDir), "remove the line")
}

// at returns a fault at the first line of text that holds what is written.
func at(name string, text []byte, written, problem, fix string) error {
	f := &settings.Fault{File: name, Problem: fmt.Sprintf("%q %s", written, problem), Fix: fix}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if before, _, ok := strings.Cut(string(line), written); ok {
			f.Line, f.Column, f.Text = i+1, len([]rune(before))+1, string(line)
			break
		}
	}
	return f
}

func (c *checker) network() {
	f := c.s.folder.get(networkFile)
	if f == nil {
		return
	}
	if _, err := network.Parse(f.as, f.text); err != nil {
		c.refuse(err)
	}
}

// identity judges certificate, key and bundle as they would be once everything is taken.
func (c *checker) identity() {
	if !c.s.identityFresh(c.config) {
		return
	}
	names := [3]string{certFile, keyFile, bundleFile}
	var parts [3][]byte
	for i := range names {
		if c.config != nil && c.config.Identity.CertFile != "" {
			names[i] = c.s.named3(c.config.Identity)[i]
		}
		parts[i] = c.s.content(names[i])
	}
	if c.config != nil && c.config.Identity.CertFile == "" {
		if c.s.folder.get(certFile) != nil || c.s.folder.get(keyFile) != nil || c.s.folder.get(bundleFile) != nil {
			c.warn("%s, %s and %s are not used: identity names another source", certFile, keyFile, bundleFile)
		}
		return
	}
	if parts[0] == nil && parts[1] == nil { // a bundle alone waits for enrolment, or for the rest
		return
	}
	for i, part := range parts {
		switch {
		case part == nil && c.volatile: // counting people without a link is better than not counting them
			return
		case part == nil:
			c.fault("%s is missing; put it into the folder beside the others", names[i])
			return
		}
	}
	papers, err := inspect(names, parts)
	if err != nil {
		c.fault("%v", err)
		return
	}
	c.judge(names[0], papers)
}

// judge holds an SVID against configuration and clock.
func (c *checker) judge(name string, papers identity.Papers) {
	if papers.ID.Role != identity.Gateway {
		c.fault("%s: %s is no gateway's identity; issue one for /venue/…/gateway/…", name, papers.ID)
		return
	}
	if c.config != nil {
		want := identity.ID{TrustDomain: c.config.Identity.TrustDomain, Role: identity.Gateway, Venue: c.config.Venue, Name: c.config.Gateway}
		if papers.ID != want {
			c.fault("%s: it is the identity %s, but the configuration is that of %s; issue the one, or correct venue, gateway and trust_domain in %s", name, papers.ID, want, configFile)
		}
	}
	until := papers.NotAfter.UTC().Format(dateFormat)
	switch {
	case c.clockSet && c.now.After(papers.NotAfter):
		c.warn("%s expired on %s, by this device's clock; the gateway will poll and keep, and not connect: issue a new one", name, until)
	case c.clockSet && papers.NotAfter.Sub(c.now) < 14*24*time.Hour:
		c.warn("%s expires on %s; issue a new one before that", name, until)
	case c.clockSet && c.now.Before(papers.NotBefore):
		c.warn("%s begins on %s, later than this device's clock: one of them is wrong", name, papers.NotBefore.UTC().Format(dateFormat))
	}
}

// token judges a join token.
func (c *checker) token() {
	f := c.s.folder.get(tokenFile)
	if f == nil {
		return
	}
	t, err := join.Parse(string(f.text))
	if err != nil {
		c.fault("%s: %v; copy the whole line that `aggregator` printed once more", f.as, err)
		return
	}
	switch {
	case c.config == nil:
	case t.Venue != c.config.Venue || t.Gateway != c.config.Gateway || t.TrustDomain != c.config.Identity.TrustDomain:
		c.fault("%s: it is for gateway %s of venue %s in %s, but the configuration is that of gateway %s of venue %s in %s; make a token for this one, or correct %s",
			f.as, t.Gateway, t.Venue, t.TrustDomain, c.config.Gateway, c.config.Venue, c.config.Identity.TrustDomain, configFile)
	case c.config.Identity.JoinTokenFile == "":
		c.warn("%s is not used: identity names another source", f.as)
	case c.s.folder.get(certFile) != nil && c.config.Identity.CertFile != "":
		c.warn("%s is not used while %s lies in the folder: remove the one that is not meant, and start again", f.as, certFile)
	}
}

// identityFresh reports whether a file of the identity is new, or the configuration that it has to fit.
func (s *staging) identityFresh(c *config.Config) bool {
	var names []string
	if c != nil && c.Identity.CertFile != "" {
		n := s.named3(c.Identity)
		names = n[:]
	}
	for _, e := range s.ready {
		switch {
		case !e.fresh:
		case e.key == certFile, e.key == keyFile, e.key == bundleFile, e.key == configFile:
			return true
		default:
			if slices.Contains(names, e.becomes) {
				return true
			}
		}
	}
	return false
}

// named3 returns certificate, key and bundle as paths below /etc/courtside, or as they are when they lie elsewhere.
func (s *staging) named3(id config.Identity) (names [3]string) {
	for i, path := range []string{id.CertFile, id.KeyFile, id.BundleFile} {
		names[i] = path
		for _, dir := range []string{s.dir, s.etc} {
			if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
				names[i] = filepath.ToSlash(rel)
				break
			}
		}
	}
	return names
}
