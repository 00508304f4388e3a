// Package drivers is the contract between the gateway and a device protocol, and nothing else.
//
// A driver turns the options of a device and its points into a Source (Prepare: pure, no I/O,
// every fault at once and each at its place), a Source into a Conn (Open: connects), and a
// Conn into blocks of readings (Poll or Subscribe). One goroutine owns one Conn. A driver says whether a
// failure is permanent or transient; retry, backoff and breakers live outside, in one place.
//
// A new protocol is one folder below this one plus one line in drivers/all. The suite
// in drivers/driverstest is what it has to pass.
package drivers
