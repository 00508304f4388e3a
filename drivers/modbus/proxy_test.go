package modbus_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/sync/point"
)

// freeAddr returns an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// request asks a Modbus TCP server and returns the body of its answer.
func request(t *testing.T, conn net.Conn, body ...byte) []byte {
	t.Helper()
	frame := binary.BigEndian.AppendUint16([]byte{0x12, 0x34, 0, 0}, uint16(len(body)))
	if _, err := conn.Write(append(frame, body...)); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	head := make([]byte, 6)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatalf("asking % x: %v", body, err)
	}
	answer := make([]byte, binary.BigEndian.Uint16(head[4:]))
	if _, err := io.ReadFull(conn, answer); err != nil || head[0] != 0x12 || head[1] != 0x34 {
		t.Fatalf("% x % x, %v", head, answer, err)
	}
	return answer
}

func TestProxyGivesTheLastValues(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	s := b.prepare("proxy: "+addr, group("source", "table: holding\naddress: 100", 50, state(point.Int)), group("coils", "table: coil\naddress: 0", 20, state(point.Bool)))
	c := b.open(s)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := request(t, conn, 1, 3, 0, 100, 0, 2); !bytes.Equal(got, []byte{1, 0x83, 11}) {
		t.Errorf("before the first scan: % x", got)
	}
	if err := c.Poll(t.Context(), 0, nothing); err != nil {
		t.Fatal(err)
	}
	b.memory.Unit(1).SetHolding(100, 9999) // not read yet
	for _, tc := range []struct {
		what      string
		ask, want []byte
	}{
		{"two registers", []byte{1, 3, 0, 100, 0, 2}, []byte{1, 3, 4, 0, 100, 0, 101}},
		{"the last one", []byte{1, 3, 0, 149, 0, 1}, []byte{1, 3, 2, 0, 149}},
		{"ten coils", []byte{1, 1, 0, 0, 0, 10}, []byte{1, 1, 2, 0b01001001, 0b00000010}},
		{"beyond what is polled", []byte{1, 3, 0, 149, 0, 2}, []byte{1, 0x83, 2}},
		{"another table", []byte{1, 4, 0, 100, 0, 1}, []byte{1, 0x84, 2}},
		{"another unit", []byte{2, 3, 0, 100, 0, 1}, []byte{2, 0x83, 11}},
		{"no registers", []byte{1, 3, 0, 100, 0, 0}, []byte{1, 0x83, 3}},
		{"too many", []byte{1, 3, 0, 0, 0, 126}, []byte{1, 0x83, 3}},
		{"beyond the table", []byte{1, 3, 0xFF, 0xFF, 0, 2}, []byte{1, 0x83, 2}},
		{"a write", []byte{1, 6, 0, 100, 0, 7}, []byte{1, 0x86, 1}},
		{"a write of several", []byte{1, 16, 0, 100, 0, 1, 2, 0, 7}, []byte{1, 0x90, 1}},
		{"a request that ends early", []byte{1, 3, 0}, []byte{1, 0x83, 3}},
	} {
		if got := request(t, conn, tc.ask...); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: % x, want % x", tc.what, got, tc.want)
		}
	}
	b.memory.Unit(1).View(func(v *modbusserver.Values) {
		if v.Holding[100] != 9999 {
			t.Error("a write went through")
		}
	})
	if n := b.server.Clients(); n != 1 {
		t.Errorf("the device has %d clients", n)
	}
	c.Close() // ends the proxy, and waits for it
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the proxy outlives the connection to the device")
	}
	b.open(s) // and the port is free for the next
	if conn, err = net.Dial("tcp", addr); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// What has not been read for some scans is not given as if it were so.
func TestProxyDoesNotGiveOldValues(t *testing.T) {
	r := newRingRig(t, plain(16)) // for its clock
	addr := freeAddr(t)
	r.start("proxy: "+addr, group("source", "table: holding\naddress: 0", 5, state(point.Int)))
	r.poll()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := request(t, conn, 1, 3, 0, 0, 0, 1); !bytes.Equal(got, []byte{1, 3, 2, 0, 0}) {
		t.Errorf("fresh: % x", got)
	}
	r.clock.advance(10 * time.Second)
	if got := request(t, conn, 1, 3, 0, 0, 0, 1); !bytes.Equal(got, []byte{1, 0x83, 11}) {
		t.Errorf("ten seconds old: % x", got)
	}
}

// Clients beyond the limit, and such that speak something else, trouble nobody.
func TestProxyRefusesStrangers(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	c := b.open(b.prepare("proxy: "+addr, hundred()))
	if err := c.Poll(t.Context(), 0, nothing); err != nil {
		t.Fatal(err)
	}
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	request(t, first, 1, 3, 0, 0, 0, 1)
	stranger, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	fmt.Fprint(stranger, "GET / HTTP/1.1\r\n\r\n")
	stranger.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := stranger.Read(make([]byte, 10)); err == nil {
		t.Errorf("a stranger got %d bytes", n)
	}
	refused := 0
	for range 40 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		frame := []byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1}
		conn.Write(frame)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(conn, make([]byte, 11)); err != nil {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("only %d of 40 clients were refused", refused)
	}
	request(t, first, 1, 3, 0, 0, 0, 1)
}

// A port that is taken leaves the device polled all the same.
func TestAProxyThatCannotListenStopsNothing(t *testing.T) {
	b := newBench(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := b.open(b.prepare("proxy: "+l.Addr().String(), hundred()))
	if got, err := poll(t, c); err != nil || qualities(got) != "map[good:100]" {
		t.Errorf("%v, %v", qualities(got), err)
	}
}
