// Package faults runs the whole of Courtside through scenarios of faults, and judges the cloud by the ground truth.
//
// A rig is a small venue (one Modbus PLC a gateway, on the real protocol), gateways and the aggregator as processes of their own,
// and a faulttest.Proxy on each way that a packet takes: gateway to device and gateway to broker. A Scenario is a list of steps, read from a
// file or drawn from a seed (Random); one seed is one scenario. At its end the venue stands still, every fault is taken back,
// and a Verdict compares:
//
//	counters    every passage counted while the gateway lived or was away is in the cloud once; a counter that was never reset has one run
//	seats       each seat's state is the sensor's
//	beats       each value that a beating register held for long is in the log, or lies in a declared loss that is no longer than promised
//	accounts    each (epoch, lane, seq) below next is in the log once, with one content, or in a declared gap (I1, I10)
//	the cloud   nothing is pending, set aside or unaccounted for
//
// Gates runs the simulated arena instead, whose 24 gates have event rings: RunGates restarts and spoils their controllers, kills gateways, and
// wants each gate's passages in the cloud exactly, or short of exactly what is declared lost where the rings were made too small.
//
// Beats and accounts are read from the aggregator's log after its end, by code that shares nothing with the venue's.
package faults
