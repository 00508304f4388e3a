package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/tools/loadgen"
)

// The workload of the polling measurement.
const (
	plcs         = 8
	registers    = 1000 // of each
	pollPeriod   = 100 * time.Millisecond
	pollDepth    = 8    // requests on their way to one PLC; a scan of 1,000 registers is 8 requests
	changedShare = 0.01 // of all registers, each period
)

// telegrafLow and telegrafHigh are what Telegraf 1.39 was seen to use for the same PLCs, in µs a value, without TLS.
const telegrafLow, telegrafHigh = 3.6, 4.3

// polling measures the real gateway against Modbus TCP servers in this process.
func polling() measurement {
	m := measurement{name: "polling", rows: []row{
		atMost("polling-cpu", "gateway CPU per polled Modbus value, wire to broker, mTLS", 0.18, "µs"),
		info("polling-peer", "the same by Telegraf 1.39, published, without TLS", "µs"),
		info("polling-rss", "gateway VmRSS while polling 8,000 registers", "MB"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.polling(ctx, m.rows) }
	return m
}

func (b *bench) polling(ctx context.Context, rows []row) ([]row, error) {
	peer := rows[1].is((telegrafLow+telegrafHigh)/2, "%.1f to %.1f; the same 8 PLCs on the machine it was measured on", telegrafLow, telegrafHigh)
	r, err := b.newRig("polling")
	if err != nil {
		return []row{peer}, err
	}
	defer r.close()
	f, err := startServers(plcs, pollPeriod)
	if err != nil {
		return []row{peer}, err
	}
	defer f.close()
	if err := r.writePolling(f.addresses, pollPeriod); err != nil {
		return []row{peer}, err
	}
	if _, err := r.startAggregator(ctx); err != nil {
		return []row{peer}, err
	}
	gw, err := r.startGateway()
	if err != nil {
		return []row{peer}, err
	}
	if err := wait(ctx, b.warmup); err != nil {
		return []row{peer}, err
	}
	var before, after diag.Status
	s, err := r.measure(ctx, []*program{gw}, func() (err error) {
		if before, err = r.gatewayStatus(ctx); err != nil {
			return err
		}
		if err = wait(ctx, b.seconds); err != nil {
			return err
		}
		after, err = r.gatewayStatus(ctx)
		return err
	})
	if err != nil {
		return []row{peer}, err
	}
	values, passed, overruns := devices(after)
	v0, p0, o0 := devices(before)
	if values -= v0; values == 0 || after.Link.State != "up" {
		return []row{peer}, fmt.Errorf("the gateway polled %d values, its link is %s: %s", values, after.Link.State, tail(gw.log))
	}
	cpu := (s.after[0].cpu - s.before[0].cpu).Seconds() / float64(values) * 1e6
	note := fmt.Sprintf("%d values/s, %.2f %% changed, depth %d, %d scans missed%s", int(float64(values)/s.seconds), 100*float64(passed-p0)/float64(values), pollDepth, overruns-o0, s.strangers())
	return []row{peer, rows[0].is(cpu, "%s", note), rows[2].is(megabytes(s.after[0].rss), "peak %.0f", megabytes(s.after[0].peak))}, nil
}

func devices(s diag.Status) (values, passed, overruns uint64) {
	for _, d := range s.Devices {
		values, passed, overruns = values+d.Values, passed+d.Passed, overruns+d.Overruns
	}
	return values, passed, overruns
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// startGateway starts the real gateway.
func (r *rig) startGateway() (*program, error) {
	p, err := start(r.dir, "gateway", nil, filepath.Join(r.b.bin, "gateway"), "run", "--config", r.files.Gateway)
	if err == nil {
		r.programs = append(r.programs, p)
	}
	return p, err
}

// writePolling writes the files of both sides, for PLCs at these addresses.
func (r *rig) writePolling(addresses []string, period time.Duration) error {
	if err := r.writeSite(loadgen.Site{}); err != nil {
		return err
	}
	id := r.b.ids["gateway"]
	var gw, ids bytes.Buffer
	fmt.Fprintf(&gw, "venue: %s\ngateway: %s\ndata_dir: %q\n", loadgen.Venue, loadgen.Gateway, filepath.Join(r.dir, "data", "gateway"))
	fmt.Fprintf(&gw, "identity: {trust_domain: %s, cert_file: %q, key_file: %q, bundle_file: %q}\n", trustDomain, id.CertFile, id.KeyFile, id.BundleFile)
	fmt.Fprintf(&gw, "uplink: {broker: %q}\ndiag: {listen: \"\"}\nlog: {level: warn}\nscan_classes: {fast: %s}\ndevices:\n", "mqtts://"+r.broker, period)
	for i, addr := range addresses {
		fmt.Fprintf(&gw, "  - id: plc-%d\n    driver: modbus\n    options: {address: %q, depth: %d}\n    points:\n", i+1, addr, pollDepth)
		fmt.Fprintf(&gw, "      - {range: \"reg/{n:1..%d}\", type: int, scan: fast, source: {table: holding, address: 0, type: uint16}}\n", registers)
		fmt.Fprintf(&ids, ", plc-%d", i+1)
	}
	if err := os.WriteFile(r.files.Gateway, gw.Bytes(), 0o600); err != nil {
		return err
	}
	// The aggregator grants this gateway the PLCs instead of the generators.
	raw, err := os.ReadFile(r.files.Aggregator)
	if err != nil {
		return err
	}
	granted := bytes.Replace(raw, []byte(loadgen.SeatDevice), []byte(loadgen.SeatDevice+ids.String()), 1)
	if bytes.Equal(granted, raw) {
		return errors.New("the aggregator's file does not name the generator's device")
	}
	return os.WriteFile(r.files.Aggregator, granted, 0o600)
}

// servers is Modbus servers whose registers change.
type servers struct {
	addresses []string
	running   []*modbusserver.Server
	banks     []*modbusserver.Bank
	period    time.Duration // of changes
	stop      chan struct{}
	done      sync.WaitGroup
}

func startServers(count int, period time.Duration) (*servers, error) {
	f := &servers{period: period, stop: make(chan struct{})}
	for range count {
		memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: registers}})
		s, err := modbusserver.Start("127.0.0.1:0", memory, modbusserver.Options{Direct: true})
		if err != nil {
			f.close()
			return nil, err
		}
		f.running, f.banks, f.addresses = append(f.running, s), append(f.banks, memory.Unit(1)), append(f.addresses, s.Addr())
	}
	f.done.Go(f.change)
	return f, nil
}

// change gives a share of the registers new values every period.
func (f *servers) change() {
	t := time.NewTicker(f.period)
	defer t.Stop()
	r := rand.New(rand.NewPCG(1, 1))
	for {
		select {
		case <-f.stop:
			return
		case <-t.C:
		}
		for _, b := range f.banks {
			b.Update(func(v *modbusserver.Values) {
				for range int(changedShare * registers) {
					v.Holding[r.IntN(registers)]++
				}
			})
		}
	}
}

func (f *servers) close() {
	close(f.stop)
	f.done.Wait()
	for _, s := range f.running {
		_ = s.Close() // it ends with this process at the latest
	}
}
