// Package log is the durable sequence of messages between ingest and venue: batches, tables,
// inventories, births and deaths, each with who sent it and when it came, so that a full replay
// needs nothing else.
//
// Log is the interface; every implementation passes the suite of logtest. Segmented is the one for
// a single machine, over sync/segment. It fsyncs in its own goroutine: whenever something is not
// durable yet and the round before has ended, so that under load one fsync serves many appends.
//
// # What fails, and what happens
//
//	an append, a full disk, an fsync  the error is final: every later Append fails, Failed is closed, Read yields
//	                                  what there is and then the error; the assembly ends the process
//	a record that is refused          ErrRecord; nothing happened, the log goes on
//	the process is killed             everything appended is there
//	power is cut                      everything below Synced is there, and a prefix of the rest
//	a record cannot be read back      a *CorruptError that names it; reading goes on behind it
//	a reader is slow                  it reads from the disk; nobody waits for it
package log
