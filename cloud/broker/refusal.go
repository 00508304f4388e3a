package broker

import (
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Reasons of refusals; labels of metrics, never to be renamed.
const (
	reasonTLS           = "tls"
	reasonHandshakes    = "handshakes"
	reasonClients       = "clients"
	reasonProtocol      = "protocol"
	reasonClientID      = "client-id"
	reasonWill          = "will"
	reasonUnknown       = "unknown-gateway"
	reasonBusy          = "busy" // the older connection of the same client id did not end in time
	reasonSilent        = "silent"
	reasonPublish       = "publish"
	reasonRetain        = "retain"
	reasonRetained      = "retained"
	reasonQoS           = "qos"
	reasonSubscribe     = "subscribe"
	reasonSubscriptions = "subscriptions"
	reasonOversized     = "oversized"
	reasonMalformed     = "malformed"
	reasonRate          = "rate"
	reasonExpired       = "expired"
	reasonTopic         = "topic" // external: a topic that is none of Courtside
)

const (
	logAgain  = time.Minute // a refusal of one client for one reason is logged once in this time
	logMemory = 4096        // clients and reasons that are remembered for that; beyond it all are forgotten
)

// refusals counts what was refused and logs each client's first of a kind.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	counts map[string]uint64
	logged map[[2]string]time.Time
}

func newRefusals(log *slog.Logger, now func() time.Time) *refusals {
	return &refusals{log: log, now: now, counts: map[string]uint64{}, logged: map[[2]string]time.Time{}}
}

// note counts one refusal. who is the SPIFFE ID where it is known, the address otherwise.
func (r *refusals) note(reason, who string, why any) {
	now := r.now()
	r.mu.Lock()
	r.counts[reason]++
	key := [2]string{who, reason}
	last, known := r.logged[key]
	news := !known || now.Sub(last) >= logAgain
	if news {
		if len(r.logged) >= logMemory {
			clear(r.logged)
		}
		r.logged[key] = now
	}
	r.mu.Unlock()
	if news {
		r.log.Warn("refused by the broker", "reason", reason, "client", who, "err", why)
	}
}

func (r *refusals) snapshot() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}
