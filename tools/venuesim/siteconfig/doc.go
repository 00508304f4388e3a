// Package siteconfig writes what an integrator would have written for the simulated venue: one configuration file a
// gateway, the aggregator's, and the venue map.
//
// Devices are divided among the gateways by where they stand around the bowl; no two gateways share one. The
// values that belong together are derived together: a counter's max_rate from the simulation's speed, a seat's
// deadband and hysteresis from its sensor's noise, every register from the plan that the servers use.
package siteconfig
