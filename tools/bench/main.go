package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The lengths of a measurement.
const (
	defaultSeconds = 20
	shortSeconds   = 6
	defaultWarmup  = 4 * time.Second
	shortWarmup    = 2 * time.Second
)

// The sizes of what stands still: MiB of backlog, and gateways that return at once.
const (
	defaultBacklog, shortBacklog   = 1024, 64
	defaultGateways, shortGateways = 500, 50
)

type flags struct {
	only    []string
	seconds float64
	short   bool
	json    string
	bin     string
	profile string
	// backlog is how many MiB the spool's own figures rest on, gateways how many return at once, 0 for the default of each.
	backlog, gateways int
	// day is what share of a day's outage to measure, and nothing else; 0 for the ordinary measurements.
	day float64
}

func main() {
	if slices.Equal(os.Args[1:], []string{crowdProgram}) {
		if err := runCrowd(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	f, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, f)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	names := make([]string, 0, 8)
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	only := set.String("only", "", "measure these alone, separated by commas: "+strings.Join(names, ", "))
	set.Float64Var(&f.seconds, "seconds", 0, fmt.Sprintf("how long each measurement measures; %d, or %d with -short", defaultSeconds, shortSeconds))
	set.BoolVar(&f.short, "short", false, "everything in less than three minutes")
	set.StringVar(&f.json, "json", "", "write the rows into this file, too")
	set.StringVar(&f.bin, "bin", "", "folder of gateway, aggregator and loadgen; built when empty")
	set.StringVar(&f.profile, "profile", "", "folder into which loadgen writes profiles of itself, for go tool pprof")
	set.IntVar(&f.backlog, "backlog-mib", 0, fmt.Sprintf("the backlog by which start-up and memory are measured, in MiB; %d, or %d with -short", defaultBacklog, shortBacklog))
	set.IntVar(&f.gateways, "gateways", 0, fmt.Sprintf("how many gateways return at once; %d, or %d with -short", defaultGateways, shortGateways))
	set.Float64Var(&f.day, "day", 0, "measure this share of an outage of 24 h at 10,000 events/s instead: 1 for all 864 million samples")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("%q is not a flag; see -help", set.Arg(0))
	}
	for name := range strings.SplitSeq(*only, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(names, name) {
			return f, fmt.Errorf("there is no measurement %q; choose from %s", name, strings.Join(names, ", "))
		}
		f.only = append(f.only, name)
	}
	if f.seconds < 0 || f.seconds > 3600 {
		return f, fmt.Errorf("-seconds %g is not between 0 and 3600", f.seconds)
	}
	if f.backlog < 0 || f.backlog > 64<<10 || f.gateways < 0 || f.gateways > 1900 || !(f.day >= 0 && f.day <= 1) {
		return f, fmt.Errorf("-backlog-mib %d, -gateways %d or -day %g is out of range: at most 65536, 1900 and 1", f.backlog, f.gateways, f.day)
	}
	return f, nil
}

// lengths returns how long a measurement measures, and how long it warms up before.
func (f flags) lengths() (seconds, warmup time.Duration) {
	seconds, warmup = defaultSeconds*time.Second, defaultWarmup
	if f.short {
		seconds, warmup = shortSeconds*time.Second, shortWarmup
	}
	if f.seconds > 0 {
		seconds = time.Duration(f.seconds * float64(time.Second))
		warmup = min(warmup, seconds)
	}
	return seconds, warmup
}

// sizes returns the backlog in bytes and how many gateways return.
func (f flags) sizes() (backlog int64, gateways int) {
	backlog, gateways = defaultBacklog, defaultGateways
	if f.short {
		backlog, gateways = shortBacklog, shortGateways
	}
	if f.backlog > 0 {
		backlog = int64(f.backlog)
	}
	if f.gateways > 0 {
		gateways = f.gateways
	}
	return backlog << 20, gateways
}

func run(ctx context.Context, f flags) (err error) {
	seconds, warmup := f.lengths()
	r := result{Machine: thisMachine(seconds.Seconds())}
	b, err := newBench(ctx, seconds, warmup, f.bin, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.profile = f.profile
	b.backlog, b.gateways = f.sizes()
	all := measurements()
	if f.day > 0 {
		all, f.only = []measurement{day(f.day)}, nil
	}
	r.Rows = b.run(ctx, all, f.only)
	m := r.Machine
	fmt.Printf("%s, %d cores, %s, Linux %s, load before %s, %g s each\n\n", m.CPU, m.Cores, m.Go, m.Kernel, m.Load, m.Seconds)
	if err := writeTable(os.Stdout, r.Rows); err != nil {
		return err
	}
	if f.json == "" {
		return ctx.Err()
	}
	out, err := os.Create(f.json)
	if err != nil {
		return err
	}
	return errors.Join(r.write(out), out.Close(), ctx.Err())
}
