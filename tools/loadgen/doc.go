// Package loadgen puts a generator in the driver's place and runs it inside the real gateway assembly: filter, batch,
// spool, uplink, mutual TLS. What it measures is the gateway, less the devices.
//
// A device with the driver "generator" has these options and sources:
//
//	options: {rate: "120000", block: 120, seed: 1}   rate: readings a second, or "max" for as many as the spool takes
//	source: {pattern: seat}                          a seat's pressure in 0.1 kg: a level, noise, now and then another guest;
//	                                                 two readings of one seat in a row are never equal
//	source: {pattern: wall}                          a probe: the wall clock at the reading's creation, Unix ns
//	source: {pattern: total, every: 5ms}             a probe in a counter's place: the same clock as a 64-bit total
//
// A block takes the next seats in turn, and every probe that is due. Without seats a device yields block/rate apart.
//
//	what fails                          what happens
//	the spool holds Options.Hold bytes  a generator at "max" waits; it never makes the spool drop
//	the process is not scheduled        a paced generator catches up; what it owes beyond a second is skipped and counted
//	the link                            "max" waits, a paced generator goes on: the spool's work is then what is measured
//	a signal                            a graceful stop, as the gateway's; the final figures are printed after it
package loadgen
