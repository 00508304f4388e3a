package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/drivers/devicetest/modbusserver"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/uplink"
	"github.com/courtside-edge/courtside/sync/faulttest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
	"github.com/courtside-edge/courtside/sync/wire"
)

// How a broker and the aggregator behind it behave.
type manners int

const (
	polite  manners = iota // acks everything
	mute                   // takes everything, acks nothing
	hangsUp                // disconnects at each batch
	away                   // no connection can be made
)

// cloud is a broker and an aggregator in memory. It is safe for concurrent use.
type cloud struct {
	manners atomic.Int32

	mu          sync.Mutex
	tables      map[point.TableHash][]point.Point
	assembler   wire.TableAssembler
	frames      map[point.BatchID][32]byte
	deliveries  int
	totals      map[string]map[uint64]uint64 // counter → run → largest total
	gaps        []point.Gap
	inventories []wire.Inventory
	faults      []string
	session     *session // the newest
	commands    int
	dec         *wire.Decoder
}

func newCloud(t *testing.T) *cloud {
	dec, err := wire.NewDecoder(wire.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{tables: map[point.TableHash][]point.Point{}, frames: map[point.BatchID][32]byte{}, totals: map[string]map[uint64]uint64{}, dec: dec}
	t.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, f := range c.faults {
			t.Error(f)
		}
	})
	return c
}

func (c *cloud) be(m manners) { c.manners.Store(int32(m)) }

var errCut = errors.New("the broker hung up")

func (c *cloud) dial(_ context.Context, o mqtt.Options) (uplink.Session, error) {
	if manners(c.manners.Load()) == away {
		return nil, errors.New("no route to host")
	}
	s := &session{c: c, o: o, lost: make(chan struct{})}
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	return s, nil
}

// session is one connection.
type session struct {
	c    *cloud
	o    mqtt.Options
	once sync.Once
	lost chan struct{}
}

func (s *session) Subscribe(context.Context, ...string) error { return nil }
func (s *session) Lost() <-chan struct{}                      { return s.lost }
func (s *session) Err() error                                 { return errCut }
func (s *session) Close() error                               { s.cut(); return nil }
func (s *session) cut()                                       { s.once.Do(func() { close(s.lost) }) }

func (s *session) Publish(m mqtt.Message, done func(error)) error {
	select {
	case <-s.lost:
		return errCut
	default:
	}
	topic, err := wire.ParseTopic(m.Topic)
	if err != nil {
		return err
	}
	how := manners(s.c.manners.Load())
	if done == nil {
		done = func(error) {}
	}
	batch := topic.Channel == wire.Live || topic.Channel == wire.Replay || topic.Channel == wire.Critical
	if batch && how == hangsUp {
		s.cut()
		go done(errCut)
		return nil
	}
	go done(nil)
	if ack := s.c.take(topic, m.Payload); ack != nil && how == polite {
		go s.o.OnMessage(mqtt.Message{Topic: wire.GatewayTopic(topic.Venue, topic.Gateway, wire.AckCh), Payload: wire.EncodeAck(*ack)})
	}
	return nil
}

func (c *cloud) take(topic wire.Topic, payload []byte) *wire.Ack {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch topic.Channel {
	case wire.Table:
		points, hash, done, err := c.assembler.Add(payload)
		if err != nil || !done {
			return nil
		}
		c.tables[hash] = points
		return &wire.Ack{Tables: []point.TableHash{hash}}
	case wire.InvCh:
		inv, err := wire.DecodeInventory(payload)
		if err != nil {
			c.faults = append(c.faults, err.Error())
			return nil
		}
		c.inventories = append(c.inventories, inv)
		return &wire.Ack{Inventory: inv.Number}
	case wire.Live, wire.Replay, wire.Critical:
		return c.batch(payload)
	}
	return nil
}

