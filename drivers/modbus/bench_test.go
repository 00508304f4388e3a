package modbus_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
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
// that a benchmark reports is the gateway's alone. Its value is "count registers delay".
const serveVariable = "COURTSIDE_MODBUS_BENCH_SERVE"

func TestMain(m *testing.M) {
	if spec := os.Getenv(serveVariable); spec != "" {
		servePLCs(spec)
		return
	}
	os.Exit(m.Run())
}

func servePLCs(spec string) {
	var count, registers int
	var delay time.Duration
	if _, err := fmt.Sscan(spec, &count, &registers, (*int64)(&delay)); err != nil {
		fmt.Println(err)
		return
	}
	for range count {
		memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: registers}})
		s, err := modbusserver.Start("127.0.0.1:0", memory, modbusserver.Options{Direct: delay == 0})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer s.Close()
		if delay > 0 {
			s.SetFault(modbusserver.Delay(delay))
		}
		fmt.Println(s.Addr())
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n') // until the benchmark is over
}

// plcs starts PLCs in another process and returns their addresses.
func plcs(b *testing.B, count, registers int, delay time.Duration) []string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d", serveVariable, count, registers, delay))
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
	if len(addresses) != count {
		b.Fatalf("the PLCs say: %v", addresses)
	}
	return addresses
}

type benchClock struct{ start time.Time }

func (c benchClock) Mono() int64 { return int64(time.Since(c.start)) }

// connect opens a connection to a PLC of so many registers.
func connect(b *testing.B, addr string, registers, depth, perRequest int) drivers.Conn {
	b.Helper()
	g := drivers.Group{Options: driverstest.Section("source", "table: holding\naddress: 0")}
	p := &point.Point{Type: point.Int, Class: point.State}
	for i := range registers {
		g.Targets = append(g.Targets, drivers.Target{Index: uint32(i), Point: p})
	}
	source, err := modbus.Driver{}.Prepare(drivers.Device{
		ID: "plc", Options: driverstest.Section("options", fmt.Sprintf("address: %s\ndepth: %d\nmax_registers: %d", addr, depth, perRequest)),
		Classes: []drivers.ScanClass{{Name: "fast", Period: 100 * time.Millisecond}}, Groups: []drivers.Group{g}, Clock: benchClock{time.Now()},
	})
	if err != nil {
		b.Fatal(err)
	}
	c, err := source.Open(b.Context())
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
