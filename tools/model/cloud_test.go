package model

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"testing/synctest"
	"time"

	"github.com/courtside-edge/courtside/cloud/ingest"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// memoryLog is a cloud log whose records above synced are gone after a crash.
type memoryLog struct {
	mu      sync.Mutex
	records []log.Record
	synced  int
	lies    bool // says that everything is synced at once: the planted fault
	watch   chan struct{}
	failed  chan struct{}
}

func newMemoryLog() *memoryLog {
	return &memoryLog{watch: make(chan struct{}), failed: make(chan struct{})}
}

func (l *memoryLog) Append(r log.Record) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Offset = uint64(len(l.records))
	r.Payload = bytes.Clone(r.Payload)
	l.records = append(l.records, r)
	if l.lies {
		l.moved()
	}
	return r.Offset, nil
}

func (l *memoryLog) sync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = len(l.records)
	l.moved()
}

// moved wakes who watches; its caller holds mu.
func (l *memoryLog) moved() {
	close(l.watch)
	l.watch = make(chan struct{})
}

func (l *memoryLog) Synced() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lies {
		return uint64(len(l.records))
	}
	return uint64(l.synced)
}

// crash loses what was not synced.
func (l *memoryLog) crash() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = l.records[:l.synced]
}

func (l *memoryLog) Get(offset uint64) (log.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset >= uint64(len(l.records)) {
		return log.Record{}, log.ErrNotFound
	}
	return l.records[offset], nil
}

func (l *memoryLog) Read(context.Context, uint64) iter.Seq2[log.Record, error] {
	return func(func(log.Record, error) bool) {} // nobody follows it here
}
func (l *memoryLog) Watch() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watch
}
func (l *memoryLog) Failed() <-chan struct{} { return l.failed }
func (l *memoryLog) Err() error              { return nil }
func (l *memoryLog) Trim(uint64) error       { return nil }
func (l *memoryLog) Bounds() (first, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return 0, uint64(len(l.records))
}
func (l *memoryLog) Incarnation() string { return "model" }

// cloud is ingest over a memoryLog; its acks go onto the link.
type cloud struct {
	log  *memoryLog
	in   *ingest.Ingest
	stop context.CancelFunc
	acks [][]byte
}

const (
	venueID   = point.ID("v")
	gatewayID = point.ID("g")
)

func newCloud(l *memoryLog) *cloud {
	c := &cloud{log: l}
	c.in = ingest.New(ingest.Options{Log: l, Publisher: c, Limits: wire.DefaultLimits(), Gateways: []ingest.Gateway{{Venue: venueID, Gateway: gatewayID}},
		Now: func() time.Time { return time.Unix(1_700_000_000, 0) }})
	for _, r := range l.records {
		c.in.Recover(r)
	}
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	go func() { _ = c.in.Run(ctx) }() // ends with stop
	synctest.Wait()
	return c
}

// Publish takes acks; other messages do not matter here.
func (c *cloud) Publish(topic string, payload []byte, _ byte, _ bool) error {
	if t, err := wire.ParseTopic(topic); err == nil && t.Channel == wire.AckCh {
		c.acks = append(c.acks, payload)
	}
	return nil
}

// take handles one message and returns what it answered.
func (c *cloud) take(m message) (acks [][]byte) {
	c.in.Handle(wire.Topic{Venue: venueID, Gateway: gatewayID, Channel: m.channel}, m.payload, time.Unix(1_700_000_000, 0))
	return c.answers()
}

func (c *cloud) answers() [][]byte {
	synctest.Wait()
	out := c.acks
	c.acks = nil
	return out
}

// crash ends the process and the machine's power, and starts again.
func (c *cloud) crash() *cloud {
	c.stop()
	synctest.Wait()
	c.log.crash()
	return newCloud(c.log)
}
