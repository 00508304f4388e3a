// Package join is what a gateway and an aggregator say to each other when a gateway gets its identity by a join token, and
// the token itself. docs/protocol.md describes both for other implementations.
//
// A token is one line for a file or a clipboard. It carries everything that a gateway needs to find the aggregator, to know it from
// anybody else on first contact, and to be known: nothing is trusted because it came first.
//
//	courtside-join-1.{base64url, without padding}
//
//	length u8, address           host:port of the aggregator's enrolment
//	length u8, trust domain
//	length u8, venue
//	length u8, gateway
//	32 bytes                     secret
//	32 bytes                     SHA-256 of the authority's certificate in DER
//	4 bytes                      the first of the SHA-256 of all bytes before, so that a slip is told from a stranger's token
//
// What fails, and what happens:
//
//	a token was cut, or a character slipped     ErrToken; the checksum tells
//	it is of a later version                    ErrToken; it names the version
//	one of its names is none, or too long       ErrToken
//	a token is logged or printed by mistake     String and LogValue show its id, never its secret
package join
