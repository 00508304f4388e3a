package uplink

import (
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/spool"
	"github.com/courtside-edge/courtside/sync/wire"
)

// idle is a spool that holds nothing.
type idle struct{ ready chan struct{} }

func newIdle() idle { return idle{make(chan struct{})} }

func (i idle) Ready() <-chan struct{}                      { return i.ready }
func (idle) Take(spool.Grant) (t spool.Taken, ok bool)     { return t, false }
func (idle) Commit(point.BatchID)                          {}
func (idle) Fail(point.BatchID)                            {}
func (idle) FailAll()                                      {}
func (idle) InFlight() int                                 { return 0 }
func (idle) LiveWaiting(point.Lane) uint64                 { return 0 }
func (idle) Ack(wire.Ack) (r spool.Released)               { return r }
func (idle) Inventory() (i wire.Inventory)                 { return i }
func (idle) Table(point.TableHash) (t spool.Table, b bool) { return t, b }
func (idle) Tables() []spool.Table                         { return nil }

func noStatus() (s wire.Status) { return s }
