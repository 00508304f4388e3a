// Command aggregator is the cloud's side of Courtside: broker, log, venue state, API and page in one program.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/manual"
	"github.com/courtside-edge/courtside/sync/notify"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c, man := root(), manual.Command()
	man.Hidden = true // for packages
	c.AddCommand(man)
	err := c.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "aggregator:", err)
		os.Exit(exitOf(err))
	}
}

func root() *cobra.Command {
	c := &cobra.Command{Use: "aggregator", Short: "Receives what gateways send and shows the venue", SilenceUsage: true, SilenceErrors: true, Version: version}
	c.AddCommand(runCommand(), checkCommand(), framesCommand(), importCommand(), updateCommand(), tokenCommand(),
		authorityCommand(), aclCommand(), schemaCommand(), versionCommand())
	manual.Strict(c)
	return c
}

func configFlag(c *cobra.Command) *string {
	path := c.Flags().StringP("config", "c", "/etc/courtside/aggregator.yaml", "configuration file")
	return path
}

func runCommand() *cobra.Command {
	c := &cobra.Command{Use: "run", Short: "Run until told to stop", Args: cobra.NoArgs}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(*path)
		if err != nil {
			return err
		}
		log := logger(cfg.Log)
		a, err := aggregator.Start(c.Context(), cfg, aggregator.Deps{Version: version, Log: log})
		if err != nil {
			return err
		}
		attrs := []any{"api", a.APIAddr().String(), "version", version}
		if addr := a.BrokerAddr(); addr != nil {
			attrs = append(attrs, "broker", addr.String())
		} else {
			attrs = append(attrs, "broker", cfg.Broker.URL)
		}
		if addr := a.EnrolAddr(); addr != nil {
			attrs = append(attrs, "enrol", addr.String())
		}
		log.Info("aggregator runs", attrs...)
		service := notify.FromEnvironment(log)
		service.Ready(a.Summary())
		watched := service.Attend(c.Context(), a.Summary, a.Parts()...)
		err = a.Wait()
		watched()
		return err
	}
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "aggregator", version)
			return err
		}}
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{Use: "schema", Short: "Print the JSON Schema of the configuration file, for editors", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Schema())
			return err
		}}
}

func checkCommand() *cobra.Command {
	return &cobra.Command{Use: "check FILE…", Short: "Check configuration files and say everything that is wrong", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			var faults []error
			for _, f := range files {
				if _, err := config.Load(f); err != nil {
					faults = append(faults, err)
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: ok\n", f)
			}
			if err := errors.Join(faults...); err != nil {
				return &configFaults{err}
			}
			return nil
		}}
}

func aclCommand() *cobra.Command {
	acl := &cobra.Command{Use: "acl", Short: "Print access lists for brokers of your own"}
	c := &cobra.Command{Use: "mosquitto", Short: "Print mosquitto's acl_file for the configured venues and gateways", Args: cobra.NoArgs}
	path := configFlag(c)
	subscribers := c.Flags().StringSlice("subscriber", nil, "also admit the subscriber VENUE/NAME (may be repeated)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(*path)
		if err != nil {
			return err
		}
		ids := []identity.ID{{TrustDomain: cfg.Identity.TrustDomain, Role: identity.Aggregator}}
		for _, v := range cfg.Venues {
			for _, g := range v.Gateways {
				ids = append(ids, identity.ID{TrustDomain: cfg.Identity.TrustDomain, Role: identity.Gateway, Venue: v.ID, Name: g.ID})
			}
		}
		for _, s := range *subscribers {
			id, err := subscriber(cfg.Identity.TrustDomain, s)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return broker.MosquittoACL(c.OutOrStdout(), ids...)
	}
	acl.AddCommand(c)
	return acl
}

// subscriber reads VENUE/NAME.
func subscriber(domain, s string) (identity.ID, error) {
	id, err := identity.ParseID("spiffe://" + domain + "/venue/" + replaceFirst(s))
	if err != nil {
		return id, usage("acl mosquitto", "--subscriber %q is not VENUE/NAME", s)
	}
	return id, nil
}

// replaceFirst turns VENUE/NAME into VENUE/subscriber/NAME.
func replaceFirst(s string) string {
	for i := range s {
		if s[i] == '/' {
			return s[:i] + "/subscriber" + s[i:]
		}
	}
	return s
}

func logger(c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // the configuration allows known levels only
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}
