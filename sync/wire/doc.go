// Package wire is the sync protocol's bytes: the header frame, the column codec of batches, point
// tables, acks, inventories, commands, statuses and topic names. It holds the only zstd code of both sides.
//
// A payload is a zstd skippable frame with a fixed header (batches only), one plain zstd frame around a
// protobuf message (sync/contract) and optionally a skippable trailer with a signature, so that
// `zstd -d | protoc --decode` opens it anywhere. Messages under 512 bytes are stored in their frame uncompressed.
//
// # Batches
//
// Samples travel in columns, in their order; each large column begins a zstd block, so that bytes of one nature share a code
// table. Times are runs of equal ones, because a device's answer is stamped once: measured on seat batches that is up to 10 %
// smaller and a quarter less to compress than an entry a sample. A batch is understood with its point table and nothing else. Encoder
// and Decoder write and read the columns by hand, without an allocation a sample; tests hold them to
// the generated code, byte for byte. Everything else goes through the generated code.
//
// # What can be wrong
//
// Encoders refuse what a decoder would have to refuse. Decoders check their limits before they allocate, are
// fuzzed, and refuse whole messages; every refusal wraps exactly one error, whose label Reason gives:
//
//	the payload is cut anywhere                  truncated
//	it is larger, or declares more, than allowed too-large
//	it does not begin with a header frame        not-frame
//	a later protocol, a flag not to be ignored   version
//	a bit of header or content changed           checksum
//	a header with a right checksum that lies     header
//	no zstd, a dictionary, bytes behind the end  compression
//	zstd that inflates beyond what it declared   bomb
//	no protobuf, columns that do not fit         malformed
//	an unknown enum value, an index beyond the
//	table, a range that ends before it begins    invalid
//	a point table under another table's hash     table-hash
//
// Fields that are not known are skipped, so that a later version may add some; enum values that are not known are
// refused, so that none is taken for another.
package wire
