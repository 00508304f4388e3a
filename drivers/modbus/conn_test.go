package modbus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/sync/point"
)

// bench is a device with registers 0 to 999 that hold their address, and 100 coils of which every third is set.
type bench struct {
	t      *testing.T
	server *modbusserver.Server
	memory *modbusserver.Registers
}

func newBench(t *testing.T) bench {
	t.Helper()
	memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Holding: 1000, Input: 1000, Coils: 100, Discretes: 100}})
	memory.Unit(1).Update(func(v *modbusserver.Values) {
		for i := range v.Holding {
			v.Holding[i], v.Input[i] = uint16(i), uint16(i)
		}
		for i := range v.Coils {
			v.Coils[i], v.Discretes[i] = i%3 == 0, i%3 == 1
		}
	})
	s, err := modbusserver.Start("127.0.0.1:0", memory, modbusserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return bench{t, s, memory}
}

func (b bench) prepare(options string, groups ...drivers.Group) *modbus.Source {
	b.t.Helper()
	s, err := prepare("address: "+b.server.Addr()+"\n"+options, groups...)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b bench) open(s *modbus.Source) *modbus.Conn {
	b.t.Helper()
	c, err := s.Open(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c.(*modbus.Conn)
}

// poll returns what one poll of class 0 says about each point.
func poll(t *testing.T, c drivers.Conn) (map[uint32]drivers.Reading, error) {
	t.Helper()
	got := map[uint32]drivers.Reading{}
	err := c.Poll(t.Context(), 0, func(b *drivers.Block) {
		for _, r := range b.Readings {
			if _, twice := got[r.Index]; twice {
				t.Errorf("point %d comes twice in one poll", r.Index)
			}
			got[r.Index] = r
		}
	})
	return got, err
}

// qualities counts the readings by quality.
func qualities(got map[uint32]drivers.Reading) string {
	n := map[string]int{}
	for _, r := range got {
		n[r.Quality.String()]++
	}
	return fmt.Sprint(n)
}

const ten = "max_registers: 10\ntimeout: 100ms\n" // so that 100 registers are ten requests

func hundred() drivers.Group {
	return group("source", "table: holding\naddress: 0", 100, state(point.Int))
}

func TestReadsEachTable(t *testing.T) {
	b := newBench(t)
	index := func(first uint32, g drivers.Group) drivers.Group {
		for n := range g.Targets {
			g.Targets[n].Index += first
		}
		return g
	}
	c := b.open(b.prepare("",
		index(0, group("holding", "table: holding\naddress: 500\nstep: 3", 10, state(point.Int))),
		index(10, group("input", "reference: 30601", 10, state(point.Int))),
		index(20, group("coil", "table: coil\naddress: 1", 10, state(point.Bool))),
		index(30, group("discrete", "table: discrete\naddress: 80\nstep: 2", 10, state(point.Bool))),
		index(40, group("bit", "table: holding\naddress: 5\ntype: bit\nbit: 2", 1, state(point.Bool)))))
	got, err := poll(t, c)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint32(10) {
		for at, want := range map[uint32]uint64{
			n: uint64(500 + 3*n), 10 + n: uint64(600 + n), 20 + n: point.BoolBits((1+n)%3 == 0), 30 + n: point.BoolBits((80+2*n)%3 == 1), 40: 1,
		} {
			if r := got[at]; r.Quality != point.Good || r.Bits != want {
				t.Errorf("point %d: %+v, want %d", at, r, want)
			}
		}
	}
}

// Sixteen outstanding requests may be answered in any order.
func TestMatchesAnswersInAnyOrder(t *testing.T) {
	b := newBench(t)
	for _, depth := range []int{2, 5, 10} {
		b.server.SetFault(modbusserver.Reverse(depth))
		c := b.open(b.prepare(ten+fmt.Sprintf("depth: %d", depth), hundred()))
		got, err := poll(t, c)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if r.Quality != point.Good || r.Bits != uint64(i) {
				t.Errorf("depth %d: point %d: %+v", depth, i, r)
			}
		}
		c.Close()
	}
}

