package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	"github.com/courtside-edge/courtside/cloud/enrol"
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make, list and revoke the join tokens that gateways enrol with",
		Long: "A join token makes one gateway of one device, once. These commands ask the running aggregator on this machine, over a socket in its data directory that\n" +
			"only its user and root may open."}
	path := c.PersistentFlags().StringP("config", "c", "/etc/courtside/aggregator.yaml", "configuration file; says where the data directory is")
	desk := func() (*enrol.Client, error) {
		cfg, err := load(*path)
		if err != nil {
			return nil, fmt.Errorf("the configuration says where the aggregator keeps its tokens: %w", err)
		}
		if !cfg.Enrol.On() {
			return nil, fmt.Errorf("%s has no enrol section: gateways do not enrol here", *path)
		}
		return enrol.NewClient(aggregator.EnrolDir(cfg)), nil
	}
	c.AddCommand(createToken(desk), listTokens(desk), revokeToken(desk))
	return c
}

type desker func() (*enrol.Client, error)

func createToken(desk desker) *cobra.Command {
	c := &cobra.Command{Use: "create VENUE/GATEWAY", Short: "Print a new token for a gateway of the configuration", Args: cobra.ExactArgs(1),
		Long: "create prints one line: a secret that is kept nowhere else. Put it into the file that identity.join_token_file of the gateway names, or as join-token into\n" +
			"the folder courtside of a flashed card. It may be used once, by one device, until it expires."}
	valid := c.Flags().Duration("for", enrol.DefaultValidity, "how long it is valid")
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := desk()
		if err != nil {
			return err
		}
		made, err := d.Create(c.Context(), enrol.Order{Gateway: args[0], For: valid.String()})
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "token %s of %s, valid until %s\n", made.Kept.ID(), made.Kept.Gateway, made.Kept.Expires.Format(time.RFC3339))
		_, err = fmt.Fprintln(c.OutOrStdout(), made.Line)
		return err
	}
	return c
}

func listTokens(desk desker) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List tokens and what became of them, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := desk()
			if err != nil {
				return err
			}
			all, err := d.List(c.Context())
			if err != nil {
				return err
			}
			return writeTokens(c.OutOrStdout(), all, time.Now())
		}}
}

func writeTokens(w io.Writer, all []enrol.Token, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tGATEWAY\tSTATE\tMADE\tEXPIRES\tUSED\tKEY")
	stamp := func(at time.Time) string {
		if at.IsZero() {
			return "-"
		}
		return at.Format(time.RFC3339)
	}
	for _, k := range all {
		key := k.Key
		if key == "" {
			key = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%.12s\n", k.ID(), k.Gateway, k.State(now), stamp(k.Created), stamp(k.Expires), stamp(k.Used), key)
	}
	return t.Flush()
}

func revokeToken(desk desker) *cobra.Command {
	c := &cobra.Command{Use: "revoke ID|VENUE/GATEWAY", Short: "End a token, or all of a gateway", Args: cobra.ExactArgs(1),
		Long: "revoke ends tokens that have not expired yet. SVIDs that were issued stay valid until their end and renew; --svids ends their renewal, so that the gateway\n" +
			"needs a new token. To shut a gateway out for good, take it from the configuration."}
	svids := c.Flags().Bool("svids", false, "also let no SVID renew that was issued to the gateway until now")
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := desk()
		if err != nil {
			return err
		}
		done, err := d.Revoke(c.Context(), enrol.Revocation{What: args[0], SVIDs: *svids})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d tokens revoked\n", done.Tokens)
		return err
	}
	return c
}
