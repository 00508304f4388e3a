// Package led shows on one light of the board how the gateway is, through the kernel's LED class, so that the kernel blinks and a busy gateway does not
// stutter.
//
//	Off         dark                             the gateway ended, or never ran
//	Waiting     1 s on, 1 s off                  no configuration, or one with faults
//	Online      steady                           devices are read, the broker is reached
//	Offline     a short blink every 2 s          devices are read; what they say is kept until the broker is reached
//	Degraded    2 blinks a second                some device does not answer
//	Failing     8 blinks a second                no device answers, or the gateway cannot keep what it promises
//
//	what fails                                   what happens
//	no LED is named, or none has that name       nothing is shown; the log says so once
//	its files may not be written                 the same; later tries are made at each change of pattern and at each look
//	the kernel has no trigger "timer"            nothing blinks, steady patterns are shown; the log says so once
//	the files of the timer belong to root yet    udev gives them away within moments; the next look writes them
//	the gateway is killed                        the last pattern stays until the next start, which begins with Offline or Waiting
package led
