// Package segment is an append-only store of opaque records in small Badger directories, one a
// segment, so that memory, address space and disk follow what is held and not what ever was: append
// to the newest, read any, delete an old one whole. Nothing is ever deleted or compacted inside
// one. Beside the records a store keeps a small state, which changes in the same transactions.
//
// # Contract
//
// Append is atomic and gives dense, ascending offsets. Readers see a record at once; it is durable
// when a Sync that began later has returned. Records leave by Release only. The small state is
// carried into each new segment's first frame, and that is synced before an older one is removed. At
// most three databases are open (for a moment a fourth may be closing), whatever the backlog, and a
// start looks at the newest segments only.
//
// # On disk
//
//	lock                 flock of the holder, with its pid
//	ballast              space held back (Options.Ballast)
//	store/IDENTITY       format, incarnation, mark
//	store/watermark      how far the last Sync reached; never synced, may lag
//	store/seg-…/         a segment: Badger's files, and INDEX once it was closed
//	store/aside-…/       what could not be read in full, for a person; the newest four
//	store/new-…          a segment being written anew; store/doomed-… one being deleted
//
// Each transaction is one frame, the one value of one Badger entry, with checksums of its own: see
// frame.go. A segment that was not closed is read frame by frame from Badger's value log, without
// Badger, and written anew; Badger opens only what is byte for byte as it was closed.
//
// # What fails, and what happens
//
//	process killed            everything appended is there; releases not yet written are forgotten
//	power cut at any byte     everything synced is there; of the rest a prefix (Recovery.Torn says what was cut), and
//	                          the small state is that prefix's; its offsets are given again
//	bit flipped in a record   that record is a CorruptError that names it; the scan goes on
//	bit flipped in a frame's  the transaction's records are named; the rest stays
//	 header
//	bit flipped elsewhere,    the segment is written anew from its frames; nothing is lost
//	 file cut or missing
//	value log cut or missing  the records that were in it are named, in Recovery.Lost or by the scan
//	segment unreadable        set aside, its offsets named; the newest four are kept
//	identity unreadable       taken from the newest snapshot
//	later format version      the whole store is set aside, a new one begins
//	a page that cannot be     an error for that record instead of the death of the process
//	 read (bad sector)
//	disk nearly full          ErrFull from Append, nothing written, the rest works; what a segment can grow to is set aside
//	                          when it is opened, so that Badger's mappings cannot fault
//	disk full when closing    the ballast goes; without one the segment stays open and is repaired at the next start
//	write or fsync fails      ErrFailed, for good: what is durable is unknown until the next Open
//	second process            ErrLocked with the first one's pid
package segment
