package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/cloud/aggregator"
	"github.com/courtside-edge/courtside/cloud/update"
)

func updateCommand() *cobra.Command {
	c := &cobra.Command{Use: "update VENUE/GATEWAY URL", Short: "Tell a gateway that is connected to install an update of its image", Args: cobra.ExactArgs(2),
		Long: "update asks the running aggregator on this machine, over a socket in its data directory that only its user and root may open, to send the order. The gateway\n" +
			"judges it as if it had been given there: signature, board, version (never an older one), events. What it refuses at once, and only that, stands in the\n" +
			"aggregator's log; gwctl update status at the gateway and courtside_gateway_image_info say the rest.",
		Example: "  aggregator update dal-001/gw-north https://aggregator.example:8884/courtside-raspberrypi4-20261123.140501.raucb --version 20261123.140501 --reboot"}
	path := configFlag(c)
	var o update.Order
	c.Flags().StringVar(&o.Version, "version", "", "the version that the update has to have; a gateway that runs it does nothing")
	c.Flags().BoolVar(&o.Force, "force", false, "install during an event")
	c.Flags().BoolVar(&o.Reboot, "reboot", false, "reboot when it is installed, unless an event has begun")
	c.RunE = func(c *cobra.Command, args []string) error {
		venue, gateway, ok := strings.Cut(args[0], "/")
		if !ok {
			return usage("update", "%q is not VENUE/GATEWAY", args[0])
		}
		cfg, err := load(*path)
		if err != nil {
			return fmt.Errorf("the configuration says where the aggregator takes orders: %w", err)
		}
		o.Venue, o.Gateway, o.URL = venue, gateway, args[1]
		p, err := update.Send(c.Context(), aggregator.OrdersDir(cfg), o)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "sent as command %s, which expires at %s\n", p.ID, p.Expires.Format(time.RFC3339))
		return err
	}
	return c
}
