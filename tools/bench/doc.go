// Command bench measures every aim of docs/design.md on this machine, and prints it beside what was reached.
//
// Gateway, aggregator and load generator run as the real programs, each as a process of its own, with mutual TLS between them,
// over loopback and on two cores. A measurement stands in a file of its own; when one fails its rows say why and the
// rest goes on. Nothing is asserted about speed: the table is for people, and -json for comparing runs.
//
//	-only polling,replay     only these measurements
//	-seconds 20              how long each one measures, after its warm-up
//	-short                   everything in less than three minutes
//	-json FILE               the rows for programs
//	-backlog-mib 8192        the backlog by which start-up and the spool's memory are measured
//	-gateways 500            how many gateways return at once
//	-day 0.01                instead of all others: this share of a day's outage at 10,000 events/s, stored and replayed
//	-profile DIR             CPU and heap profiles of loadgen, which is the gateway with a generator
//
// How freshness is measured: every millisecond the generator yields a reading whose value is the wall clock at its
// creation. A prober reads that point over REST at random moments; the age of what an answer shows, when the answer has
// arrived, is distributed as the time from a sample's creation until it can be read.
package main
