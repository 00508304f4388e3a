// Package ingest takes what gateways publish into the log, and tells them what is durable.
//
// It refuses by name, header, size and checksum only, before the log, and inflates no batch. An ack is sent
// for what the log has synced and for nothing else. A duplicate is left out of the log only if the same content is known to be
// synced; it is acked again.
//
//	what fails                                                        what happens
//	a payload that is no frame, is too large or was garbled           refused, counted by reason, logged once a minute; it is not acked
//	a lane on the wrong topic                                         refused the same way
//	an unknown venue or gateway                                       refused the same way
//	a signature that is wrong, of another, or missing where required  refused the same way; it is not acked, and comes again
//	the log refuses an append                                         Failed is closed; the process must end: no append, no ack
//	more of backlogs comes than the venues apply                      it waits in memory, in turns of its gateways, and is acked when it went into the log; what is live goes first
//	the process ends meanwhile                                        what waited was not acked, and comes again
//	an ack is lost                                                    the gateway sends again, or its next inventory is answered
//	the process dies before an ack                                    Recover learns from the log what is durable
package ingest
