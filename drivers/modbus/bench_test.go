package modbus_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/sync/point"
)

// serveVariable makes this test binary a set of PLCs in a process of its own, so that the CPU
// that a benchmark reports is the gateway's alone. Its value is a fleet.
const serveVariable = "COURTSIDE_MODBUS_BENCH_SERVE"

// fleet is the PLCs of a benchmark.
type fleet struct {
	count, registers int
	delay            time.Duration
	units            int  // of each, from 1 on
	dead             bool // the last PLC answers nothing; of several units, the last one of each
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(serveVariable); spec != "" {
		servePLCs(spec)
		return
	}
	os.Exit(m.Run())
}

func servePLCs(spec string) {
	var f fleet
	if _, err := fmt.Sscan(spec, &f.count, &f.registers, (*int64)(&f.delay), &f.units, &f.dead); err != nil {
		fmt.Println(err)
		return
	}
	for n := range f.count {
		layout := map[uint8]modbusserver.Size{}
		for u := range f.units {
			layout[uint8(u+1)] = modbusserver.Size{Holding: f.registers}
		}
		s, err := modbusserver.Start("127.0.0.1:0", modbusserver.NewRegisters(layout), modbusserver.Options{Direct: f.delay == 0 && !f.dead})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer s.Close()
		dies := f.dead && (f.units > 1 || n == f.count-1)
		if f.delay > 0 || dies {
			s.SetFault(func(e *modbusserver.Exchange) {
				e.Delay = f.delay
				if dies && (f.units == 1 || int(e.Unit()) == f.units) {
					e.Answers = nil
				}
			})
		}
		fmt.Println(s.Addr())
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n') // until the benchmark is over
}

// plcs starts PLCs in another process and returns their addresses.
func plcs(b *testing.B, count, registers int, delay time.Duration) []string {
	b.Helper()
	return fleet{count: count, registers: registers, delay: delay, units: 1}.start(b)
}

func (f fleet) start(b *testing.B) []string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %d %t", serveVariable, f.count, f.registers, f.delay, f.units, f.dead))
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	var addresses []string
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		addresses = append(addresses, lines.Text())
	}
	if len(addresses) != f.count {
		b.Fatalf("the PLCs say: %v", addresses)
	}
	return addresses
}

type benchClock struct{ start time.Time }

func (c benchClock) Mono() int64 { return int64(time.Since(c.start)) }

