// Package opcua is the OPC UA driver: subscriptions, or polling where a server has none that are worth it.
//
// Options of a device:
//
//	endpoint: opc.tcp://10.0.0.7:4840     # required
//	security:
//	  policy: Basic256Sha256              # None (default), Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256_Sha256_RsaPss
//	  mode: SignAndEncrypt                # the default with a policy; or Sign
//	  server_cert_file: plc.pem           # the server's certificate, or that of the authority that issued it; PEM or DER
//	  cert_file: gateway.pem              # our application certificate and its RSA key: not the SPIFFE identity, OPC UA knows RSA only
//	  key_file: gateway.key
//	login: {user: gw, password_file: plc.password, allow_clear: false}   # absent for anonymous
//	login: {cert_file: user.pem, key_file: user.key}   # or a user's certificate, with a security policy only
//	timeout: 5s                           # of connecting as a whole, and of each request; 10ms to 1m
//	mode: subscribe                       # or poll
//	publish_interval: 100ms               # the period of the scan class if absent
//	sampling_interval: 50ms               # how often the server looks at a node; publish_interval if absent
//	keep_alive_count: 10                  # intervals of silence after which the server says that it lives
//	queue_size: 10                        # values of a node that the server keeps between two messages
//	resync: 1m                            # how often subscribed nodes are read to see that nothing was missed
//	max_items_per_call: 500               # nodes in one request; the server's own limit is kept too
//
// Source of a point or range:
//
//	node: "ns=2;s=Panel.{n}.Status"       # required: ns= or nsu= (a namespace URI), then i=, s=, g= or b=
//	first: 1                              # {n} of a range's first point, 1 if absent; {n:03} is 001
//	step: 1                               # from one point to the next
//	type: UInt16                          # what the node should hold; checked against the point's type before anything is connected
//
// {1} to {8} in node are the ids of the point's name: for seat/101/a/12, "Sec{2}.{3}.{4}" is Sec101.a.12. Braces are {{ and }}.
//
// Values: Boolean is bool; whole numbers are int (a counter's register may be shown signed); Float, Double and whole
// numbers are float; String and LocalizedText are text. Status codes are kept as qualities, without their informational
// low word, and source timestamps as device times. Anything else, arrays and structures included, is Bad_DataEncodingInvalid with one
// line of log that names the node.
//
// A Conn is one session. It never mends itself: whatever goes wrong ends Poll or Subscribe with the cause, and the
// worker opens a new one, with certificates read anew and the server's compared before they are used.
//
// What fails and what happens:
//
//	a node is unknown or vanishes      that point is bad (Bad_NodeIdUnknown), the rest goes on; it is tried again at every resync
//	a value does not fit its point     that point is bad (Bad_DataEncodingInvalid or Bad_OutOfRange), one line of log
//	the connection is cut, the server
//	  restarts, the session is killed  Poll or Subscribe ends, transient
//	the server stalls                  Poll: a request's timeout; Subscribe: no message for 3 × interval × keep-alive count
//	messages come, values do not       found by resync: missed values are yielded and logged; twice in a row ends Subscribe
//	a message is lost                  its sequence number is missing: republished, or if the server no longer has it, everything is read
//	the subscription is ended by the
//	  server                           Subscribe ends with the server's status
//	the server sends garbage           the channel is lost, the session ends
//	its certificate is not the pinned  Open ends, permanent, before any key or password was used with it
//	the login is refused               Open ends, permanent
//	a file cannot be read              Open ends, permanent, and names it
//	a request is too large for it      the same with half as many nodes
package opcua
