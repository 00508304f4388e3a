// Package mqtt is one connection to one MQTT 3.1.1 broker. It is the product's only MQTT client, a thin skin over paho
// that leaves out what loses messages: no automatic reconnect, no session or store that outlives the connection. After a loss
// the owner dials a new Session.
//
// A PUBACK means that a broker took the message, and nothing more. An error, whether returned or given to a
// callback, means that it is not known whether the broker took it; wrapped ErrNotSent says that it certainly did not.
//
// What fails, and what happens:
//
//	the broker is absent, refuses, or never answers   Dial fails within ConnectTimeout or with its context; a CONNACK that refuses wraps ErrRefused
//	the link is cut                                   Lost closes; every callback not yet called is called with an error
//	the link swallows everything                      a write fails after WriteTimeout, a ping unanswered for half of KeepAlive or data unacknowledged
//	                                                  by TCP for 15 s ends the session
//	the broker never sends PUBACK                     callbacks wait; the owner's patience decides; beyond MaxInFlight Publish refuses
//	a subscription is refused                         Subscribe names it
//	the broker sends a packet that is too large, or   the session ends before memory is allocated for it
//	one that would break the library
//	OnMessage is slow                                 64 messages wait, then reading stops and TCP holds the broker; answers to pings are not
//	                                                  read then either, so that a handler that hangs costs the session
package mqtt
