package metrics

import (
	"iter"
	"maps"
)

// A series that begins with its first event has no increase that an alarm could see. So every reason that is known beforehand is exported from
// the start, as zero.

// wireReasons are those of wire.Reason, which ingest and the venue share.
func wireReasons(more ...string) []string {
	return append(more, "truncated", "too-large", "not-frame", "version", "checksum", "header", "compression", "bomb", "malformed", "invalid", "table-hash", "other")
}

func brokerReasons() []string {
	return []string{"tls", "handshakes", "clients", "protocol", "client-id", "will", "unknown-gateway", "busy", "silent", "publish", "retain", "retained", "qos", "subscribe",
		"subscriptions", "oversized", "malformed", "rate", "expired", "topic"}
}

func ingestReasons() []string {
	return wireReasons("unknown-gateway", "wrong-channel", "wrong-lane", "signature", "unsigned", "chain", "too-many-epochs", "too-many-tables")
}

func asideReasons() []string {
	return wireReasons("unknown-gateway", "unknown-kind", "device-not-granted", "foreign-batch", "settled-epoch", "too-many-epochs", "too-many-holes", "too-many-tables",
		"too-many-waiting", "unreadable", "wrong-boot", "malformed-status", "conflict")
}

func enrolReasons() []string {
	return []string{"bad-request", "bad-key", "unknown-token", "used-token", "lapsed-token", "revoked-token", "wrong-gateway", "not-granted", "no-svid", "lapsed-svid", "superseded",
		"busy", "failed"}
}

func enrolOccasions() []string { return []string{"enrol", "again", "renew", "older"} }

// zeroed yields what was counted by reason, and zero for the known ones that were not.
func zeroed(counted map[string]uint64, known []string) iter.Seq2[string, uint64] {
	all := make(map[string]uint64, len(known))
	for _, k := range known {
		all[k] = 0
	}
	maps.Copy(all, counted)
	return maps.All(all)
}
