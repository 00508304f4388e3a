// Package modbus reads Modbus TCP devices in as few requests as they allow.
//
// Prepare checks a device's options and the place of each point in its tables and lays out a
// plan: for each scan class the fewest requests that cover its points (Plan prints it). A
// connection sends a class's requests, up to depth of them outstanding at once, matches the
// answers by transaction id and turns each into one block of readings. In the steady state
// a poll allocates nothing, writes once for as many requests as the depth allows, and moves a
// timer once a timeout, not once a request.
//
//	options: {address: "192.168.1.10:502", unit: 1, timeout: 500ms, depth: 4, max_registers: 125, max_bits: 2000, max_gap: 8}
//	options: {address: "192.168.1.11:502", pause: 5ms}                          # a device that needs time between requests
//	source: {table: holding, address: 0}                                        # uint16, int or bool as the point has it
//	source: {reference: "40001", type: uint32, word_order: little}              # the manual's 40001 is address 0
//	source: {table: input, address: 10, type: float32, step: 4}                 # a range: one value every four registers
//	source: {table: holding, address: 7, type: bit, bit: 3}
//	source: {table: coil, address: 12}
//
// Requests are packed by github.com/goburrow/modbus when the plan is made; its client asks again, now and
// then, for what a device once refused. Its transports are not used: they lose step after one late answer.
//
//	what fails                                    what happens
//	no connection, or it is closed midway         Open or Poll returns a transient error
//	a request is not answered within timeout      its points are bad (timeout); Poll goes on; three in a row end the connection
//	an answer comes after its timeout             discarded by its transaction id, counted as stray
//	an answer to a request never made             likewise
//	bytes that are no frame                       Poll returns an error: nothing after them can be trusted
//	an answer of another unit, function or size   its points are bad (data encoding invalid); Poll goes on
//	exceptions 2 and 3 (address, value)           the request is halved until the guilty points stand alone: these are bad (node id
//	                                              unknown, configuration error) and asked for again once a minute; the others are read
//	exception 1 (function)                        all points of the request are bad (configuration error), asked for again once a minute
//	exceptions 4 and 8                            its points are bad (device failure)
//	exceptions 5 and 6 (busy)                     its points are bad (resource unavailable) until the next scan
//	exceptions 10 and 11 (gateway)                its points are bad (not connected)
//	a float that is no number, or an unsigned     the point is bad (out of range)
//	64-bit value beyond 2^63-1
//	the context ends                              Poll returns its error at once
//
// What a device refuses is remembered across connections, until the gateway starts again.
//
// Limits: one unit id a device entry; values of one to four registers; no strings, BCD and event rings.
package modbus
