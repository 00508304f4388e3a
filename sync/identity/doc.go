// Package identity gives a process its X.509-SVID and turns it into TLS configurations that ask for
// it at each handshake, so that a rotation needs no restart. It is the product's only user of go-spiffe.
//
// A Source stands on the SPIFFE Workload API (OpenWorkload) or on PEM files (OpenFiles). Opening never waits for
// an agent or a file that is absent: collection and buffering do not depend on identity, only the link does
// (WaitReady). Peers are authorised by role or by SPIFFE ID, within the own trust domain only.
//
// What fails, and what happens:
//
//	the agent is absent, denies, or sends nonsense   retried for ever, 100 ms to 5 s with full jitter; Err and the log name the cause
//	the agent dies                                   the last SVID stays in use until it expires; the watch comes back with the agent
//	the agent gives no SVID of the trust domain that  refused with its name in Err; the SVID held before stays
//	is an identity of Courtside
//	a file is missing, half written, does not match   the set read before stays in use; Err and the log name the file; read again after a while
//	the own SVID expires                             handshakes fail at once, locally, and say so; nothing else stops
//	a peer's SVID is expired, of another trust        the handshake fails
//	domain, of another role, or absent
//	the clock is behind (no battery, no NTP yet)     NotAfter is judged against the latest time known (Clock.Floor); NotBefore is not checked
//	a signature by a key not shown, expired, of      refused, with the reason (Verifier); an unknown key may become known
//	another role or trust domain, or a wrong one
//	a file of the time kept is garbled or gone       said; the build's time is the floor until the next verified ack
//	an authority's files do not fit together          refused, each with its reason (ErrAuthority)
//	an authority has expired                          nothing is issued; what it issued has expired too
//	a certificate request names somebody, has a weak  nothing of it counts but its key, of three kinds, and the proof of it (RequestKey)
//	key, or none that it proves
//	a stranger in the place of an aggregator of which refused: the chain has to hold the pinned authority and be issued by it (PinnedTLS)
//	only a hash is known
//	an SVID has expired that is to be renewed         it is shown for that (RenewTLS), and judged as it was just before its end (Judge)
//	a session is resumed                             never: tickets are off and no cache is set, so that every connection is judged anew
package identity
