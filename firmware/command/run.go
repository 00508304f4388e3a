package command

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/led"
	"github.com/courtside-edge/courtside/firmware/waiting"
	"github.com/courtside-edge/courtside/sync/notify"
)

const (
	// ledVariable names the board's light, in board.env of an image.
	ledVariable = "COURTSIDE_LED"
	// startPatience is how long a start may take; as TimeoutStartSec= of the unit.
	startPatience = 15 * time.Minute
	// waitPatience is how long a gateway that waits may be at one step.
	waitPatience = 45 * time.Second
	// ledPeriod is how often the light follows the gateway.
	ledPeriod = time.Second
)

// runner is one `gateway run`.
type runner struct {
	version string
	file    string
	dir     string // of the socket while it waits
	wait    bool
	lights  string // where the kernel lists its LEDs
	load    func() (*config.Config, error)
	status  atomic.Pointer[func() diag.Status] // of what runs now
}

func run(version string, registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "run", Short: "Run until told to stop; SIGHUP reads the configuration again", Args: cobra.NoArgs,
		Long: "run polls and sends until it is told to stop. Without a configuration, or with one that has faults, it ends with exit code 6; with --wait it stays,\n" +
			"says so to gwctl, in its log and on the board's light, and starts by itself as soon as the configuration is there and right. The light is the\n" +
			"one below /sys/class/leds that the environment variable " + ledVariable + " names."}
	r := runner{version: version, lights: led.Class}
	c.Flags().StringVarP(&r.file, "config", "c", DefaultFile, "configuration file")
	c.Flags().BoolVar(&r.wait, "wait", false, "wait for a configuration that is not there, or not right")
	c.Flags().StringVar(&r.dir, "wait-dir", "/var/lib/courtside", "where gwctl finds it while it waits; later that is the configuration's data_dir")
	c.RunE = func(c *cobra.Command, _ []string) error {
		r.load = func() (*config.Config, error) { return config.Load(r.file, registry) }
		return r.run(c)
	}
	return c
}

func (r *runner) run(c *cobra.Command) error {
	cfg, err := r.load()
	if err != nil && !r.wait {
		return faults(err)
	}
	log := logger(c.ErrOrStderr(), config.Log{Format: "text"})
	defer r.shine(c.Context(), log)()
	waited := err != nil
	if waited {
		if cfg, err = r.await(c.Context(), log, err); err != nil {
			return nil // it was told to stop
		}
	}
	log = logger(c.ErrOrStderr(), cfg.Log)
	service := notify.FromEnvironment(log)
	if waited { // systemd takes it for started, and still it may have a large spool to repair
		service.Allow(startPatience)
	}
	g, err := gateway.Start(c.Context(), cfg, gateway.Deps{Version: r.version, Log: log, Load: r.load, File: r.file, Image: thisImage(log)})
	if err != nil {
		return err
	}
	log.Info("gateway runs", "venue", cfg.Venue, "gateway", cfg.Gateway, "version", r.version, "devices", len(cfg.Devices), "points", len(cfg.Table))
	status := g.Status
	r.status.Store(&status)
	service.Ready(g.Summary())
	service.Allow(0)
	watched := watch(c.Context(), service, g.Summary, g.Parts()...)
	stop := reloadOnHangup(c, g, service)
	err = g.Wait()
	stop()
	watched()
	return err
}

// await waits for a configuration, for which there is none because of err. Its own error is that of ctx.
func (r *runner) await(ctx context.Context, log *slog.Logger, err error) (*config.Config, error) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	w := waiting.New(waiting.Options{File: r.file, Load: r.load, Dir: r.dir, Version: r.version, Log: log, Wake: hangups}, err)
	status := w.Status
	r.status.Store(&status)
	service := notify.FromEnvironment(log) // a gateway that waits has started
	summary := func() string { return "waits for its configuration " + r.file }
	service.Ready(summary())
	defer watch(ctx, service, summary, notify.Part{Name: "waiting", Alive: func(context.Context) error { return w.Stuck(waitPatience) }})()
	return w.Run(ctx)
}

// shine lets the board's light follow what runs, until it is dark again.
func (r *runner) shine(ctx context.Context, log *slog.Logger) (dark func()) {
	ctx, cancel := context.WithCancel(ctx)
	light := led.Open(r.lights, os.Getenv(ledVariable), log)
	done := make(chan struct{})
	go func() {
		defer close(done)
		light.Follow(ctx, ledPeriod, func() led.Pattern {
			status := r.status.Load()
			if status == nil {
				return led.Offline
			}
			return led.Judge((*status)())
		})
	}()
	return func() { cancel(); <-done }
}
