// Package spool holds batches until the cloud acknowledges them.
//
// A Spool is a state machine without goroutines, locks or clocks: events go in (Append, Take, Commit,
// Fail, Ack, Refuse, Finish), answers and effects come out, and the time is passed in as monotonic ns. Its disk work
// is handed out as a Job, which runs on any goroutine while the spool goes on; so live telemetry never
// waits for a disk. One owner serialises the calls (firmware/store is the product's).
//
// Each opening draws a new epoch and records it durably with its predecessor (I8). A batch gets its dense number
// when it is appended; batches left from earlier epochs keep theirs. A critical batch is stored and synced,
// with its cursors in the same transaction (I5), before it is offered. A telemetry batch stays in RAM; it is stored
// when it is unacknowledged for SpillAfter or when RAM is short.
//
// The states of a batch:
//
//	queued ─Finish─► waiting ─Take─► taken ─Commit─► sent ─Ack─► gone
//	(critical only)     ▲              └────Fail───────┘ │
//	                    └────────────────────────────────┘     refused: kept, not offered until the next opening
//
// A batch leaves by an ack that names it, or by the drop policy with a gap (I3), and in no other way.
//
// What is held costs memory by the page, not by the batch: thousands of stored batches that nobody uses are one page of some
// 150 bytes, with dense numbers at dense offsets and sums of bytes, samples and times. A batch has an entry of its own while it is in RAM,
// under way, or stored since the newest page. Each page has a record in its store's small state, so that opening reads the records and
// the few batches behind them, however many are held.
//
//	what fails                    what happens                                                 what shows it
//	power cut, kill               the last synced state is found; the epoch is unclean and     Recovery.Unclean, gap
//	                              gets an open gap of unknown count for each lane              power-cut
//	cut before a critical sync    nothing of that batch was published or told to a device;     -
//	                              if its record survived all the same it is offered
//	telemetry store fails         telemetry goes on in RAM, the oldest drop when it is full,   Effects.Err,
//	                              each with a gap disk-failed; the store is tried again        Stats.Dropped
//	telemetry limit is reached,   the oldest batches drop with a gap, whose record is durable  Stats.Dropped, gap
//	 by bytes or by age           before their place is released; at 80 % of the bytes Short   dropped, Short
//	                              asks for less until it is below 60 %
//	a page's record is damaged    its batches are read at opening                              Recovery.Faults, Scanned
//	a page is not whole           a job reads what it holds before it drops: the gap is exact  -
//	critical store fails          nothing is offered or told durable; the same batches are     Effects.Err,
//	                              tried again; Append refuses when RAM is full                 ErrBacklogged
//	critical limit is reached     never dropped: Append refuses, event reads stop              ErrBacklogged
//	a stored batch is corrupt     it drops with a gap corrupt; those behind it go on           Stats.Corrupt, gap corrupt
//	ack for a foreign epoch, for  ignored                                                      Stats.ForeignAcks,
//	what was never given/offered                                                               Stats.ImpossibleAcks
//	ack lost                      the batch is offered again                                   -
//	batch refused by the cloud    kept, shown as pending, offered again at the next opening    Stats.Refused
//	stop without a link           telemetry is stored, gaps are recorded, the epoch is clean   -
package spool
