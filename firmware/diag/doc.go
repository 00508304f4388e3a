// Package diag is how the gateway explains itself on the device: the messages, the server on the gateway's Unix socket
// and the client that gwctl uses. It knows no part of the gateway; the assembly implements Gateway.
//
// The socket is {data_dir}/gateway.sock, for the gateway's user and group. Requests are HTTP with JSON answers; a refusal is a Problem. Who
// asks is told by the kernel (SO_PEERCRED): root, the gateway's own user and members of the group "courtside" are answered.
//
//	what fails                                   what the asker gets
//	no gateway, or one that died                 ErrNotRunning, with the socket's path
//	the socket's folder or the socket is closed  ErrNotPermitted
//	to the asker, or the asker is a stranger     (a stranger gets 403 and the reason)
//	no such device or point                      ErrNotFound, with names that come near
//	a new configuration with faults              ErrRefused, with every fault
//	a gateway that does not answer in time       the context's error, "asking the gateway: …"
//	an answer that is cut off or too large       an error; nothing is shown of it
//
// Nothing that is asked here costs the path of samples more than a look at a pointer a block.
package diag
