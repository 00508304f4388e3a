package modbusserver_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// frame returns a read request: function, address and quantity of unit under transaction id.
func frame(id uint16, unit, function uint8, address, quantity uint16) []byte {
	f := make([]byte, 12)
	binary.BigEndian.PutUint16(f, id)
	f[5], f[6], f[7] = 6, unit, function
	binary.BigEndian.PutUint16(f[8:], address)
	binary.BigEndian.PutUint16(f[10:], quantity)
	return f
}

type client struct {
	t    *testing.T
	conn net.Conn
}

func dial(t *testing.T, addr string) client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{t, c}
}

func (c client) send(frames ...[]byte) {
	c.t.Helper()
	if _, err := c.conn.Write(slices.Concat(frames...)); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns the next frame.
func (c client) receive() []byte {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	head := make([]byte, 6)
	if _, err := io.ReadFull(c.conn, head); err != nil {
		c.t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(head[4:]))
	if _, err := io.ReadFull(c.conn, body); err != nil {
		c.t.Fatal(err)
	}
	return append(head, body...)
}

// end returns what the next read gives instead of an answer.
func (c client) end(patience time.Duration) error {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	_, err := c.conn.Read(make([]byte, 1))
	return err
}

func start(t *testing.T, o modbusserver.Options) (*modbusserver.Server, *modbusserver.Registers) {
	t.Helper()
	memory := modbusserver.NewRegisters(map[uint8]modbusserver.Size{
		1: {Coils: 20, Discretes: 20, Holding: 200, Input: 10},
		7: {Holding: 1},
	})
	s, err := modbusserver.Start("127.0.0.1:0", memory, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, memory
}

func TestReadsEveryTable(t *testing.T) {
	for _, o := range []modbusserver.Options{{}, {Direct: true}} {
		s, memory := start(t, o)
		b := memory.Unit(1)
		b.SetHolding(3, 0x1234, 0x5678)
		b.SetInput(9, 0x9ABC)
		b.SetCoils(0, true, false, true)
		b.SetDiscretes(19, true)
		memory.Unit(7).SetHolding(0, 77)
		c := dial(t, s.Addr())
		cases := []struct {
			name    string
			request []byte
			want    []byte // from the unit id on
		}{
			{"holding", frame(1, 1, 3, 3, 2), []byte{1, 3, 4, 0x12, 0x34, 0x56, 0x78}},
			{"input", frame(2, 1, 4, 9, 1), []byte{1, 4, 2, 0x9A, 0xBC}},
			{"coils", frame(3, 1, 1, 0, 3), []byte{1, 1, 1, 0b101}},
			{"discretes", frame(4, 1, 2, 10, 10), []byte{1, 2, 2, 0, 0b10}},
			{"another unit", frame(5, 7, 3, 0, 1), []byte{7, 3, 2, 0, 77}},
			{"beyond the end", frame(6, 1, 4, 9, 2), []byte{1, 0x84, 2}},
			{"no such unit", frame(7, 9, 3, 0, 1), []byte{9, 0x83, 11}},
		}
		for _, tc := range cases {
			c.send(tc.request)
			got := c.receive()
			if !slices.Equal(got[:2], tc.request[:2]) || !slices.Equal(got[6:], tc.want) {
				t.Errorf("%s (direct %v): answer % x, want % x", tc.name, o.Direct, got, tc.want)
			}
		}
	}
}

func TestWritesReachTheMemory(t *testing.T) {
	s, memory := start(t, modbusserver.Options{})
	c := dial(t, s.Addr())
	c.send(frame(1, 1, 6, 5, 0xBEEF), frame(2, 1, 5, 4, 0xFF00))
	c.receive()
	c.receive()
	memory.Unit(1).View(func(v *modbusserver.Values) {
		if v.Holding[5] != 0xBEEF || !v.Coils[4] {
			t.Errorf("holding 5 is %#x, coil 4 is %v", v.Holding[5], v.Coils[4])
		}
	})
}

// A value of two registers is never seen half written.
func TestAnswersAreNeverTorn(t *testing.T) {
	s, memory := start(t, modbusserver.Options{Direct: true})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint16(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				memory.Unit(1).SetHolding(0, i, i)
			}
		}
	})
	c := dial(t, s.Addr())
	for range 300 {
		c.send(frame(1, 1, 3, 0, 2))
		if f := c.receive(); f[9] != f[11] || f[10] != f[12] {
			t.Fatalf("torn answer % x", f)
		}
	}
	close(stop)
	wg.Wait()
}

