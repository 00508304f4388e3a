// Package channel is the client's side of an OPC UA secure channel over TCP (OPC 10000-6 sections 6 and 7).
//
// The algorithms and the services' encoding are gopcua's; framing, sequence numbers, request matching and renewal are done
// here, because in that module a message with a negative array length or a chunk shorter than its signature panics in a goroutine that
// nobody can recover, the peer's OPN replaces the certificate that was asked for, buffer sizes are the peer's word,
// and neither a write nor a renewal ends with its context.
//
// What fails and what happens:
//
//	the server does not answer            the call ends with its context or after its timeout; a late answer is dropped by its id
//	the connection is cut or closed       every pending and later call ends with the cause; Lost is closed
//	bytes that are no chunk, a bad signature, a wrong sequence number, a foreign channel or token id,
//	a message beyond the limits           the channel is lost: after it nothing on the stream can be trusted
//	the server aborts one message         that call ends with the server's reason, the channel goes on
//	the server sends ERR                  the channel is lost with the server's reason
//	a renewal fails                       the channel is lost, before its keys expire
package channel
