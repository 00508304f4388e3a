package main

import (
	"fmt"
	"io"

	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/sync/point"
)

// summarise writes why frames are set aside, once for each gateway and reason, and what to do about it.
func summarise(w io.Writer, frames []venue.SetAside) error {
	type cause struct {
		gateway point.ID
		reason  string
	}
	var order []cause
	count, newest := map[cause]int{}, map[cause]string{}
	for _, f := range frames {
		c := cause{f.Gateway, f.Reason}
		if count[c]++; count[c] == 1 {
			order = append(order, c)
		}
		newest[c] = f.Detail
	}
	for _, c := range order {
		if _, err := fmt.Fprintf(w, "\n%d of %s: %s: %s\n", count[c], c.gateway, c.reason, newest[c]); err != nil {
			return err
		}
		if next := remedy(c.reason); next != "" {
			if _, err := fmt.Fprintf(w, "  next  %s\n", next); err != nil {
				return err
			}
		}
	}
	return nil
}

// remedy says what to do about a reason; nothing for one that only waiting or a look at the frame helps.
func remedy(reason string) string {
	switch reason {
	case "device-not-granted":
		return "add the device to this gateway in the aggregator's configuration (venues[].gateways[].devices), start it again, then aggregator frames reprocess --all; " +
			"until then nothing of this gateway's counts, or take the device out of the gateway's file"
	case "unknown-kind":
		return "a later version of the gateway or aggregator wrote it: update this aggregator, then aggregator frames reprocess --all"
	case "conflict":
		return "two senders use one identity: find the second, give it an SVID and an empty data_dir of its own"
	case "foreign-batch":
		return "the batch names another gateway than its topic: look at who connects under this name"
	}
	return ""
}
