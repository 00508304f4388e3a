// Package scan runs the connection to one device: it opens it, scans it in the periods of its scan classes or lets
// it report by itself, filters what it brings, hands reports to the batcher, and tells the device what is durable.
//
// One Worker serves one device, and Run is its one goroutine; what it starts, it waits for. The worker is where retry lives (one policy.Retry in Run):
// drivers only say whether a failure is permanent or transient.
//
//	what happens                   what follows                                                          shown by
//	the device is absent at start  every point bad once, retried with backoff; others feel nothing       State Down, Failures
//	the connection fails           the same                                                              State Down, Cause
//	the failure is permanent       the same, retried after 30 s to 5 min                                 State Failed, Cause
//	a scan outlasts its period     the slots passed over are counted, never queued                       Overruns
//	a driver panics                logged with its stack, then as a connection that failed               Panics
//	a subscription goes quiet      max_silence reports repeat while the connection lives                 –
//	a subscription just ends       a failure: a device that reports by itself never is done              State Down
//	Acknowledge fails              the connection failed; the cursor is told to the next one             Cause
//	a connection flaps             the wait shrinks back only after it held for settled                  Failures
//	space for telemetry is short   Reduce: wider deadbands and longer intervals from the next block on   batches declare it
//	critical batches have no room  Add waits, and with it this device, telemetry included; others go on  Stats.Waits of the batcher
//	the context ends               Poll or Subscribe is ended by Close; Run returns when all is over     –
package scan
