// Package enrol is the aggregator's desk where gateways get their X.509-SVIDs: the first one by a join token, every later one by the SVID before. It
// is for venues without SPIRE, and holds the authority's key in this process.
//
// A token is bound to one gateway and, at its first use, to one key; with that key it may be used again until it expires, because a gateway
// may lose power between the answer and its own disk. Who is enrolled by a newer token ends the renewals of who was before: an SVID that was
// issued before the gateway's latest enrolment does not renew. What a configuration does not grant is neither enrolled nor renewed.
//
// An SVID that has expired renews for Options.Grace after its end: the handshake proves its key, and neither configuration nor a newer
// enrolment has ended it. A gateway that was off for longer needs a new token.
//
// What fails, and what happens:
//
//	a secret that nobody made                   refused, unknown-token; nothing says whether the gateway exists
//	a token's names were changed by hand        refused, wrong-gateway; the token is as it was
//	a second device with the same token         refused, used-token: logged as an error and counted, for one of the two is a thief
//	the same device with the same key again     answered again, with a fresh SVID
//	a token that has expired or was revoked     refused, lapsed-token or revoked-token; also with the same key
//	the gateway is not configured (any more)    refused, not-granted; the token is not used up by that
//	power is cut, or this program is killed     what was answered is on disk before: a token is bound and synced, then answered
//	the disk takes no writes                    refused, failed; the token is not used up; the gateway asks again
//	the file of tokens is garbled               the program does not start and names the file; without it every token is void
//	a CSR with names, a CA flag, another ID     nothing of it counts but its key and the proof of it
//	a CSR with a weak key, RSA, no proof        refused, bad-key; the token is not used up
//	an SVID of another authority, role, or      refused, no-svid
//	trust domain, or one not valid yet
//	an SVID that expired longer than Grace ago  refused, lapsed-svid
//	a stolen gateway whose name was given on    refused, superseded
//	a gateway's storage was copied              both renew; each second renewal of one SVID is logged and counted (older), as a lost answer is,
//	                                            and the broker lets one of the two in at a time; a new token ends both
//	a body too large, garbled, or endless       refused, bad-request, or the connection ends after ten seconds
//	a flood                                     refused, busy: by address, then by gateway; connections are bounded in all and by address, log records too
//	the clock of this machine is wrong          SVIDs are dated wrong, and of no use until the next; once it is set back, what it said counts no more
//	the authority has expired                   refused, failed; readiness and the log say so
package enrol
