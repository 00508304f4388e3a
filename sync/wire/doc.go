// Package wire is the sync protocol's bytes: the header frame, the column codec of batches, point
// tables, acks, inventories, commands, statuses and topic names. It holds the only zstd code of both sides.
//
// A payload is a zstd skippable frame with a fixed header, one plain zstd frame around a
// protobuf message (sync/contract) and optionally a skippable trailer with a signature, so that
// `zstd -d | protoc --decode` opens it anywhere. Decoders enforce Limits before they allocate, and
// are fuzzed; no input makes them panic.
package wire
