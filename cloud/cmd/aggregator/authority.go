package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/sync/identity"
)

// Names of the files that the commands write.
const (
	authorityCert = "authority.pem"
	authorityKey  = "authority.key"
)

const year = 365 * 24 * time.Hour

func authorityCommand() *cobra.Command {
	c := &cobra.Command{Use: "authority", Short: "Make an authority of a trust domain, and SVIDs as PEM files; needs no running aggregator"}
	c.AddCommand(createAuthority(), issueSVID())
	return c
}

func createAuthority() *cobra.Command {
	c := &cobra.Command{Use: "create DIR", Short: "Make a self-signed authority: DIR/" + authorityCert + " and DIR/" + authorityKey, Args: cobra.ExactArgs(1),
		Long: "create makes the authority that enrol.authority_cert and enrol.authority_key name. Whoever has its key can be anybody in the trust domain: keep a copy offline, and\n" +
			"let only the aggregator's user read it."}
	domain := c.Flags().String("trust-domain", "", "SPIFFE trust domain, such as example.org")
	life := c.Flags().Duration("for", 10*year, "how long it is valid")
	_ = c.MarkFlagRequired("trust-domain") // the flag stands above
	c.RunE = func(c *cobra.Command, args []string) error {
		cert, key := filepath.Join(args[0], authorityCert), filepath.Join(args[0], authorityKey)
		for _, path := range []string{cert, key} {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is there already: an authority is not replaced, every gateway would have to enrol anew (%v)", path, err)
			}
		}
		a, err := identity.NewAuthority(*domain, time.Now(), *life)
		if err != nil {
			return err
		}
		text, err := a.MarshalKey()
		if err != nil {
			return err
		}
		if err := writeAll(args[0], map[string][]byte{authorityKey: text, authorityCert: identity.MarshalCerts(a.Bundle())}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "authority of trust domain %s, valid until %s, SHA-256 %x\n", a.TrustDomain(), a.NotAfter().Format(time.RFC3339), a.Hash())
		return err
	}
	return c
}

// writeAll writes files into a folder that is made when it is absent.
func writeAll(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := identity.WriteFile(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return nil
}

func issueSVID() *cobra.Command {
	c := &cobra.Command{Use: "issue ID", Short: "Issue an SVID as PEM files: svid.pem, svid.key and bundle.pem", Args: cobra.ExactArgs(1),
		Long: "issue is for whom no token serves: a broker of your own, subscribers, gateways whose files are carried there. ID is a SPIFFE ID or its path. The files are readable by whoever runs this, and nobody\n" +
			"else.",
		Example: "aggregator authority issue /broker --authority ca --out broker --dns broker.example\n" +
			"aggregator authority issue /venue/dal-001/subscriber/board --authority ca --out board"}
	from := c.Flags().String("authority", "", "folder of the authority, as create made it")
	out := c.Flags().String("out", "", "folder to write to; what it holds of these files is replaced")
	life := c.Flags().Duration("for", 30*24*time.Hour, "how long it is valid; nothing renews it")
	names := c.Flags().StringSlice("dns", nil, "also name this host, for clients that judge host names (may be repeated)")
	_, _ = c.MarkFlagRequired("authority"), c.MarkFlagRequired("out") // both stand above
	c.RunE = func(c *cobra.Command, args []string) error {
		var parts [2][]byte
		for i, name := range []string{authorityCert, authorityKey} {
			var err error
			if parts[i], err = os.ReadFile(filepath.Join(*from, name)); err != nil {
				return err
			}
		}
		a, err := identity.ParseAuthority(parts[0], parts[1])
		if err != nil {
			return fmt.Errorf("%s: %w", *from, err)
		}
		return issue(c, a, args[0], *out, *life, *names)
	}
	return c
}

// issue writes an SVID with a new key.
func issue(c *cobra.Command, a *identity.Authority, uri, out string, life time.Duration, names []string) error {
	if !strings.Contains(uri, "://") {
		uri = "spiffe://" + a.TrustDomain() + "/" + strings.TrimPrefix(uri, "/")
	}
	id, err := identity.ParseID(uri)
	if err != nil {
		return err
	}
	if life <= 0 {
		return fmt.Errorf("--for %s: an SVID is valid for some time", life)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	der, err := a.Issue(id, &key.PublicKey, now, life, names...)
	if err != nil {
		return err
	}
	text, err := identity.MarshalKey(key)
	if err != nil {
		return err
	}
	files := map[string][]byte{"svid.key": text, "svid.pem": identity.MarshalCerts([][]byte{der}), "bundle.pem": identity.MarshalCerts(a.Bundle())}
	if err := writeAll(out, files); err != nil {
		return err
	}
	end := now.Add(life)
	if end.After(a.NotAfter()) {
		end = a.NotAfter()
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s, valid until %s: %s\n", id, end.Format(time.RFC3339), out)
	return err
}
