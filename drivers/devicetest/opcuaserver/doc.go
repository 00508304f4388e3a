// Package opcuaserver is an OPC UA server for tests and simulators: it speaks the real protocol over TCP,
// and a test may change its values and its manners midway.
//
// It stands on the secure channel of gopcua and answers the services itself, because that module's
// own server accepts monitored items of unknown nodes, keeps one value an item, never ends a session, and can be
// brought down by a client whose session is gone.
//
// What it serves: discovery, sessions (anonymous, user and password), Read, Browse, subscriptions with
// queues, keep-alives, Republish and TransferSubscriptions. Security is None, and with a certificate
// Sign or SignAndEncrypt under Basic256Sha256 and the two Aes policies. Writes, methods, events and history are answered with
// Bad_ServiceUnsupported. Attributes other than Value are only those that browsing people need.
//
// Faults that a test can cause: Restart, Remove (a node vanishes), KillSessions, DropConnections, Stall
// (accepts, never answers), Slow and Garbage.
package opcuaserver
