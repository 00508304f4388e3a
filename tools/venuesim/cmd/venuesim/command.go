package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/tools/venuesim"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
	"github.com/courtside-edge/courtside/tools/venuesim/siteconfig"
)

// The ports of a venue that is started by hand.
const (
	defaultModbusPort = 5020
	defaultOPCUAPort  = 4840
	defaultTracking   = 50051
	defaultHTTPPort   = 8099
)

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "venuesim",
		Version:       version,
		Short:         "A simulated arena on real protocols, with its ground truth",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRun(), newConfig())
	return root
}

func newRun() *cobra.Command {
	var o venuesim.Options
	var c siteconfig.Options
	var out string
	var faults []string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve the devices and the ground truth until interrupted",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, text := range faults {
				f, err := venuesim.ParseFault(text)
				if err != nil {
					return err
				}
				o.Faults = append(o.Faults, f)
			}
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			sim, err := venuesim.Start(cmd.Context(), o)
			if err != nil {
				return err
			}
			if out != "" {
				files, err := sim.WriteConfig(out, c)
				if err != nil {
					return fmt.Errorf("%w (%v)", err, sim.Close())
				}
				printFiles(cmd.OutOrStdout(), files)
			}
			printAddresses(cmd.OutOrStdout(), sim)
			<-sim.Done()
			return sim.Close()
		},
	}
	venueFlags(cmd, &o)
	cmd.Flags().BoolVar(&o.OpenAtOnce, "open-at-once", false, "open the doors without waiting until every counter was polled")
	cmd.Flags().StringArrayVar(&faults, "fault", nil, fmt.Sprintf("what a device does, DEVICE:FAULT[,KEY=VALUE…] with keys delay, code, count, forget, after, for; may be given again. Faults are %v", field.Ills()))
	cmd.Flags().StringVar(&out, "out", "", "also write the configuration that fits into this directory, as config does")
	siteFlags(cmd, &c)
	return cmd
}

func newConfig() *cobra.Command {
	var o venuesim.Options
	var c siteconfig.Options
	var out string
	cmd := &cobra.Command{
		Use:   "config --out DIR",
		Short: "Write the configuration and the map of a venue that runs with the same flags",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.ModbusPort == 0 || o.OPCUAPort == 0 || o.TrackingPort == 0 {
				return fmt.Errorf("write the configuration: --modbus-port, --opcua-port and --tracking-port cannot be 0 here; free ports are known only to run --out")
			}
			files, err := venuesim.WriteConfig(out, o, c)
			if err != nil {
				return err
			}
			printFiles(cmd.OutOrStdout(), files)
			return nil
		},
	}
	venueFlags(cmd, &o)
	siteFlags(cmd, &c)
	cmd.Flags().StringVar(&out, "out", "", "directory to write into")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined one line above
	}
	return cmd
}

func venueFlags(cmd *cobra.Command, o *venuesim.Options) {
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "names the event; equal seeds give equal events")
	f.Float64Var(&o.Speed, "speed", 1, fmt.Sprintf("simulated time by real time, at most %d", venuesim.MaxSpeed))
	f.DurationVar(&o.EventLength, "event-length", venuesim.DefaultEventLength, "simulated time from the doors' opening to the end of the egress")
	f.IntVar(&o.Attendance, "attendance", 0, "people who come; 0 draws 17,000 to 18,500")
	f.StringVar(&o.Host, "host", "127.0.0.1", "address to listen on")
	f.IntVar(&o.ModbusPort, "modbus-port", defaultModbusPort, "port of the first Modbus device, the others follow; 0 for free ports")
	f.IntVar(&o.OPCUAPort, "opcua-port", defaultOPCUAPort, "port of the OPC UA server; 0 for a free port")
	f.IntVar(&o.TrackingPort, "tracking-port", defaultTracking, "port of the tracking system; 0 for a free port")
	f.StringVar((*string)(&o.Gates), "gates", string(field.Counters), fmt.Sprintf("what gates have: %s, %s or %s", field.Counters, field.Rings, field.Both))
	f.IntVar(&o.RingSlots, "ring-slots", field.DefaultRingSlots, fmt.Sprintf("events that a gate's ring has room for, a power of two, %d to %d", field.MinRingSlots, field.MaxRingSlots))
	f.IntVar(&o.HTTPPort, "http-port", defaultHTTPPort, "port of the ground truth; 0 for a free port")
}

func siteFlags(cmd *cobra.Command, c *siteconfig.Options) {
	f := cmd.Flags()
	f.IntVar(&c.Gateways, "gateways", 2, fmt.Sprintf("gateways that share the devices, 1 to %d", siteconfig.MaxGateways))
	f.StringVar(&c.TrustDomain, "trust-domain", "courtside.test", "SPIFFE trust domain")
	f.StringVar(&c.WorkloadAPI, "workload-api", "", "address of the Workload API; {name} stands for the gateway or \"aggregator\"")
	f.StringVar(&c.CertFile, "cert-file", "", "SVID as PEM, instead of the Workload API; {name} as above")
	f.StringVar(&c.KeyFile, "key-file", "", "its key")
	f.StringVar(&c.BundleFile, "bundle-file", "", "the trust bundle")
	f.StringVar(&c.DataDir, "data-dir", "", "where gateways and aggregator keep their data")
	f.StringVar(&c.BrokerListen, "broker-listen", "", "where the aggregator's own broker listens (default 127.0.0.1:8883)")
	f.StringVar(&c.Broker, "broker", "", "URL of an external broker instead, mqtts://host:8883")
	f.StringVar(&c.APIListen, "api-listen", "", "where the aggregator answers (default 127.0.0.1:8080)")
	f.IntVar(&c.DiagPort, "diag-port", 9464, "port of the first gateway's diagnostics, the others follow; 0 for none")
	f.DurationVar(&c.Bucket, "bucket", 0, "step of time of the aggregator's heatmaps, 1s to 1h (default the aggregator's own)")
	f.DurationVar(&c.GateScan, "gate-scan", 0, "polling period of gates (default 200ms)")
	f.DurationVar(&c.SeatScan, "seat-scan", 0, "polling period of seats (default 500ms)")
	f.DurationVar(&c.PanelScan, "panel-scan", 0, "polling period of panels and building values (default 1s)")
}

func printFiles(w io.Writer, files siteconfig.Files) {
	for _, g := range files.Gateways {
		fmt.Fprintf(w, "%-18s %s\n", g.ID, g.Path)
	}
	fmt.Fprintf(w, "%-18s %s\n%-18s %s\n", "aggregator", files.Aggregator, "map", files.Map)
}

func printAddresses(w io.Writer, sim *venuesim.Sim) {
	for _, d := range sim.Plan().Devices {
		fmt.Fprintf(w, "%-18s %-8s %s\n", d.ID, d.Protocol, sim.Address(d.ID))
	}
	fmt.Fprintf(w, "%-18s %-8s %s/truth\n", "ground truth", "http", sim.URL())
}
