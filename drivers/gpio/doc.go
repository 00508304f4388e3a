// Package gpio reads contacts and pulses on the board's own lines, through the kernel's GPIO character device.
//
// A device is the board, or one of its chips. A bool state point is a dry contact; an int counter point counts pulses.
//
//	options:
//	  chip: gpiochip0        # name, label or path of the chip; default: each line is found by its name on any chip
//	  debounce: 5ms          # how long a level must hold to count; 0s to 10s
//	  resync: 1s             # how often levels are read again, in case an edge was missed; 100ms to 1m
//	source:
//	  line: 17               # the line's number on the chip, or its name, such as GPIO17
//	  step: 1                # between the lines of a range, numbers only
//	  chip: gpiochip1        # instead of the device's
//	  bias: up               # up, down, none, or as-is (default): the board's resistors
//	  active_low: true       # a contact to ground is true
//	  debounce: 20ms         # instead of the device's
//	  edge: rising           # counters: count at rising (default), falling, or both, after active_low
//
// Everything is asked of the character device itself: chips come and go with their plugs, which a library that looks once a process does not see;
// edges come with their kernel timestamps and sequence numbers, and up to 1,024 of them wait.
//
// Debouncing is a state machine of times: a level counts once it has held for the debounce time, and is dated then; the edge's own
// time comes along as device time. A pulse shorter than the debounce time is none.
//
// A counter without debouncing that counts one edge asks for that edge alone: each is a pulse, whatever the level is by now. The kernel looks at a line
// in a thread, and tells edges that come before it runs as one. Of a line whose both edges are told, the level then gives that away, and both
// are counted; of two equal edges nothing can. That takes pulses that follow each other within tenths of a millisecond on a board
// that is not busy.
//
// No device holds a pulse. A counter begins at a random value whenever the lines are opened, so that the time between is a reset, and with
// that a declared gap, and never looks like a quiet hour. Its width is 64 bits.
//
//	what fails                               what happens
//	there is no chip, or no such line        that line's points bad (node id unknown), sought again with each resync; Open fails, transient, when no line at all can be had
//	a line is somebody else's                bad (resource unavailable), asked for again with each resync, others unaffected
//	no permission                            Open fails, permanent: the gateway's user belongs in group gpio
//	the kernel's buffer overran              counters: a declared gap (overrun), the count goes on; contacts: the level is read again
//	an edge was missed                       found by resync, and told when the next one finds it too; dated when it was found
//	a chip is pulled out                     its points bad (not connected); back within a resync of its return, under whatever number; those of other chips go on. The
//	                                         last chip ends the connection, transient
//	the contact bounces for ever             it never counts; the last steady level stands
//	a line changes while the gateway stops   contacts: seen at the next opening; pulses: the gap of the restart
package gpio
