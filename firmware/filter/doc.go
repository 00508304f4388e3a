// Package filter decides which readings of one device are worth a report, and unwraps its counters.
//
// It is pure: readings and times come in, reports go out; it does no I/O, starts no goroutine and asks no clock. One
// Filter serves one device and is called by the goroutine that owns the device's connection.
//
// # What passes
//
//	the first reading of each point                      always, so that every epoch begins with a full report
//	a change of quality                                  always
//	a change by the deadband or more                     state points; without a deadband any change
//	a change between occupied and free                   numeric seats, whatever the deadband
//	a text that differs                                  text points
//	a total that advanced, a new run                     counters
//	every reading that is not bad                        events; one without data only after bad ones, or as the first
//	anything silent for MaxSilence                       all but events
//
// The value of a bad reading says nothing: while a point is bad in the same way, nothing of it passes but MaxSilence.
//
// # Events
//
// The key of an event that the device itself numbers is a truncated SHA-256 over device, point, generation, id, device time, direction and
// ticket hash: whoever reads it, however often, makes the same key. Of other events it covers device, point, source time and value, and which
// one of several alike it is. An event is dated by the device's clock, clamped between the last good exchange and the present one.
// What a device lost becomes a gap of its point; cursors of event sources pass through into the critical report.
//
// # Counters
//
// A counter's register becomes a run's 64-bit total, 0 at the run's first read. (raw − last) mod 2^bits is an
// advance, a wrap included, when MaxRate allows it in the time since the last good read; the time includes spells of bad quality.
// Whether a read continues the last one is judged so:
//
//	what happened                              what follows
//	advance or wrap within MaxRate             the run goes on
//	back, or further than MaxRate allows       new run RunReset, gap from the last good read to now
//	so long that the register may have gone    same value: the run goes on; another: new run RunClock and a gap,
//	round more than once                       since an advance could not be told from a reset: people would be invented
//	start without a durable cursor             new run RunFirst, no gap: nothing was counted before
//	start, cursor of the same boot             as if read without a break
//	start, cursor of another boot              the same by wall time, if both boots are dated and the span is from 0 to a year
//	start, span not known                      new run RunClock, gap open to the next known sample
//	cursor unreadable, or of another width     as without one; Stats counts it
//	bad quality before any good read           the cursor's run and total, or a run of its own that stays at 0
//
// Uncertain readings count as reads, except UncertainLastUsable, which repeats an old one.
package filter
