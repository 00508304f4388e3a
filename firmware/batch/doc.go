// Package batch collects reports into batches, encodes them and hands them to the spool.
//
// Each lane has an open batch and a goroutine that closes, encodes and appends it. Add copies a report into the open
// batch under the lane's lock; encoding works on a batch that was swapped out, so that nobody waits for it but who fills
// a second one meanwhile.
//
// When a batch closes:
//   - when it holds MaxSamples, or fewer when frames of this data reach MaxBytes sooner;
//   - critical: at most CriticalLinger after its first sample;
//   - telemetry: Linger after its first sample; a fifth of it when the lane was quiet, so that a lone change is quick;
//     up to ten times of it while four or more live batches wait for the uplink, because larger batches cost
//     less a sample. It doubles with each batch that finds them waiting and halves with each that does not.
//
// Polling is held up by nothing but the processor: telemetry never waits for disk or link, as the spool takes every
// batch and drops its oldest when it must. Critical reports wait in Add while the spool cannot take on their batches
// (its store is full or fails): then event reads stop, and the device keeps what was not read.
//
//	what fails                    what happens                                                     what shows it
//	frames grow beyond MaxBytes   the batch is divided; the next ones close sooner                 Stats.Divided
//	a sample cannot be encoded    it alone is left out, with a gap of its point                    Stats.Lost, gap dropped
//	the spool is backlogged       critical Adds wait; nothing is told durable                      Stats.Waits
//	stop                          open batches are closed and appended; a critical one that is     Stats.Lost
//	                              still refused after StopPatience is left to be read again
package batch
