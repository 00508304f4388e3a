// Package identitytest is a trust domain for tests and development: the product's authority with its keys at hand,
// agents that serve the real SPIFFE Workload API on a Unix socket, and the same as PEM files.
//
// It attests nobody. Never use it where the keys matter.
package identitytest
