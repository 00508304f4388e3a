// Package contract holds the messages of the sync protocol as Protocol Buffers: courtside.proto
// and the code that protoc generates from it. It adds nothing to them; sync/wire turns
// them into the types of sync/point and checks them.
//
// `make proto` (tools/protogen) generates courtside.pb.go again.
package contract
