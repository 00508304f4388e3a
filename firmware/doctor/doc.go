// Package doctor judges what a gateway sees of itself, and names the likely cause and the next step. It does no I/O: the
// assembly gathers facts, the doctor turns each into one finding.
//
//	fault                       what tells it                                                      finding
//	device absent               its connection is refused, has no route or is not answered          device: fail
//	wrong unit id               the host answers, the unit does not, or a serial server has no path  device: fail
//	wrong baud rate             a serial line brings bytes that are no frames                       device: fail
//	wrong register address      the device refuses points (node id unknown)                         device: warn
//	wrong word order            values that make no sense, and would with their words exchanged     points: warn
//	expired SVID                NotAfter has passed, while the clock is in order                    identity: fail
//	clock off                   the cloud's time, or both certificates' validity, lie elsewhere     clock: fail
//	full disk                   statfs of the data directory, errors of the stores                  disk: fail
//	a version on trial, an      the kernel's command line, the gateway's own count                 updates: warn
//	event that refused updates
//	broker not found, not       the step of the way that fails first: name, route, TLS,             dns, route, tls,
//	reached, not trusted        permission                                                          broker
//	little memory, worn flash   /proc/meminfo, the life time that the flash reports                 memory, flash: warn
//
// A gateway that does not run, or that does not talk to this user, cannot be asked: gwctl itself says so.
package doctor