func TestFaultsEditAnswers(t *testing.T) {
	s, memory := start(t, modbusserver.Options{})
	memory.Unit(1).SetHolding(0, 0x0102, 0x0304)
	good := []byte{0, 9, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4}
	cases := []struct {
		name  string
		fault modbusserver.Fault
		want  []byte
	}{
		{"none", nil, good},
		{"refuse", modbusserver.Refuse(modbusserver.DeviceBusy), []byte{0, 9, 0, 0, 0, 3, 1, 0x83, 6}},
		{"short", modbusserver.Short(), []byte{0, 9, 0, 0, 0, 5, 1, 3, 2, 1, 2}},
		{"long", modbusserver.Long(), []byte{0, 9, 0, 0, 0, 9, 1, 3, 6, 1, 2, 3, 4, 0xAB, 0xCD}},
		{"id", modbusserver.WrongID(), []byte{0x55, 9, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4}},
		{"unit", modbusserver.WrongUnit(), []byte{0, 9, 0, 0, 0, 7, 2, 3, 4, 1, 2, 3, 4}},
		{"function", modbusserver.WrongFunction(), []byte{0, 9, 0, 0, 0, 7, 1, 4, 4, 1, 2, 3, 4}},
		{"protocol", modbusserver.WrongProtocol(), []byte{0, 9, 0x13, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4}},
		{"other unit's fault", modbusserver.Unit(7, modbusserver.Drop()), good},
		{"fault elsewhere", modbusserver.Addresses(2, 9, modbusserver.Drop()), good},
		{"fault of larger requests", modbusserver.MoreThan(2, modbusserver.Drop()), good},
		{"fault of others", modbusserver.Nth(1, 2, modbusserver.Drop()), good},
		{"two", modbusserver.All(modbusserver.WrongID(), modbusserver.WrongUnit()), []byte{0x55, 9, 0, 0, 0, 7, 2, 3, 4, 1, 2, 3, 4}},
	}
	c := dial(t, s.Addr())
	for _, tc := range cases {
		s.SetFault(tc.fault)
		c.send(frame(9, 1, 3, 0, 2))
		if got := c.receive(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: answer % x, want % x", tc.name, got, tc.want)
		}
	}
}

func TestFaultsOfOrder(t *testing.T) {
	s, _ := start(t, modbusserver.Options{})
	c := dial(t, s.Addr())
	ids := func(n int) (got []uint16) {
		for range n {
			got = append(got, binary.BigEndian.Uint16(c.receive()))
		}
		return got
	}
	three := [][]byte{frame(1, 1, 3, 0, 1), frame(2, 1, 3, 0, 1), frame(3, 1, 3, 0, 1)}

	s.SetFault(modbusserver.Reverse(3))
	c.send(three...)
	if got := ids(3); !slices.Equal(got, []uint16{3, 2, 1}) {
		t.Errorf("reversed answers come as %v", got)
	}
	s.SetFault(modbusserver.First(1, modbusserver.Late(50*time.Millisecond)))
	c.send(three...)
	if got := ids(3); !slices.Equal(got, []uint16{2, 3, 1}) {
		t.Errorf("with the first late, answers come as %v", got)
	}
	s.SetFault(modbusserver.First(1, modbusserver.Drop()))
	c.send(three...)
	if got := ids(2); !slices.Equal(got, []uint16{2, 3}) {
		t.Errorf("with the first dropped, answers come as %v", got)
	}
	s.SetFault(modbusserver.First(1, modbusserver.Stray()))
	c.send(three...)
	if got := ids(4); !slices.Equal(got, []uint16{0x5501, 1, 2, 3}) {
		t.Errorf("with a stray before the first, answers come as %x", got)
	}
	s.SetFault(modbusserver.First(1, modbusserver.Twice()))
	c.send(three...)
	if got := ids(4); !slices.Equal(got, []uint16{1, 1, 2, 3}) {
		t.Errorf("with the first twice, answers come as %v", got)
	}
}

func TestFaultsOfTheConnection(t *testing.T) {
	s, _ := start(t, modbusserver.Options{})
	for name, f := range map[string]modbusserver.Fault{"cut": modbusserver.HangUp(), "half": modbusserver.HalfClose()} {
		s.SetFault(f)
		c := dial(t, s.Addr())
		c.send(frame(1, 1, 3, 0, 1))
		if err := c.end(10 * time.Second); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the client reads %v, want EOF", name, err)
		}
	}
	s.SetFault(modbusserver.Drop())
	c := dial(t, s.Addr())
	c.send(frame(1, 1, 3, 0, 1))
	if err := c.end(30 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent device: the client reads %v", err)
	}
	s.SetFault(nil)
	c.send(frame(2, 1, 3, 0, 1))
	c.receive()
}

// A device that restarts is at the same address, without its connections.
func TestRestart(t *testing.T) {
	for _, o := range []modbusserver.Options{{}, {Direct: true}} {
		s, memory := start(t, o)
		c := dial(t, s.Addr())
		c.send(frame(1, 1, 3, 0, 1))
		c.receive()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
		if err := c.end(10 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after Close the client reads %v", err)
		}
		again, err := modbusserver.Start(s.Addr(), memory, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { again.Close() })
		c = dial(t, again.Addr())
		c.send(frame(1, 1, 3, 0, 1))
		c.receive()
	}
}

func TestStartSaysWhyItCannot(t *testing.T) {
	s, memory := start(t, modbusserver.Options{})
	for _, o := range []modbusserver.Options{{}, {Direct: true}} {
		if again, err := modbusserver.Start(s.Addr(), memory, o); err == nil {
			again.Close()
			t.Errorf("direct %v: two servers at %s", o.Direct, s.Addr())
		}
	}
	if _, err := modbusserver.Start("nowhere", memory, modbusserver.Options{}); err == nil {
		t.Error("an address without a port was taken")
	}
}
