// Package enrol gets a gateway its X.509-SVID by a join token, and renews it at half its life, for venues without SPIRE. The other end is the
// aggregator's desk (cloud/enrol); what both say is in sync/join.
//
// What it gets lives in one folder that only the gateway may open, where sync/identity reads it:
//
//	svid.pem      the SVID, its key, and which token and address it came by: one file, so that they are of one piece
//	bundle.pem    the trust domain's authorities; written before an SVID that needs them
//	pending.pem   the key of an enrolment that is under way; gone afterwards
//
// The key is written before a token is used. A token takes the key that first uses it, so that a gateway that lost power anywhere asks again
// with that one. A renewal has a new key, and the SVID before stays until the new one is on disk.
//
// The first contact trusts nobody: the token names the hash of the authority that must have issued the server's SVID. Later ones are
// mutual TLS under the SVID that is renewed, shown even when it has expired.
//
// What fails, and what happens; collection and buffering feel none of it:
//
//	no token, and no SVID                     said; looked for again every few seconds
//	the token is garbled, of another gateway  said; nobody is asked; an SVID that is held renews as before
//	or trust domain
//	the aggregator is not reached, or busy    asked again, 2 s to 5 min with full jitter
//	the token or the SVID is refused          said, with what to do; asked again, 1 min to 30 min, for a person may mend it there
//	the token is changed                      used at once; the SVID held stays in use until the new one is on disk
//	the token is taken away                   nothing, once the gateway has enrolled
//	the server is not whom the token names    refused before the secret is sent
//	the answer is another gateway's, for      refused; what is held stays
//	another key, garbled, endless
//	power is cut before, between or after     asked again with the same key; or the old SVID renews again
//	any two writes
//	the disk takes no writes                  said; no token is used before its key is kept; asked again
//	the clock is unset                        as in sync/identity; an SVID of unknown age is renewed two minutes after the start
//	the clock is wrong                        renewals are a quarter of a life apart at least, whatever it says
//	the SVID has expired while the gateway    renewed all the same, as long as the aggregator's grace allows
//	was off
package enrol
