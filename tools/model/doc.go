// Package model explores the sync protocol on the product's own code: a spool over stores that lose what was not synced, a
// link that loses, doubles and reorders, ingest over a log that loses what was not synced, and crashes of either side at each step.
//
// Its tests do it twice: every order of events within small bounds (each distinct state once), and long random runs that
// shrink to the shortest failure. After each step, and again after the world was given peace, they check
//
//	I1   a published number names one content for ever
//	I2   what the cloud holds is a set: each (epoch, lane, seq) has one content, however often it came
//	I3   what left the spool is durable in the cloud, or in a gap
//	I4   what an ack named is there after any crash of the cloud
//	I5   a critical batch told durable, and its cursor, survive any crash of the gateway
//	I8   every opening names its predecessor, and ended epochs do not grow
//	I10  in the end each seq below next is durable in the cloud or in a gap that is, and an epoch is forgotten only when the cloud
//	     knows how it ended
//
// Faulty environments (an ack before its sync, a disk that lies, cursors that go astray) prove that the model can fail.
package model