// batch takes in a batch; one that was never acked is taken in when it comes again.
func (c *cloud) batch(frame []byte) *wire.Ack {
	if manners(c.manners.Load()) != polite {
		return nil
	}
	h, err := wire.Verify(frame, wire.DefaultLimits())
	if err != nil {
		c.faults = append(c.faults, err.Error())
		return nil
	}
	c.deliveries++
	ack := &wire.Ack{Durable: []wire.Range{{Epoch: h.Epoch, Lane: h.Lane, From: h.Seq, To: h.Seq + 1}}}
	hash := wire.FrameHash(frame)
	if before, again := c.frames[h.ID()]; again {
		if before != hash {
			c.faults = append(c.faults, fmt.Sprintf("I1: batch %s has two contents", h.ID()))
		}
		return ack
	}
	c.frames[h.ID()] = hash
	var b wire.Batch
	table := c.tables[h.Table]
	if _, err := c.dec.Decode(frame, table, &b); err != nil {
		c.faults = append(c.faults, fmt.Sprintf("batch %s: %v", h.ID(), err))
		return ack
	}
	runs := map[uint32]uint64{}
	for _, r := range b.Runs {
		runs[r.Index] = r.Run
	}
	c.gaps = append(c.gaps, b.Gaps...)
	for _, s := range b.Samples {
		if p := &table[s.Index]; p.Class == point.Counter && !s.Quality.IsBad() {
			name := string(p.Name)
			if c.totals[name] == nil {
				c.totals[name] = map[uint64]uint64{}
			}
			c.totals[name][runs[s.Index]] = max(c.totals[name][runs[s.Index]], s.Bits)
		}
	}
	return ack
}

// passages returns what the counter's runs add up to, and how many runs there are.
func (c *cloud) passages() (sum uint64, runs int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, total := range c.totals["gate/1/in"] {
		sum += total
	}
	return sum, len(c.totals["gate/1/in"])
}

// rig is one gateway with one device that has a counter and a register.
type rig struct {
	t         *testing.T
	c         *cloud
	registers *modbusserver.Registers
	file      string
	counted   uint64
	log       *slog.Logger
	drivers   drivers.Registry
}

func newRig(t *testing.T, dataDir string) *rig {
	t.Helper()
	r := &rig{t: t, c: newCloud(t), registers: modbusserver.NewRegisters(map[uint8]modbusserver.Size{1: {Input: 1, Holding: 1}}), log: slog.New(slog.DiscardHandler), drivers: all.All()}
	s, err := modbusserver.Start("127.0.0.1:0", r.registers, modbusserver.Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r.file = filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf(`venue: v
gateway: g
data_dir: %q
identity: {trust_domain: courtside.test, workload_api: unix:///nowhere/agent.sock}
uplink: {broker: "mqtts://127.0.0.1:1"}
diag: {listen: ""}
scan_classes: {fast: 20ms}
devices:
  - id: plc-1
    driver: modbus
    options: {address: %q, unit: 1, timeout: 500ms}
    points:
      - {name: gate/1/in, type: int, kind: gate, class: counter, direction: in, place: gate-1, bits: 16, max_rate: 1000, scan: fast, source: {table: input, address: 0, type: uint16}}
      - {name: level, type: int, scan: fast, source: {table: holding, address: 0, type: uint16}}
`, dataDir, s.Addr())
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) try() (*gateway.Gateway, error) {
	r.t.Helper()
	c, err := config.Load(r.file, r.drivers)
	if err != nil {
		r.t.Fatal(err)
	}
	return gateway.Start(context.Background(), c, gateway.Deps{Version: "test", Log: r.log, Dial: r.c.dial})
}

func (r *rig) start() *gateway.Gateway {
	r.t.Helper()
	g, err := r.try()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = g.Close() }) // the test judged the first one
	return g
}

func (r *rig) close(g *gateway.Gateway) {
	r.t.Helper()
	if err := g.Close(); err != nil {
		r.t.Errorf("closing the gateway: %v", err)
	}
}

// count lets people pass, a few at a time, slowly enough that every scan sees fewer than max_rate allows.
func (r *rig) count(n uint64) {
	for range n {
		r.counted++
		r.registers.Unit(1).SetInput(0, uint16(r.counted))
		r.registers.Unit(1).SetHolding(0, uint16(r.counted))
		time.Sleep(2 * time.Millisecond)
	}
}

