package faulttest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/faulttest"
)

// echo serves what it reads and reports how each connection ended.
func echo(t *testing.T) (addr string, ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ends := make(chan error, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, err := io.Copy(c, c)
				c.Close()
				ends <- err
			}()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), ends
}

func proxy(t *testing.T, server string, seed uint64) *faulttest.Proxy {
	t.Helper()
	p, err := faulttest.NewProxy("127.0.0.1:0", server, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func dial(t *testing.T, p *faulttest.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func exchange(t *testing.T, c net.Conn, sent []byte) []byte {
	t.Helper()
	go func() { _, _ = c.Write(sent) }() // a failure shows in what comes back
	got := make([]byte, len(sent))
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	return got
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 31)
	}
	return b
}

func TestProxyForwardsEverything(t *testing.T) {
	addr, ended := echo(t)
	p := proxy(t, addr, 1)
	c := dial(t, p)
	sent := pattern(1 << 20)
	if !bytes.Equal(exchange(t, c, sent), sent) {
		t.Error("other bytes came back")
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the end arrived as %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server saw %v, want an orderly end", err)
	}
	if s := p.Stats(); s.Connections != 1 || s.Bytes != 2<<20 {
		t.Errorf("stats are %+v", s)
	}
}

func TestProxyCutsAsItIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		how                 faulttest.Cut
		front               error
		clientHears, server bool
	}{
		"reset":      {faulttest.Reset, syscall.ECONNRESET, true, true},
		"finish":     {faulttest.Finish, io.EOF, true, true},
		"lose front": {faulttest.LoseFront, syscall.ECONNRESET, true, false},
		"lose back":  {faulttest.LoseBack, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			addr, ended := echo(t)
			p := proxy(t, addr, 1)
			conn := dial(t, p)
			exchange(t, conn, []byte("hello"))
			if n := p.Cut(c.how); n != 1 {
				t.Fatalf("%d connections were cut", n)
			}
			if c.clientHears {
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, c.front) {
					t.Errorf("the client hears %v, want %v", err, c.front)
				}
			} else {
				quiet(t, conn)
			}
			if c.server {
				<-ended
				return
			}
			select {
			case err := <-ended:
				t.Errorf("the server heard %v; its connection was to stay half open", err)
			case <-time.After(50 * time.Millisecond):
			}
		})
	}
}

// quiet wants that nothing arrives, not even an end.
func quiet(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes and %v arrived, want silence", n, err)
	}
}

func TestABlackHoleHoldsEverythingAndLosesNothing(t *testing.T) {
	addr, _ := echo(t)
	p := proxy(t, addr, 1)
	before := dial(t, p)
	exchange(t, before, []byte("warm"))
	p.Set(faulttest.Link{Hold: true})
	during := dial(t, p) // it accepts
	for _, c := range []net.Conn{before, during} {
		if _, err := c.Write([]byte("held")); err != nil {
			t.Fatal(err)
		}
		quiet(t, c)
	}
	p.Set(faulttest.Link{})
	for _, c := range []net.Conn{before, during} {
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "held" {
			t.Errorf("%q and %v arrived when the hole ended", got, err)
		}
	}
}

func TestProxyRefusesNewConnectionsOnly(t *testing.T) {
	addr, _ := echo(t)
	p := proxy(t, addr, 1)
	old := dial(t, p)
	exchange(t, old, []byte("hello"))
	p.Set(faulttest.Link{Refuse: true})
	unreachable(t, p)
	exchange(t, old, []byte("still here"))
	if s := p.Stats(); s.Refused != 1 {
		t.Errorf("%d refused", s.Refused)
	}
}

// unreachable wants that a new connection is reset, while it is made or right after.
func unreachable(t *testing.T, p *faulttest.Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading gave %v, want a reset", err)
	}
}

func TestDelayAndRateAreAtLeastWhatTheLinkSays(t *testing.T) {
	addr, _ := echo(t)
	p := proxy(t, addr, 1)
	c := dial(t, p)
	p.Set(faulttest.Link{Delay: 30 * time.Millisecond})
	began := time.Now()
	exchange(t, c, []byte("slow"))
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("there and back took %v over 30 ms each way", took)
	}
	p.Set(faulttest.Link{Rate: 1 << 20})
	began = time.Now()
	exchange(t, c, pattern(128<<10))
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("128 KiB at 1 MiB/s took %v", took)
	}
}

func TestCorruptionFollowsFromTheSeed(t *testing.T) {
	sent := pattern(64 << 10)
	run := func(seed uint64) []byte {
		addr, _ := echo(t)
		p := proxy(t, addr, seed)
		p.Set(faulttest.Link{Corrupt: 4096})
		return exchange(t, dial(t, p), sent)
	}
	first, again, other := run(7), run(7), run(8)
	if bytes.Equal(first, sent) {
		t.Error("nothing was corrupted")
	}
	if !bytes.Equal(first, again) {
		t.Error("one seed corrupted in two ways")
	}
	if bytes.Equal(first, other) {
		t.Error("two seeds corrupted alike")
	}
}

func TestProxyWithoutAServerResets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	p := proxy(t, addr, 1)
	unreachable(t, p)
	back, _ := echo(t)
	p.Server(back)
	exchange(t, dial(t, p), []byte("found"))
}

func TestQuotaCountsWhatLiesThere(t *testing.T) {
	dir := t.TempDir()
	q := faulttest.NewQuota(1 << 20)
	if _, err := faulttest.Fill(dir, 256<<10); err != nil {
		t.Fatal(err)
	}
	left, err := q.Free(dir)
	if err != nil || left <= 0 || left > 768<<10 {
		t.Errorf("%d bytes are left, %v", left, err)
	}
	q.Set(1)
	if left, _ := q.Free(dir); left != 0 {
		t.Errorf("%d bytes are left of one", left)
	}
}

func TestSmallDiskFillsUpAndIsFreed(t *testing.T) {
	dir := faulttest.SmallDisk(t, 1<<20)
	free, err := faulttest.Fill(dir, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/more", make([]byte, 8192), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing to a full disk: %v", err)
	}
	if err := free(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/more", make([]byte, 8192), 0o600); err != nil {
		t.Errorf("writing to a freed disk: %v", err)
	}
}

func TestShiftedClockMovesWallTimeOnly(t *testing.T) {
	right := clock.Reading{Boot: clock.BootID{1}, Mono: 5e9, Wall: 1e18, Synchronised: true, MaxError: time.Millisecond}
	c := faulttest.NewShiftedClock(func() clock.Reading { return right })
	if c.Read() != right {
		t.Fatal("a clock that nobody shifted shows something else")
	}
	c.Shift(10 * time.Hour)
	if r := c.Read(); r.Mono != 5e9 || r.Wall != right.Wall+int64(10*time.Hour) || !r.Synchronised {
		t.Errorf("after a shift: %+v", r)
	}
	c.Shift(0)
	c.Boot(clock.BootID{2})
	if r := c.Read(); r.Mono != 1e9 || r.Wall != right.Wall || r.Boot != (clock.BootID{2}) {
		t.Errorf("after a boot: %+v", r)
	}
	c.Unset(true)
	if r := c.Read(); r.Wall != 1e9 || r.Synchronised {
		t.Errorf("an unset clock shows %+v", r)
	}
	c.Pretend(true)
	if !c.Read().Synchronised {
		t.Error("the clock does not pretend")
	}
}
