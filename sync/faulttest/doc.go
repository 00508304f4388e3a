// Package faulttest injects the faults that the failure table names, for tests only: processes
// that are killed at any point, power that is cut at any byte, links that are slow, cut, silent or lie, disks that fill up
// and clocks that step.
//
// A process is killed for real: the test binary starts itself again (Main, Start) and gets SIGKILL.
// A power cut is simulated by a Shadow, which holds a directory as it was at the last fsync and
// makes images of what a disk may hold when the power goes: that, plus any part of what was written since.
// A Proxy stands between a client and a server of TCP; how bad the Link is can change at any time. A Quota says how much
// room a disk has left; SmallDisk is a real file system that fills up, where the process may mount one. A ShiftedClock is a
// gateway's clock whose wall time is wrong by as much as a test says.
package faulttest
