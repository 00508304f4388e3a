// Package gateway assembles what runs on the device: workers → filters → batcher → store → uplink, with the
// diagnostics beside them.
//
// Start opens the spool, which begins a new epoch, and starts everything; Wait returns when all has ended. The parts end in the
// order in which samples flow, so that what was read is batched, what was batched is sent or stored, and
// the epoch closes cleanly:
//
//	workers    nothing is read any more
//	batcher    open batches are closed and handed to the store
//	uplink     what waits is sent and acked, for uplink.StopPatience; then the death and DISCONNECT
//	store      what is in RAM is stored; the epoch is marked as closed cleanly
//
// No identity, no broker and no device at start are states, not errors: the gateway polls and buffers. It fails to start only if
// its own directory cannot be used.
package gateway
