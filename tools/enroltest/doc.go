// Package enroltest holds the test in which a real gateway enrols at a real aggregator by a join token, connects, renews, and both are started
// again.
package enroltest
