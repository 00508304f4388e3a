// Package slot is what a gateway knows of its two slots: which one runs, what each of them was able to do, when a new version is confirmed or
// rolled back, which updates are taken, and during which events none is. It has no goroutines; time, files and what is seen are passed in.
//
// # The rule of confirmation
//
// After an update the new version is on trial: the kernel's command line names the slot that runs (rauc.slot) and the one that was confirmed last
// (courtside.good), and they differ. Another process than the gateway, gwctl update confirm, asks the gateway every few seconds what answers,
// compares it with what answered under the version before (slot.json) and applies Judge. The first row that fits decides:
//
//	the gateway's process                  what used to answer                  the network   verdict
//	started again 5 times                  any                                  any           roll back
//	does not answer at its socket          any                                  any           wait; roll back after 5 min of silence
//	runs for less than a minute            any                                  any           wait
//	runs, and no other slot was confirmed  any                                  any           confirm
//	runs                                   all devices answer, and the link     any           confirm
//	                                       is up or was not before
//	runs                                   nothing is known (slot.json torn)    any           confirm once a device or the link answers; never roll back
//	runs                                   something is missing                 gone          wait; roll back after 15 min
//	runs                                   something is missing, or everything  off           wait, for as long as it takes
//	runs                                   something is missing, something      on            wait; roll back after 15 min
//	                                       answers
//	runs                                   nothing at all answers               on            wait; roll back after 24 h
//
// Something is missing, too, when the gateway has problems (at /healthz) and had none under the version before.
//
// A link or device is counted as missing only when it answered under the version before, in the last half an hour that this one ran, and the
// configuration still describes it. The network is off when fewer interfaces have a carrier than before, or nothing was heard on them since the boot; it is gone when the
// machine has fewer interfaces than before; the times of the last four rows run from when the network came into its present state. Without a
// confirmed slot to go back to, as on a fresh card, nothing is rolled back. Silence is counted from the last answer, or from the judge's own start.
//
// Counter-examples that made the rule what it is:
//
//   - The venue's network is switched off at night; the board boots, and neither devices nor link answer. Nothing of that is the version's fault: off
//     waits. It waits with devices on the board itself (GPIO, serial lines) that answer, too.
//   - The network comes back hours later, and PLCs take minutes to start: the patience runs from then, not from the boot.
//   - A new kernel without the driver of the network chip looks like a network that is off, but has one interface fewer: gone.
//   - A new version that has lost its addresses hears frames and reaches nobody. It would never come back by itself if it waited for ever: dark, 24 h.
//   - A new version that refuses the configuration runs well and misses nothing of what it describes, because it describes nothing: then everything
//     that the old one had is missing.
//   - A PLC that was taken out last summer answered once under the old version: what was away for half an hour before the update is forgotten.
//   - The old slot ran for two minutes before the update and had no link yet: what an earlier boot of the same version saw counts until then.
//   - The chip behind the wire is what the new kernel breaks: no carrier, which looks like a cable that is out. It waits; whoever pulls the plug three times gets
//     the old version, because a version on trial that is not confirmed has three boots.
//   - A cloud that is down for an hour during an update rolls back a good version. That costs a second update, not a sample; the other way round costs a gateway.
//   - The gateway answers, and hangs later, before it is confirmed: silence is counted from its last answer.
//
// # What fails
//
//	what fails                             what happens
//	slot.json is torn, missing, a pipe     said; nothing is known of the version before (see the rule); the gateway writes a new one
//	power is cut while it is written       the one before is there
//	another version's entry in it has      kept as it is, and given back whole
//	fields that are not known here
//	the time is not known                  no update is taken as long as the calendar has an event at all, unless forced; an event begun by command ends by
//	                                       the monotonic clock
//	clocks are put forward or back inside  the window gets longer, never shorter
//	a window's beginning or end
//	the machine is no image                no memory is kept; updates are refused and say so
package slot
