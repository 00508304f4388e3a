package siteconfig

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
)

func writeAggregator(out *bytes.Buffer, venue string, files Files, o Options) {
	fmt.Fprintf(out, "# Aggregator for the simulated venue %s. Written by venuesim.\n", venue)
	fmt.Fprintf(out, "data_dir: %q\n", filepath.Join(o.DataDir, "aggregator"))
	fmt.Fprintf(out, "identity: %s\n", o.identity("aggregator"))
	fmt.Fprintf(out, "api: {listen: %q}\n", o.APIListen)
	if o.Broker != "" {
		fmt.Fprintf(out, "broker: {url: %q}\n", o.Broker)
	} else {
		fmt.Fprintf(out, "broker: {listen: %q}\n", o.BrokerListen)
	}
	fmt.Fprintf(out, "venues:\n  - id: %s\n    map: %s\n", venue, filepath.Base(files.Map))
	if o.Bucket != 0 {
		fmt.Fprintf(out, "    bucket: %s\n", o.Bucket)
	}
	fmt.Fprint(out, "    gateways:\n")
	for _, g := range files.Gateways {
		fmt.Fprintf(out, "      - {id: %s, devices: [%s]}\n", g.ID, strings.Join(g.Devices, ", "))
	}
}
