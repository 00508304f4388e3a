// Package venuesim is a simulated venue on real protocols: the arena dal-001 with 19,200 seats, 24 gates and its panels
// behind Modbus TCP PLCs, an OPC UA server and a tracking system over the court, a crowd that behaves, and the ground truth to judge a cloud by.
//
// Start serves the devices; WriteConfig writes the gateways' and the aggregator's configuration and the venue map that
// fit them. The order of an event is always the same:
//
//	waiting   the doors stay shut until every counter was polled DoorPolls times, so that no passage precedes a first read
//	running   the crowd moves at Options.Speed times life; devices give no times of their own unless the speed is 1
//	frozen    the event is over, nobody moves; FinalPolls complete polls of every device pass, and SettleTime for what is subscribed
//	final     the truth stands and is what a cloud must show
//
// One seed is one event: timetable, tares, counters' first values. Who polls when changes nothing but the noise.
//
// Gates have counters, event rings, or both (Options.Gates); the truth tells of each passage either way. Every device can be told to fail,
// by Options.Faults, Inject or POST /control/fault: field.Ill names what it can do. What an overrun writes into a ring is nobody, and
// told apart in the truth (RingState.Ghosts); a device that is to be read for the truth to become final has to be well by then.
//
// The subpackages are its rooms: arena (geometry and map), crowd (who does what when), court (the game), field (devices, registers, servers),
// siteconfig (what the integrator would have written).
//
// What fails, and what happens:
//
//	a device's port is taken           Start fails, names the device and closes what it had opened
//	nobody polls                       the venue waits; POST /control/open opens all the same
//	the simulator is starved of CPU    simulated time slows down; counters never jump ahead of their highest rate
//	a gateway stops during the event   the devices keep their values; polls that end the event wait for its return
//	a device that restarts finds its port    it is tried again, ten milliseconds later, for as long as it takes
//	taken
//	an OPC UA value is refused         the simulation ends with the error, which Wait returns: its truth would be wrong
package venuesim
