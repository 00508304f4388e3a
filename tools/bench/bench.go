package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/tools/devca"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

const trustDomain = "courtside.test"

// bench is one run: its folder, its programs and its authority.
type bench struct {
	dir     string
	bin     string
	seconds time.Duration // that each measurement measures
	warmup  time.Duration
	profile string // folder for loadgen's profiles; empty for none
	backlog int64  // bytes by which the spool's own figures are measured
	// gateways is how many return at once.
	gateways int
	ca       *devca.Authority
	ids      map[string]devca.Endpoint // by "aggregator" and "gateway"
	say      io.Writer                 // progress, for people
}

// measurement is one question to the machine. run returns every row that it promises in rows, or an error for all of them.
type measurement struct {
	name string
	rows []row
	run  func(context.Context, *bench) ([]row, error)
	// patience is how much longer than the others it may take; nil for no longer.
	patience func(*bench) time.Duration
}

// measurements returns all of them, in the order of the table.
func measurements() []measurement {
	return []measurement{polling(), sustained(), freshness(), replay(), memory(), largeMemory(), binarySize(), roundTrips(), fleets(), restarted(), criticalAppend(), spooled(), crowd()}
}

// newBench makes the folder, the authority and, unless bin holds them, the programs.
func newBench(ctx context.Context, seconds, warmup time.Duration, bin string, say io.Writer) (*bench, error) {
	dir, err := os.MkdirTemp("", "courtside-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, bin: bin, seconds: seconds, warmup: warmup, say: say}
	if err := errors.Join(b.authority(), b.programs(ctx)); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// authority issues what both sides need, for longer than any run takes.
func (b *bench) authority() error {
	var err error
	if b.ca, err = devca.Open(devca.Config{Dir: filepath.Join(b.dir, "ca"), TrustDomain: trustDomain, Life: 24 * time.Hour}); err != nil {
		return err
	}
	b.ids = map[string]devca.Endpoint{}
	for name, id := range map[string]identity.ID{
		"aggregator": {TrustDomain: trustDomain, Role: identity.Aggregator},
		"gateway":    {TrustDomain: trustDomain, Role: identity.Gateway, Venue: loadgen.Venue, Name: loadgen.Gateway},
	} {
		if b.ids[name], err = b.ca.Add(id); err != nil {
			return err
		}
	}
	return nil
}

// programs builds what is measured, as `make build` does, unless a folder of them was given.
func (b *bench) programs(ctx context.Context) error {
	if b.bin != "" {
		for _, name := range []string{"gateway", "aggregator", "loadgen"} {
			if _, err := os.Stat(filepath.Join(b.bin, name)); err != nil {
				return fmt.Errorf("%w; run `make build` first, or leave -bin out", err)
			}
		}
		return nil
	}
	b.bin = filepath.Join(b.dir, "bin")
	fmt.Fprintln(b.say, "building gateway, aggregator and loadgen")
	return b.build(ctx, nil, b.bin+"/", "./firmware/cmd/gateway", "./cloud/cmd/aggregator", "./tools/loadgen/cmd/loadgen")
}

// build builds programs as they are shipped: static and stripped.
func (b *bench) build(ctx context.Context, env []string, out string, packages ...string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", out}, packages...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), append([]string{"CGO_ENABLED=0"}, env...)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, said)
	}
	return nil
}

// moduleRoot returns the folder of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("run it within the module, so that it can build what it measures")
	}
	return filepath.Dir(file), nil
}

func (b *bench) close() error {
	var err error
	if b.ca != nil {
		err = b.ca.Close()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// run runs the measurements that only names, all when it names none, and returns their rows.
func (b *bench) run(ctx context.Context, all []measurement, only []string) []row {
	var rows []row
	for _, m := range all {
		if len(only) > 0 && !slices.Contains(only, m.name) {
			continue
		}
		if ctx.Err() != nil {
			rows = append(rows, failed(m.rows, ctx.Err())...)
			continue
		}
		fmt.Fprintf(b.say, "measuring %s\n", m.name)
		rows = append(rows, b.one(ctx, m)...)
	}
	return rows
}

// one runs a measurement in bounded time. Rows that it did not bring say why.
func (b *bench) one(ctx context.Context, m measurement) []row {
	limit := 3*b.seconds + 2*b.warmup + 2*time.Minute
	if m.patience != nil {
		limit += m.patience(b)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err := m.run(ctx, b)
	if err == nil {
		err = errors.New("the measurement brought no figure")
	}
	rows := slices.Clone(m.rows)
	for i := range rows {
		at := slices.IndexFunc(got, func(r row) bool { return r.ID == rows[i].ID })
		if at < 0 {
			rows[i] = rows[i].failed(err)
			continue
		}
		rows[i] = got[at]
	}
	return rows
}

func failed(rows []row, err error) []row {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i] = rows[i].failed(err)
	}
	return rows
}

// wait waits for d or the end of ctx.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
