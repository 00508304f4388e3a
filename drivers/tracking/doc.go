// Package tracking listens to an arena's player tracking: gRPC, package events, ArenaEventService.StreamEvents.
//
// The tracking system sends a position for each player and the ball as it measures them; the driver subscribes. A position
// fills two points, one an axis, in metres from the centre spot. Both axes of one message always stand in one block, with one time.
//
//	options:
//	  address: 192.168.10.60:50051   # host:port, required
//	  timeout: 5s                    # of connecting; 10ms to 1m
//	  stale_after: 2s                # a player who was not seen for so long is not known any more; 10ms to 10m
//	  silence: 30s                   # nobody was seen for so long: the stream is given up and opened anew; 10ms to 1h, not below stale_after
//	  tls: {ca_file: ca.pem, cert_file: gw.pem, key_file: gw.key, server_name: tracking.local}   # absent: no TLS
//	source:
//	  player: 1                      # its number in the tracking system
//	  axis: xy                       # x, y, or xy (default): the points come in pairs, x before y
//	  step: 1                        # between the players of a range; not 0
//
// The points of ten players and the ball, whose number is 0 in this example:
//
//   - range: "player/{player:1..10}/{axis:x,y}"
//     type: float
//     kind: position
//     source: {player: 1}
//   - range: "ball/{axis:x,y}"
//     type: float
//     kind: position
//     source: {player: 0}
//
// A point is a float, or an int with its scale: then it holds the nearest step.
//
//	what fails                                      what happens
//	the system cannot be reached                    Open fails, transient
//	its certificate is not the one that is wanted   Open fails, permanent; so do missing and unreadable files
//	it does not know the method, or refuses us      the subscription ends, permanent
//	it closes the stream, or restarts               the subscription ends, transient
//	bytes that are no PlayerPosition, 4 KiB of one  the subscription ends, transient
//	a player is not reported for stale_after        both points bad (timeout), or bad (waiting for initial data) before the first time
//	nobody is reported for silence                  the subscription ends, transient: a dead stream looks like an empty court
//	a position is not finite, or beyond 100 km      both points bad (out of range)
//	a position is not newer than the player's last  ignored, unless the player was stale: repeated, or overtaken
//	a player whom no point names                    ignored, said once
//	the reader is slower than the system            gRPC's flow control holds the system back; nothing is dropped here
//
// Liveness is the age of data, never the state of the connection. The timestamp of a position is kept as device time; it
// orders the positions of one player and dates nothing.
package tracking