// One request that is not answered costs its own points, and its late answer nobody.
func TestOneTimeoutIsOneRequest(t *testing.T) {
	b := newBench(t)
	for _, depth := range []int{1, 4} {
		c := b.open(b.prepare(ten+fmt.Sprintf("depth: %d", depth), hundred()))
		b.server.SetFault(modbusserver.First(1, modbusserver.Late(120*time.Millisecond)))
		got, err := poll(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if q := qualities(got); q != "map[bad: timeout:10 good:90]" {
			t.Errorf("depth %d: %s", depth, q)
		}
		b.server.SetFault(modbusserver.Delay(20 * time.Millisecond)) // the late answer comes meanwhile
		if got, err = poll(t, c); err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if r.Quality != point.Good || r.Bits != uint64(i) {
				t.Errorf("depth %d, after a late answer: point %d: %+v", depth, i, r)
			}
		}
		if s := c.Stats(); s.Timeouts != 1 || s.Strays != 1 || s.Requests != 20 {
			t.Errorf("depth %d: %+v", depth, s)
		}
	}
}

func TestThreeTimeoutsInARowEndTheConnection(t *testing.T) {
	b := newBench(t)
	for _, depth := range []int{1, 16} {
		c := b.open(b.prepare(ten+fmt.Sprintf("depth: %d", depth), hundred()))
		b.server.SetFault(modbusserver.Drop())
		_, err := poll(t, c)
		var failure *drivers.Error
		if !errors.As(err, &failure) || failure.Failure != drivers.Transient || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("depth %d: %v", depth, err)
		}
		if s := c.Stats(); s.Timeouts != 3 {
			t.Errorf("depth %d: %+v", depth, s)
		}
		// Two in a row, again and again, do not.
		c = b.open(b.prepare(ten, hundred()))
		n := 0
		b.server.SetFault(func(e *modbusserver.Exchange) {
			if n++; n%3 != 0 {
				e.Answers = nil
			}
		})
		if got, err := poll(t, c); err != nil || qualities(got) != "map[bad: timeout:70 good:30]" {
			t.Errorf("%v %v", qualities(got), err)
		}
		b.server.SetFault(nil)
	}
}

func TestExceptionsAreQualities(t *testing.T) {
	b := newBench(t)
	for code, want := range map[modbusserver.Exception]point.Quality{
		modbusserver.DeviceFailure: point.BadDeviceFailure, modbusserver.Acknowledge: point.BadResourceUnavailable,
		modbusserver.DeviceBusy: point.BadResourceUnavailable, modbusserver.ParityError: point.BadDeviceFailure,
		modbusserver.PathUnavailable: point.BadNotConnected, modbusserver.TargetSilent: point.BadNotConnected,
		modbusserver.IllegalFunction: point.BadConfigurationError, modbusserver.IllegalValue: point.BadConfigurationError,
		modbusserver.IllegalAddress: point.BadNodeIDUnknown,
	} {
		b.server.SetFault(modbusserver.Addresses(20, 29, modbusserver.Refuse(code)))
		c := b.open(b.prepare(ten+"depth: 3", hundred()))
		for n := range 2 {
			got, err := poll(t, c)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range got {
				if inside := i >= 20 && i < 30; inside != (r.Quality == want) || !inside && !r.Quality.IsGood() {
					t.Errorf("exception %d, poll %d: point %d is %v", code, n, i, r.Quality)
				}
			}
			if len(got) != 100 {
				t.Errorf("exception %d, poll %d: %d points", code, n, len(got))
			}
		}
		c.Close()
	}
}

