// Package broker carries messages between the aggregator and its gateways and subscribers. Embedded is a broker
// inside the aggregator (the product's only user of mochi), External a client of any MQTT 3.1.1 broker; both give
// the same: Publish, and a Handler that gets what gateways send. Both are only a transport. What counts as durable is
// said by the aggregator's own acks; a PUBACK says that a broker took a message.
//
// In the embedded broker an SVID is the only way in, and it decides everything (I7):
//
//	role        client id                      publishes                                will           subscribes to
//	gateway     {venue}:{gateway}              its own live, replay, critical, table/#,  its own        its own ack and cmd, cloud/status
//	                                           status, inventory, reply                 status
//	subscriber  {venue}:sub:{name}[:suffix]    nothing                                  none           filters below courtside/1/{venue}/ (no ack, no cmd), cloud/status
//	            or empty
//	aggregator  _aggregator[:suffix] or empty  ack, cmd, state, cloud/status            cloud/status   everything below courtside/1/
//
// Sessions are never kept, and subscriptions are granted with QoS 0: a reader that stalls must not hold
// those who write to it. A command carries its expiry and is sent again.
//
// What fails, and what happens:
//
//	no certificate, an expired one, another trust    refused in the handshake, counted as "tls"
//	domain, a role that has no business here
//	a foreign client id, a foreign will              refused at CONNECT ("client-id", "will")
//	a gateway that the configuration does not know   refused at CONNECT ("unknown-gateway")
//	a publish to a foreign topic, retained where     disconnected, not delivered ("publish", "retain", "qos")
//	nothing is retained, or with QoS 2
//	a foreign subscription                           refused in the SUBACK ("subscribe")
//	a packet that is too large or malformed          disconnected before memory is allocated for it ("oversized", "malformed")
//	a flood of messages, bytes, subscriptions or     disconnected ("rate", "subscriptions", "retained")
//	retained topics
//	more connections than allowed                    refused ("clients", "handshakes")
//	a connection that never speaks                   closed after 10 s ("tls", "silent")
//	an SVID expires                                  its connection is closed, its will announced ("expired")
//	the same gateway connects again                  the older connection ends first; its will is not announced, since the gateway lives
//	a reader that does not read                      its messages are dropped (Stats.Dropped), a write that waits 5 s closes it
//	the Handler is slow                              the gateway that it serves is not read from; TCP holds that one, nobody else
//	the external broker is away                      Publish fails with ErrDown; reconnects with full jitter, 100 ms to 30 s
package broker