// sees waits until the cloud counted everybody, in one run.
func (r *rig) sees() {
	r.t.Helper()
	var sum uint64
	var runs int
	eventually(r.t, func() string {
		if sum, runs = r.c.passages(); sum != r.counted || runs != 1 {
			return fmt.Sprintf("%d passed, the cloud has %d in %d runs", r.counted, sum, runs)
		}
		return ""
	})
}

// eventually asks until the answer is empty.
func eventually(t *testing.T, ask func() string) {
	t.Helper()
	wrong := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if wrong = ask(); wrong == "" {
			return
		}
	}
	t.Fatal(wrong)
}

func TestTwoGatewaysOnOneSpoolAreRefusedWithThePid(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	first := r.start()
	r.sees()
	_, err := r.try()
	if !errors.Is(err, segment.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatalf("the second gateway: %v; want that the store is in use by process %d", err, os.Getpid())
	}
	r.count(5)
	r.sees() // the first feels nothing
	r.close(first)
}

// What keeps a gateway from starting names the key and what to do.
func TestWhatCannotBeHadAtTheStartIsNamed(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct{ listen, dir string }{
		"diag.listen: listen tcp " + taken.Addr().String(): {taken.Addr().String(), t.TempDir()},
		"another program has the port":                     {taken.Addr().String(), t.TempDir()},
		"this machine does not have the address":           {"192.0.2.1:9464", t.TempDir()},
		"data_dir: mkdir " + file:                          {"", filepath.Join(file, "d")},
		"or name another in the configuration":             {"", filepath.Join(file, "d")},
	} {
		r := newRig(t, c.dir)
		text, err := os.ReadFile(r.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.file, []byte(strings.Replace(string(text), `{listen: ""}`, fmt.Sprintf("{listen: %q}", c.listen), 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if g, err := r.try(); err == nil {
			r.close(g)
			t.Errorf("it starts, want %q", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestABrokerThatNeverAcks(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	g := r.start()
	r.sees()
	r.c.be(mute)
	r.count(200)
	eventually(t, func() string { // spilled, nothing let go
		if n := g.Status().Spool.Spilled; n == 0 {
			return "no telemetry was spilled while no ack came"
		}
		return ""
	})
	r.c.be(polite)
	r.sees()
	r.accounted()
	r.close(g)
}

func TestABrokerThatDisconnectsAtEachPublish(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	g := r.start()
	r.sees()
	r.c.be(hangsUp)
	r.count(200)
	eventually(t, func() string {
		if n := g.Status().Link.Lost; n < 2 {
			return fmt.Sprintf("%d sessions were lost", n)
		}
		return ""
	})
	r.c.be(polite)
	r.sees()
	r.accounted()
	r.close(g)
}

func TestAStopDuringAnOutageLosesNothing(t *testing.T) {
	for name, how := range map[string]manners{"no broker": away, "no acks": mute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, t.TempDir())
			g := r.start()
			r.sees()
			r.c.be(how)
			r.count(50)
			time.Sleep(100 * time.Millisecond) // a scan, so that the gateway has read the last one
			r.close(g)
			r.c.be(polite)
			g = r.start()
			r.sees()
			r.accounted()
			r.close(g)
			r.c.mu.Lock()
			defer r.c.mu.Unlock()
			for _, gap := range r.c.gaps {
				t.Errorf("a clean stop declared %+v", gap)
			}
			last := r.c.inventories[len(r.c.inventories)-1].Epochs
			for _, e := range last {
				if !e.Clean && !e.Open {
					t.Errorf("epoch %s ended uncleanly", e.Epoch)
				}
			}
		})
	}
}

// mountReadOnly makes a small disk read-only, or writable again.
func mountReadOnly(t *testing.T, dir string, readOnly bool) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, ""); err != nil {
		t.Skipf("the small file system cannot be mounted again: %v", err) // files open for writing keep some kernels from it
	}
}

func TestAReadOnlyDirectoryIsNamed(t *testing.T) {
	dir := faulttest.SmallDisk(t, 64<<20)
	mountReadOnly(t, dir, true)
	r := newRig(t, filepath.Join(dir, "data"))
	_, err := r.try()
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), dir) {
		t.Errorf("starting on a read-only file system: %v; want an error that names %s", err, dir)
	}
}
