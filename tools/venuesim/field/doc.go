// Package field is the devices of the simulated venue: which there are, which register or node holds which
// seat, lane, panel or building value, and the servers that speak Modbus TCP and OPC UA for them.
//
// A Plan is the one place where addresses are decided. The servers are filled by it and the gateways' configuration
// is written from it, so that the two cannot differ.
//
//	plc-seats-101 …   Modbus  holding registers from 0: pressure in 0.1 kg, one register a seat, in the arena's order
//	plc-gates-1 …     Modbus  input registers from 0: per gate the lanes' passages in, then out; 16 bits, from arbitrary values
//	plc-gate-01 … Modbus  with rings: holding registers; head, generation, clock (ms) and cursor, then slots of id, time, direction, ticket
//	plc-panels        Modbus  holding registers from 0: status words of the ribbons, then of the scoreboard's faces
//	court             gRPC    players 1 to 10 and the ball, number 0, ten times a second while there is a game
//	building          OPC UA  ns=1;s=panel.{id}.status, panel.{id}.brightness, building.{quadrant}.temperature, humidity, co2
//
// A seat's register is its tare plus whoever sits there plus noise. The noise is drawn anew every NoisePeriod and stays
// within NoisePeak, so that all that a gateway with a deadband above twice NoisePeak reports is people.
//
// What fails, and what happens:
//
//	a port is taken                Start fails with the device's name, and what was started is closed
//	a client reads past the end    exception 2, as a PLC answers; the simulation goes on
//	a client writes                the registers change until the next noise or passage; the truth does not
//	nobody polls                   Polls stays 0; the doors stay shut and the truth is never final
package field
