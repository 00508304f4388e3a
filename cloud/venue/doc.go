// Package venue is one venue's state as a function of the set of batches that its gateways sent.
//
// It inflates the batches that the log yields, drops duplicates by (gateway, epoch, lane, seq), and folds
// samples into values whose order of arrival does not matter:
//
//   - a state point keeps the sample that is last by (time, epoch, lane, seq, index), a numeric
//     seat also the last one outside its hysteresis band, and per bucket of time the same two (the edges);
//   - a counter point keeps the largest total of each run, and per bucket of each run the same;
//   - an event point keeps the set of its event keys;
//   - a position point keeps its samples within PresenceWindow, and the last one before.
//
// All three are joins: any deliveries that cover the same batches give the same state. What an answer says is evaluated at
// the time of the question: samples dated later than LateBy from now wait; a value is unknown after
// bad quality, twice its max_silence, or a gap. Deaths and pending spans are an overlay
// on answers, never state.
//
// Of every epoch it keeps which seqs are held, logged beside the state, pending, let go and declared lost; what is left over is a hole,
// and one that nobody accounts for raises an alarm (I10). A point that several gateways report is that of the
// best-ranked one without a gap. Save writes the state while it changes; Load reads it.
//
//	what fails                                                    what happens
//	a frame that cannot be decoded                                set aside by log offset and reason; the rest goes on
//	more is set aside than is kept                                the oldest are given up: their batches are gaps, with an alarm
//	an unknown table                                              the frame waits by its offset; the table is asked for
//	the table never comes                                         the batch is durable as long as the log has it, then a gap with an alarm
//	a table that names a device not granted                       refused; its frames are set aside
//	one identity, two contents                                    the second is set aside and counted as a conflict
//	a batch delivered again, later or in another order            no change
//	an epoch without a clean end                                  what is neither held nor pending is a gap, power-cut
//	the log was restored from an old copy                         the next inventory shows it: gaps, unaccounted, with an alarm
//	the process is killed while it saves                          the snapshot before serves; what is applied twice the joins make up for
//	more epochs, holes, tables or frames than a gateway may have  set aside by the limit's name
//	a sample dated in the future                                  waits until the venue's time reaches it
//
// A Venue is safe for concurrent use: one goroutine applies, many ask.
package venue
