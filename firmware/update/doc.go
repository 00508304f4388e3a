// Package update installs updates on a gateway: it decides with package slot whether one is taken, fetches it for RAUC over HTTPS under the gateway's own
// SVID, follows the install, and keeps the evidence by which the next version is judged.
//
// RAUC reads an update where it is instead of storing it first. It speaks neither SPIFFE nor resumes what is cut, so it is given an address on
// 127.0.0.1 under a path that nobody can guess, for the time of the install; behind it the gateway fetches blocks over mutual TLS from a server that
// must be the trust domain's aggregator, whatever its host name is. A file on this machine RAUC reads by itself.
//
//	what fails                                  what happens
//	the link is cut in the middle               the rest is asked for again, from the byte at which it was cut, for 4 min; RAUC waits
//	the server gives nothing for 30 s           as if it were cut
//	the server does not serve ranges            refused at the beginning; nothing was written
//	the server is not the aggregator, or of     refused at the beginning
//	another trust domain
//	the update is exchanged while it is read    the install fails: what was settled first, size and tag, holds
//	no SVID, an expired one                     refused, with the reason
//	RAUC is absent, or this is no image         refused, and the status says so
//	an install is under way                     refused
//	an event is on, or the time is not known    refused unless forced, logged, counted; the status and the doctor show the window. An install that runs when an
//	while there is a calendar                   event begins goes on; its reboot is left to a person
//	the version that runs is on trial           refused: it would overwrite the slot to go back to
//	the gateway stops in the middle             RAUC's install fails; the other slot stays bad, this one is booted next
//	slot.json or event.json is torn             said in the log; both are written anew
package update
