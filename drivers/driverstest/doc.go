// Package driverstest is the suite that every driver passes, and a fake driver that passes it too.
//
// A driver's own test starts a device that speaks its real protocol on loopback, wraps it in a
// Harness and calls Run. The suite speaks to the driver through the contract alone:
//
//	what is done to the device             what the driver has to do
//	nothing                                every point once a poll, or at once after subscribing; right values, stamped when they came
//	its values change                      the new values come
//	10,000 points                          the same
//	several scan classes                   each poll reads its own class
//	it answers late, doubly, wrongly       no good reading ever holds a value that the point did not have at that time
//	it is slow                             everything still comes
//	it is silent, or answers garbage       bad readings or an error in bounded time; a new connection works once it is well
//	it closes the connection, or half      an error that is not permanent; a new connection works
//	it restarts                            likewise, also while it is away
//	it refuses some points                 these are bad, the others good
//	the context ends, in every state       Poll, Subscribe and Open return; within 100 ms is wanted, seconds are asserted
//	Close during Poll, and twice           Poll returns an error
//	wrong keys in its options and sources  refused by Prepare, all at once, without any I/O
//
// At the end no goroutine is left. No assertion is tighter than seconds, so that a busy machine fails nothing.
package driverstest