func TestMalformedAnswersSpoilTheirOwnPoints(t *testing.T) {
	b := newBench(t)
	for name, fault := range map[string]modbusserver.Fault{
		"short": modbusserver.Short(), "long": modbusserver.Long(), "another unit": modbusserver.WrongUnit(), "another function": modbusserver.WrongFunction(),
	} {
		c := b.open(b.prepare(ten+"depth: 4", hundred()))
		b.server.SetFault(modbusserver.Addresses(50, 59, fault))
		got, err := poll(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if q := qualities(got); q != "map[bad: data encoding invalid:10 good:90]" {
			t.Errorf("%s: %s", name, q)
		}
	}
}

func TestWhatIsNoFrameEndsTheConnection(t *testing.T) {
	b := newBench(t)
	for says, fault := range map[string]modbusserver.Fault{
		"protocol id":           modbusserver.WrongProtocol(),
		"length 300":            modbusserver.WrongLength(300),
		"length 1,":             modbusserver.WrongLength(1),
		"protocol id 21584":     modbusserver.Garbage([]byte("HTTP/1.1 400 Bad Request\r\n")),
		"closed the connection": modbusserver.All(modbusserver.Truncate(8), func(e *modbusserver.Exchange) { e.End = modbusserver.Cut }),
	} {
		c := b.open(b.prepare(ten, hundred()))
		b.server.SetFault(fault)
		_, err := poll(t, c)
		var failure *drivers.Error
		if !errors.As(err, &failure) || drivers.IsPermanent(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
		b.server.SetFault(nil)
	}
}

// A device that lacks some addresses: one poll finds them, later ones and later connections do not ask again at once,
// and a connection that does asks once for each, through goburrow's client.
func TestRemembersRefusedAddresses(t *testing.T) {
	b := newBench(t)
	refuse := modbusserver.All(
		modbusserver.Addresses(33, 33, modbusserver.Refuse(modbusserver.IllegalAddress)),
		modbusserver.Addresses(71, 72, modbusserver.Refuse(modbusserver.IllegalAddress)))
	b.server.SetFault(refuse)
	s := b.prepare("depth: 4", hundred())
	check := func(c *modbus.Conn, wantRequests uint64) {
		t.Helper()
		before := c.Stats().Requests
		got, err := poll(t, c)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			hole := i == 33 || i == 71 || i == 72
			if hole != (r.Quality == point.BadNodeIDUnknown) || !hole && (r.Quality != point.Good || r.Bits != uint64(i)) {
				t.Errorf("point %d: %+v", i, r)
			}
		}
		if n := c.Stats().Requests - before; len(got) != 100 || wantRequests > 0 && n != wantRequests {
			t.Errorf("%d points in %d requests, want %d", len(got), n, wantRequests)
		}
	}
	c := b.open(s)
	check(c, 0)
	check(c, 3) // 0-32, 34-70, 73-99
	check(c, 3)
	c.Close()
	c = b.open(s)
	check(c, 6) // and each of the refused, once
	check(c, 3)
	if plan := s.Plan().Classes[0]; len(plan.Requests) != 3 || len(plan.Refused) != 3 {
		t.Errorf("%v", plan)
	}

	b.server.SetFault(nil) // the device got its addresses
	c.Close()
	c = b.open(s)
	if _, err := poll(t, c); err != nil {
		t.Fatal(err)
	}
	before := c.Stats().Requests
	got, err := poll(t, c)
	if n := c.Stats().Requests - before; err != nil || qualities(got) != "map[good:100]" || n != 1 {
		t.Errorf("%v in %d requests, %v", qualities(got), n, err)
	}
}

// A device that takes fewer registers a request than the protocol allows.
func TestFindsTheDevicesOwnLimit(t *testing.T) {
	b := newBench(t)
	b.server.SetFault(modbusserver.MoreThan(30, modbusserver.Refuse(modbusserver.IllegalValue)))
	c := b.open(b.prepare("depth: 4", hundred()))
	for range 3 {
		got, err := poll(t, c)
		if err != nil || qualities(got) != "map[good:100]" {
			t.Fatal(qualities(got), err)
		}
	}
	before := c.Stats()
	if _, err := poll(t, c); err != nil || c.Stats().Exceptions != before.Exceptions {
		t.Errorf("requests beyond the limit go on: %+v, %v", c.Stats(), err)
	}
}

// More refusals than one scan may follow: the rest is bad for now, never silently missing, and learned later.
func TestRefusalsDoNotTakeOverAScan(t *testing.T) {
	b := newBench(t)
	b.server.SetFault(modbusserver.Refuse(modbusserver.IllegalAddress))
	c := b.open(b.prepare("depth: 16", group("source", "table: holding\naddress: 0", 300, state(point.Int))))
	got, err := poll(t, c)
	if err != nil || len(got) != 300 {
		t.Fatal(len(got), err)
	}
	if n := c.Stats().Requests; n > 70 {
		t.Errorf("one scan sent %d requests", n)
	}
	b.server.SetFault(nil)
	for range 200 {
		if got, err = poll(t, c); err != nil || len(got) != 300 {
			t.Fatal(len(got), err)
		}
	}
	if q := got[299]; q.Quality == point.BadWaitingForInitialData {
		t.Errorf("after 200 scans nothing more was asked: %v", qualities(got))
	}
}

func TestContexts(t *testing.T) {
	b := newBench(t)
	c := b.open(b.prepare("timeout: 60s\nmax_registers: 10", hundred()))
	block := func(*drivers.Block) {}
	for range 3 { // a context that ends after its poll does not touch later ones
		ctx, cancel := context.WithCancel(t.Context())
		if err := c.Poll(ctx, 0, block); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if err := c.Poll(context.Background(), 0, block); err != nil {
		t.Fatal(err)
	}
	b.server.SetFault(modbusserver.Drop())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Poll(ctx, 0, block); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestKeepsPauses(t *testing.T) {
	b := newBench(t)
	c := b.open(b.prepare("pause: 5ms\nmax_registers: 10", hundred()))
	before := time.Now()
	if got, err := poll(t, c); err != nil || qualities(got) != "map[good:100]" {
		t.Fatal(qualities(got), err)
	}
	if took := time.Since(before); took < 45*time.Millisecond {
		t.Errorf("ten requests with pauses of 5 ms took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = b.open(b.prepare("pause: 10s\nmax_registers: 10", hundred()))
	blocks := 0
	if err := c.Poll(ctx, 0, func(*drivers.Block) { blocks++; cancel() }); !errors.Is(err, context.Canceled) || blocks != 1 {
		t.Errorf("%d blocks, %v", blocks, err)
	}
}

func TestOpenSaysWhyItCannot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, err := prepare("address: "+l.Addr().String(), hundred())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Open(t.Context())
	if err == nil || drivers.IsPermanent(err) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("%v", err)
	}
}

// echo answers read requests of 100 registers on loopback without allocating, so that the
// driver's own allocations can be counted.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in, out, zeros := make([]byte, 4096), make([]byte, 0, 8192), make([]byte, 250)
		for {
			n, err := c.Read(in)
			if err != nil || n%12 != 0 {
				return
			}
			out = out[:0]
			for f := in[:n]; len(f) > 0; f = f[12:] {
				q := int(f[11])
				out = append(out, f[0], f[1], 0, 0, 0, byte(3+2*q), f[6], f[7], byte(2*q))
				out = append(out, zeros[:2*q]...)
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}()
	return l.Addr().String()
}

func TestPollAllocatesNothing(t *testing.T) {
	for _, depth := range []int{1, 8} {
		s, err := prepare(fmt.Sprintf("address: %s\ndepth: %d\nmax_registers: 100", echo(t), depth), group("source", "table: holding\naddress: 0", 1000, state(point.Int)))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, n := t.Context(), 0
		yield := func(b *drivers.Block) { n += len(b.Readings) }
		got := testing.AllocsPerRun(50, func() {
			if err := c.Poll(ctx, 0, yield); err != nil {
				t.Fatal(err)
			}
		})
		if got > 0 || n != 51*1000 {
			t.Errorf("depth %d: %v allocations a poll, %d readings", depth, got, n)
		}
		c.Close()
	}
}
