// Package modbusserver is a Modbus TCP device for simulators and tests: the real protocol on a real
// port, over a Memory that somebody else fills, with faults that can be changed while it runs.
//
// The protocol is github.com/simonvetter/modbus, whose server answers the requests of one
// connection in order. Faults that a correct server cannot make (a late answer, a foreign
// transaction id, half a frame) are made by a relay in front of it, which edits whole frames.
// A simulator that needs no faults leaves the relay out (Options.Direct), which halves the
// system calls of a request.
//
// What a Fault can do to an answer:
//
//	delay it                 Delay, Late         a slow device, a long line, an answer after its timeout
//	leave it out             Drop                a silent device
//	answer an exception      Refuse              as a device that does not want to
//	change its frame         Short, Long, WrongID, WrongUnit, WrongFunction, WrongProtocol, WrongLength, Garbage, Truncate
//	add, repeat or reorder    Stray, Twice, Reverse
//	end the connection       HangUp, HalfClose
//
// and First, Nth, Unit, Addresses, MoreThan and All say to which answers.
package modbusserver
