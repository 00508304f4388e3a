package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
)

// The restarts that are measured.
const (
	restarts    = 3
	outage      = time.Second
	healthy     = 11 * time.Second // between two: the gateway takes what fails within 10 s for a device that is not well yet
	lookEvery   = 5 * time.Millisecond
	restartWait = 30 * time.Second
)

// restarted measures how soon the real gateway notices that a PLC went away, and how soon it reads it again once it is back.
func restarted() measurement {
	m := measurement{name: "restart", rows: []row{
		info("restart-notice", "a PLC's connections end: until its points are bad, worst of 3", "ms"),
		info("restart-recover", "the PLC is back after 1 s: until it is read again, worst of 3", "ms"),
	}}
	m.run = func(ctx context.Context, b *bench) ([]row, error) { return b.restarted(ctx, m.rows) }
	return m
}

func (b *bench) restarted(ctx context.Context, rows []row) ([]row, error) {
	r, err := b.newRig("restart")
	if err != nil {
		return nil, err
	}
	defer r.close()
	f, err := startServers(plcs, pollPeriod)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err := r.writePolling(f.addresses, pollPeriod); err != nil {
		return nil, err
	}
	if _, err := r.startAggregator(ctx); err != nil {
		return nil, err
	}
	if _, err := r.startGateway(); err != nil {
		return nil, err
	}
	if _, err := r.untilDevice(ctx, 0, true); err != nil {
		return nil, err
	}
	var notice, recovery time.Duration
	for range restarts {
		if err := wait(ctx, healthy); err != nil {
			return nil, err
		}
		if err := f.running[0].Close(); err != nil {
			return nil, err
		}
		took, err := r.untilDevice(ctx, 0, false)
		if err != nil {
			return nil, err
		}
		notice = max(notice, took)
		if err := wait(ctx, outage); err != nil {
			return nil, err
		}
		memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: registers}})
		if f.running[0], err = modbusserver.Start(f.addresses[0], memory, modbusserver.Options{Direct: true}); err != nil {
			return nil, err
		}
		if took, err = r.untilDevice(ctx, 0, true); err != nil {
			return nil, err
		}
		recovery = max(recovery, took)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	note := fmt.Sprintf("polled every %v; the gateway's status was looked at every %v", pollPeriod, lookEvery)
	return []row{rows[0].is(ms(notice), "%s", note), rows[1].is(ms(recovery), "back-off with full jitter included")}, nil
}

// untilDevice waits until the gateway's n-th device is up, or is not, and returns how long that took.
func (r *rig) untilDevice(ctx context.Context, n int, up bool) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < restartWait {
		s, err := r.gatewayStatus(ctx)
		if err == nil && n < len(s.Devices) && (s.Devices[n].State == "up") == up {
			return time.Since(began), nil
		}
		if err := wait(ctx, lookEvery); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("waiting for a device's state took longer than " + restartWait.String())
}
