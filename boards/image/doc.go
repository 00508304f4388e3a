// Package image builds what is flashed, and the bundle that updates it, from Debian's packages and this repository.
//
// A build is a list of steps, each of which leaves a file or folder behind; the slow ones (the root file system of an architecture, packages
// of the archive) are cached by what they were made of. The disk, MBR, with a signature of the board's own:
//
//	where            what
//	raw files        the boot ROM's, where the board has some (BeagleBone: MLO at 128 KiB, u-boot.img at 384 KiB)
//	2 MiB            the boot state, one sector: U-Boot's environment format, 512 bytes
//	4 MiB, p1        FAT, COURTSIDE: boot script, firmware, and the folder that the integrator edits
//	p2, p3           the slots A and B, ext4, read-only; B is empty until the first update
//	p4               ext4, /data; grown to the medium's end at the first boot
//
// Everything is dated by the newest commit, so that a build from one state of the archive gives the same bytes; the bundle's signature alone
// differs, since it holds the time of signing.
//
// What fails, and what happens:
//
//	a tool is missing            all missing ones are named with their Debian packages before anything begins
//	not run by root              said at once: files of many owners are made
//	the archive is being synced  its other name, stable, is tried, when that is the same release; else the step ends with apt's words
//	a step fails                 its name, the command and its last lines; the next run begins at that step
//	two builds at once           the second waits for the cache's lock
package image
