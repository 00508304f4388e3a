// Package modbus reads Modbus devices, over TCP, RTU over TCP and RTU over serial lines, in as few requests as they allow.
//
// Prepare checks a device's options and the place of each point in its tables and lays out a
// plan: for each scan class the fewest requests that cover its points (Plan prints it). A
// connection sends a class's requests, up to depth of them outstanding at once, matches the
// answers by transaction id and turns each into one block of readings. In the steady state
// a poll allocates nothing, writes once for as many requests as the depth allows, and moves a
// timer once a timeout, not once a request. An RTU line carries one request at a time; its answers are known by what they
// have to look like, and by their checksum.
//
//	options: {address: "192.168.1.10:502", unit: 1, timeout: 500ms, depth: 4, max_registers: 125, max_bits: 2000, max_gap: 8}
//	options: {address: "192.168.1.11:502", pause: 5ms}                          # a device that needs time between requests
//	options: {address: "192.168.1.12:4001", framing: rtu}                       # a serial server
//	options: {serial: {port: /dev/serial/by-id/usb-FTDI-if00, baud: 19200, parity: even}}
//	options: {address: "192.168.1.13:502", proxy: "0.0.0.0:1502"}               # a device that takes one client; others ask the gateway
//	source: {table: holding, address: 0}                                        # uint16, int or bool as the point has it
//	source: {reference: "40001", type: uint32, word_order: little}              # the manual's 40001 is address 0
//	source: {table: input, address: 10, type: float32, step: 4}                 # a range: one value every four registers
//	source: {table: holding, address: 7, type: bit, bit: 0, bit_step: 1}        # a range: one bit after the other
//	source: {table: holding, address: 3, unit: 1, unit_step: 1}                 # a range: the same register of each unit
//	source: {table: holding, address: 20, length: 8}                            # 16 characters
//	source: {table: coil, address: 12}
//	source: {table: holding, address: 100, ring: {count: 64, size: 7, head: {address: 90, type: uint32}, id: {offset: 0, type: uint32}}}
//
// Requests are packed by github.com/goburrow/modbus when the plan is made; its client asks again, now and
// then, for what a device once refused, and writes rings' cursors. Its transports are not used: they lose step after one late answer.
//
//	what fails                                    what happens
//	no connection, or it is closed midway         Open or Poll returns a transient error
//	a request is not answered within timeout      its points are bad (timeout); Poll goes on; three in a row end the connection
//	a unit among several is silent, or its        after two requests in a row its breaker opens: its points are bad (not connected), it is asked again after
//	gateway cannot reach it (exceptions 10, 11)   1 s to 1 min, behind everybody else's requests and for no longer than answers took lately
//	several units are silent at once              units that answered before are asked whether the line is dead; the connection ends only if it is
//	an answer comes after its timeout             discarded by its transaction id, counted as stray; on an RTU line the next request that could be
//	                                              mistaken waits until it came or is out of question
//	an answer to a request never made             likewise
//	bytes that are no frame                       Poll returns an error: nothing after them can be trusted; an RTU line finds its step again
//	an answer of another unit, function or size   its points are bad (data encoding invalid); Poll goes on
//	exceptions 2 and 3 (address, value)           the request is halved until the guilty points stand alone: these are bad (node id
//	                                              unknown, configuration error) and asked for again once a minute; the others are read
//	exception 1 (function)                        all points of the request are bad (configuration error), asked for again once a minute
//	exceptions 4 and 8                            its points are bad (device failure)
//	exceptions 5 and 6 (busy)                     its points are bad (resource unavailable) until the next scan
//	exceptions 10 and 11 (gateway)                its points are bad (not connected)
//	a float that is no number, an unsigned 64-bit the point is bad (out of range)
//	value beyond 2^63-1, a digit beyond 9 in BCD
//	a string that is no UTF-8                     the point is bad (data encoding invalid)
//	the proxy's port is taken                     logged; the device is polled all the same
//	the context ends                              Poll returns its error at once
//
// Event rings:
//
//	a slot does not hold the event that the head  it is read again, three times a scan; its point is bad (data encoding invalid); after ten
//	says: it is torn, or was written over         seconds it is declared lost (gap, corrupt, 1) and passed over
//	the ring was overrun                          a gap (overrun) that says exactly how many; the slot that is written next is never trusted
//	the head went round                           the ids tell how often, as far as they count
//	nothing was ever written                      nobody: a blank slot is told from an event by the slot before it; how far an empty ring is read
//	                                              is a cursor too, so that what the gateway misses from then on is declared
//	the ring began anew: another generation, or   a gap (reset) of unknown count, and the new ring from its first event on
//	without one a head or an id that went back
//	an event of a direction that no point takes   a gap (corrupt, 1)
//	the gateway starts                            it reads on from the durable cursor; what comes again has the key that it had
//	the device does not take the cursor           logged once; one that does not answer is told at the next poll
//	tickets are to be hashed and the key file is  Open returns a permanent error: nothing personal leaves unhashed
//	missing or short
//
// What a device refuses, which units are silent and how far rings are read is remembered across connections, until the gateway starts again.
//
// Limits: numbers of one to four registers, strings of 125; no RS-485 direction by software; one connection a device entry. A ring whose
// head and ids both count in 16 bits declares 65,536 too few when it goes round unread.
package modbus