// source prepares a PLC of so many registers in each of some units.
func source(b *testing.B, options string, registers, units int) drivers.Source {
	b.Helper()
	var groups []drivers.Group
	p := &point.Point{Type: point.Int, Class: point.State}
	for u := range units {
		g := drivers.Group{Options: driverstest.Section("source", fmt.Sprintf("table: holding\naddress: 0\nunit: %d", u+1))}
		for i := range registers {
			g.Targets = append(g.Targets, drivers.Target{Index: uint32(u*registers + i), Point: p})
		}
		groups = append(groups, g)
	}
	s, err := modbus.Driver{}.Prepare(drivers.Device{
		ID: "plc", Options: driverstest.Section("options", options),
		Classes: []drivers.ScanClass{{Name: "fast", Period: 100 * time.Millisecond}}, Groups: groups, Clock: benchClock{time.Now()},
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// connect opens a connection to a PLC of so many registers.
func connect(b *testing.B, addr string, registers, depth, perRequest int) drivers.Conn {
	b.Helper()
	c, err := source(b, fmt.Sprintf("address: %s\ndepth: %d\nmax_registers: %d", addr, depth, perRequest), registers, 1).Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// processCPU returns the CPU time of this process.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkScan polls 8 PLCs of 1,000 registers every 100 ms from 8 goroutines, as the gateway does. An op is a scan
// of all. Most of its CPU is waking up: scans that begin together cost a quarter of scans spread over the period.
func BenchmarkScan(b *testing.B) {
	const count, registers = 8, 1000
	for _, v := range []struct {
		depth int
		phase time.Duration // from one PLC to the next
	}{{1, 0}, {4, 0}, {8, 0}, {8, 12 * time.Millisecond}} {
		depth := v.depth
		b.Run(fmt.Sprintf("depth=%d/phase=%v", depth, v.phase), func(b *testing.B) {
			var conns []drivers.Conn
			for _, addr := range plcs(b, count, registers, 0) {
				conns = append(conns, connect(b, addr, registers, depth, 125))
			}
			ctx := context.Background()
			b.ReportAllocs()
			b.ResetTimer()
			before := processCPU()
			var wg sync.WaitGroup
			for n, c := range conns {
				wg.Go(func() {
					time.Sleep(time.Duration(n) * v.phase)
					tick := time.NewTicker(100 * time.Millisecond)
					defer tick.Stop()
					for range b.N {
						if err := c.Poll(ctx, 0, func(*drivers.Block) {}); err != nil {
							b.Error(err)
							return
						}
						<-tick.C
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(processCPU()-before)/float64(b.N*count*registers), "cpu-ns/value")
		})
	}
}

// BenchmarkFullSpeed polls one PLC without a pause. An op is a scan of 1,000 registers.
func BenchmarkFullSpeed(b *testing.B) {
	const registers = 1000
	for _, depth := range []int{1, 8} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			c := connect(b, plcs(b, 1, registers, 0)[0], registers, depth, 125)
			ctx := context.Background()
			b.ReportAllocs()
			b.ResetTimer()
			before := processCPU()
			for range b.N {
				if err := c.Poll(ctx, 0, func(*drivers.Block) {}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(processCPU()-before)/float64(b.N*registers), "cpu-ns/value")
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*registers), "ns/value")
		})
	}
}

// BenchmarkRoundTrip asks a device that answers after 2 ms. An op is a request of one register.
func BenchmarkRoundTrip(b *testing.B) {
	const requests = 64
	for _, depth := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			c := connect(b, plcs(b, 1, requests, 2*time.Millisecond)[0], requests, depth, 1)
			ctx := context.Background()
			b.ResetTimer()
			for n := 0; n < b.N; n += requests {
				if err := c.Poll(ctx, 0, func(*drivers.Block) {}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((b.N+requests-1)/requests*requests)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// warmUp is how many scans are made before the latencies count: they connect, and notice who is dead.
const warmUp = 10

// scans polls a PLC every period, as a worker does, and returns how long each scan took from its slot. A slot that was missed
// takes until the next one is over.
func scans(b *testing.B, s drivers.Source, period time.Duration, n int) (took []time.Duration) {
	ctx := b.Context()
	var c drivers.Conn
	var missed []time.Time
	for slot, k := time.Now(), 0; k < n+warmUp; slot, k = slot.Add(period), k+1 {
		if time.Since(slot) > period { // missed, and not queued
			missed = append(missed, slot)
			continue
		}
		time.Sleep(time.Until(slot))
		if c == nil {
			var err error
			if c, err = s.Open(ctx); err != nil {
				c = nil
			}
		}
		if c != nil && c.Poll(ctx, 0, func(*drivers.Block) {}) != nil {
			c.Close()
			c = nil
		}
		for _, at := range append(missed, slot) {
			if k >= warmUp {
				took = append(took, time.Since(at))
			}
		}
		missed = missed[:0]
	}
	if c != nil {
		c.Close()
	}
	return took
}

// percentiles reports the median and P99 of latencies under a name.
func percentiles(b *testing.B, name string, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms-"+name)
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms-"+name)
}

// BenchmarkManyPLCs polls 64 PLCs that answer after 20 ms, 100 registers each, every 100 ms. An op is a scan of all.
func BenchmarkManyPLCs(b *testing.B) {
	const count, registers = 64, 100
	var sources []drivers.Source
	for _, addr := range (fleet{count: count, registers: registers, delay: 20 * time.Millisecond, units: 1}).start(b) {
		sources = append(sources, source(b, "address: "+addr, registers, 1))
	}
	b.ResetTimer()
	before := processCPU()
	took := scanAll(b, sources)
	b.ReportMetric(float64(processCPU()-before)/float64(b.N*count*registers), "cpu-ns/value")
	percentiles(b, "all", slices.Concat(took...))
}

// BenchmarkOneDeadPLC polls two fleets of 64 such PLCs at the same time, so that what else the machine does meets both: one is whole, of the
// other one PLC answers nothing, and the latencies are those of its other 63.
func BenchmarkOneDeadPLC(b *testing.B) {
	const count, registers = 64, 100
	var sources []drivers.Source
	for _, dead := range []bool{false, true} {
		for _, addr := range (fleet{count: count, registers: registers, delay: 20 * time.Millisecond, units: 1, dead: dead}).start(b) {
			sources = append(sources, source(b, "address: "+addr, registers, 1))
		}
	}
	interleaved := make([]drivers.Source, 0, len(sources))
	for n := range count {
		interleaved = append(interleaved, sources[n], sources[count+n])
	}
	b.ResetTimer()
	took := scanAll(b, interleaved)
	var whole, beside []time.Duration
	for n := range count - 1 {
		whole, beside = append(whole, took[2*n]...), append(beside, took[2*n+1]...)
	}
	percentiles(b, "whole", whole)
	percentiles(b, "beside-dead", beside)
}

// scanAll polls every source each 100 ms, spread over the period, as phases do.
func scanAll(b *testing.B, sources []drivers.Source) [][]time.Duration {
	took := make([][]time.Duration, len(sources))
	var wg sync.WaitGroup
	for n, s := range sources {
		wg.Go(func() { took[n] = scans(b, s, 100*time.Millisecond, b.N) })
		time.Sleep(100 * time.Millisecond / time.Duration(len(sources)))
	}
	wg.Wait()
	return took
}

// BenchmarkOneDeadUnit polls two serial servers with 32 units each, of which each answers after 1 ms, every 250 ms and at the same time. Of the one's
// units, one answers nothing. The latencies are those of whole scans; the probes that ask whether the dead one is back are part of them.
func BenchmarkOneDeadUnit(b *testing.B) {
	const units, registers = 32, 20
	for _, depth := range []int{1, 4} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			took := make([][]time.Duration, 2)
			var wg sync.WaitGroup
			for n, dead := range []bool{false, true} {
				addr := fleet{count: 1, registers: registers, delay: time.Millisecond, units: units, dead: dead}.start(b)[0]
				s := source(b, fmt.Sprintf("address: %s\ndepth: %d", addr, depth), registers, units)
				wg.Go(func() { took[n] = scans(b, s, 250*time.Millisecond, b.N) })
			}
			wg.Wait()
			percentiles(b, "whole", took[0])
			percentiles(b, "with-dead", took[1])
		})
	}
}
