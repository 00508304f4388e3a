// Package uplink owns the connection to the broker: who may send what, and when.
//
// For each connection a new session: connect with the death as the will, subscribe to acks and commands, announce the
// birth, publish the point tables and an inventory, then batches in the spool's order of right, each table before the
// first batch that names it. A PUBACK says that a broker took a message and nothing more; only an ack of the
// cloud lets a batch go. What is in flight is bounded by a window that grows with acks and halves when one is late.
//
// A backlog goes as fast as live batches do not feel: how much of it is in flight halves whenever 95 % of the live ones of the last
// second took longer, from the batcher to their ack, than twice the best round trip or 20 ms more than that; it doubles, later
// grows by addition, while they do not (pace.go). The cloud's replay credit and the configured rate limit bound it too; the limit holds live batches
// to the rate by themselves, so that none waits for what the backlog has used.
//
//	what fails                          what happens                                                        what shows it
//	no broker, refused, identity gone   tried again with full jitter, 0.5 s to 30 s                         Stats.Failed, State
//	link cut, broker disconnects        everything in flight returns to the spool; tried again as above;    Stats.Lost
//	                                    the pause shrinks again only after an ack
//	an ack is late (one timeout)        that batch returns to the spool, the window halves, the timeout     Stats.Late
//	                                    doubles until an ack can be measured again
//	no ack for three timeouts           the link is down: all returns, one batch at a time probes, with     State down, Stats.Probes
//	                                    full jitter; the next ack ends it; after DownPatience a new session
//	ack twice, for foreign epochs, for  ignored and counted by the spool; none of it brings a link up       spool.Stats
//	what was never given or offered
//	ack, command not decodable          ignored                                                             Stats.Malformed
//	ack, command without a signature,   ignored, unless the broker is the aggregator's own by its SVID      Stats.Unsigned, Forged
//	by another key or for another topic
//	signed ack older than AckTolerance, ignored; after StalePatience of nothing else the cloud's clock is   Stats.Stale
//	of a log that another has followed, taken to have been set back
//	or outside its key's life
//	command that came before            ignored                                                             –
//	command expired                     not done; the reply says so                                         Stats.Expired
//	more commands than can be done      dropped; the cloud repeats what it still wants                      Stats.Overflow
//	SVID rotates                        no more is taken, in flight is waited for DrainPatience at most,    Stats.Rotations
//	                                    DISCONNECT, a new session at once
//	stop                                live batches go and acks are waited for StopPatience at most, then  status stopped
//	                                    the death, DISCONNECT; without a connection it ends at once
package uplink
