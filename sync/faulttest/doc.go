// Package faulttest injects the faults that the failure table names, for tests only: processes
// that are killed at any point, and power that is cut at any byte.
//
// A process is killed for real: the test binary starts itself again (Main, Start) and gets SIGKILL.
// A power cut is simulated by a Shadow, which holds a directory as it was at the last fsync and
// makes images of what a disk may hold when the power goes: that, plus any part of what was written since.
package faulttest
