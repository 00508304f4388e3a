// Package peers proves the drivers against devices that other people wrote: servers of libmodbus and pymodbus over TCP, RTU over
// a pair of pseudo-terminals and RTU over TCP, and an OPC UA server of asyncua. They run with the build tag acceptance;
// tools/acceptance/run installs what they need and lists by name what could not run.
package peers
