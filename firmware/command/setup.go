package command

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/setup"
	"github.com/courtside-edge/courtside/firmware/slot"
	"github.com/courtside-edge/courtside/sync/identity"
)

// boardVariable names the board, in board.env of an image.
const boardVariable = "COURTSIDE_BOARD"

// volatileFile is there when the image could not mount its data partition.
const volatileFile = "/run/courtside-data-volatile"

func setupCommand(version string, registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "setup", Short: "Take configuration, identity and network from the setup partition, as an image does at each boot", Args: cobra.NoArgs,
		Long: "setup checks everything in the folder that people edit, takes what is new if all of it is right, and writes back a report. It describes the network\n" +
			"to systemd in any case. docs/first-boot.md says what may lie in the folder, and what each message means. It runs as root, before network and\n" +
			"gateway. A folder with faults changes nothing and ends it with exit code 6; the gateway then runs with what was taken before."}
	o := setup.Options{Registry: registry, Version: version}
	f := c.Flags()
	f.StringVar(&o.Medium, "medium", "/run/courtside-setup/courtside", "the folder that people edit, of the mounted partition")
	f.StringVar(&o.Etc, "etc", filepath.Dir(DefaultFile), "where what is taken goes")
	f.StringVar(&o.Network, "network", "/run/systemd/network", "where the files for systemd-networkd go; timesyncd.conf.d lies beside it")
	f.StringVar(&o.Hostname, "hostname", "/proc/sys/kernel/hostname", "where the host's name goes; empty to leave it")
	f.StringVar(&o.Report, "report", setup.ReportFile, "the report's name in the folder; - for none")
	owner := f.String("user", "courtside", "who is to read keys and configuration; only root can give them away")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if filepath.Base(o.Report) != o.Report {
			return diag.Usage("--report %q: a name, without a folder", o.Report)
		}
		for _, path := range []*string{&o.Medium, &o.Etc, &o.Network} {
			if *path == "" {
				continue
			}
			var err error
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
		o.Owner, o.NoOwner = ownerOf(*owner)
		o.Now, o.Since, o.Board = time.Now(), identity.BuildTime(), os.Getenv(boardVariable)
		o.Image = image()
		_, err := os.Stat(volatileFile)
		o.Volatile = err == nil
		return runSetup(c, o)
	}
	return c
}

func runSetup(c *cobra.Command, o setup.Options) error {
	r, err := setup.Run(o)
	for _, line := range r.Short() {
		fmt.Fprintln(c.OutOrStdout(), "courtside:", line)
	}
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	if r.Outcome == setup.Refused {
		return fmt.Errorf("setup: %w: %d faults, nothing was taken", diag.ErrRefused, len(r.Faults))
	}
	return nil
}

// ownerOf returns the user who is to own keys; nil when this process cannot give files away.
func ownerOf(name string) (*setup.Owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("nobody could read what is taken: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, also := strconv.Atoi(u.Gid)
	if err := errors.Join(err, also); err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	return &setup.Owner{UID: uid, GID: gid}, nil
}

// image names the image that runs, with its version; "" on another system.
func image() string {
	m, err := slot.Read(os.DirFS("/"))
	if err != nil || m.Image == "" {
		return ""
	}
	return fmt.Sprintf("%s %s", m.Image, m.Version)
}
