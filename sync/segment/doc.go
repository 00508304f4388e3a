// Package segment is an append-only store of opaque records in small Badger directories.
package segment
