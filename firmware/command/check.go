package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/settings"
)

// checked is what was found of one file.
type checked struct {
	File    string  `json:"file"`
	OK      bool    `json:"ok"`
	Devices int     `json:"devices,omitempty"`
	Points  int     `json:"points,omitempty"`
	Faults  []fault `json:"faults,omitempty"`
	err     error
}

// fault is one fault, for programs. Line and column are 0 for one of a file as a whole.
type fault struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Problem string `json:"problem"`
	Fix     string `json:"fix,omitempty"`
}

func check(registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "check FILE…", Short: "Check configuration files without touching a device, and say everything that is wrong", Args: cobra.MinimumNArgs(1)}
	output := c.Flags().StringP("output", "o", "text", "text or json")
	c.RunE = func(c *cobra.Command, files []string) error {
		if *output != "text" && *output != "json" {
			return diag.Usage("--output %q: text or json", *output)
		}
		var all []checked
		var refused []error
		for _, f := range files {
			one := checkFile(f, registry)
			all = append(all, one)
			if one.err != nil {
				refused = append(refused, one.err)
			}
		}
		if err := writeChecked(c.OutOrStdout(), all, *output == "json"); err != nil {
			return err
		}
		switch err := errors.Join(refused...); {
		case err == nil:
			return nil
		case *output == "json": // they are all said
			return fmt.Errorf("%w: %d of %d files have faults", diag.ErrRefused, len(refused), len(files))
		default:
			return faults(err)
		}
	}
	return c
}

func checkFile(file string, registry drivers.Registry) checked {
	cfg, err := config.Load(file, registry)
	if err == nil {
		return checked{File: file, OK: true, Devices: len(cfg.Devices), Points: len(cfg.Table)}
	}
	return checked{File: file, Faults: listed(file, err), err: err}
}

// listed takes faults apart.
func listed(file string, err error) (out []fault) {
	list := []error{err}
	if all, ok := errors.AsType[*settings.Error](err); ok {
		list = all.Faults
	}
	for _, one := range list {
		if f, ok := errors.AsType[*settings.Fault](one); ok {
			out = append(out, fault{File: f.File, Line: f.Line, Column: f.Column, Problem: f.Problem, Fix: f.Fix})
		} else {
			out = append(out, fault{File: file, Problem: one.Error()})
		}
	}
	return out
}

func writeChecked(w io.Writer, all []checked, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	for _, one := range all {
		if !one.OK {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: ok, %d devices, %d points\n", one.File, one.Devices, one.Points); err != nil {
			return err
		}
	}
	return nil
}
