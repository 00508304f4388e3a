// Package hardwaretest boots a virtual ARM machine with Debian's kernel, in which gpio-sim, i2c-stub and analog-sim stand for hardware, and
// runs the drivers and the gateway against the kernel's real interfaces there. `make hardware-test` runs it; the build tag is acceptance.
//
// What runs in the machine is the package inside; what the machine is made of is boards/hardware. The test here builds both, waits for the
// results over a port of their own, and tells them as its own, test by test. There is no network in the machine.
package hardwaretest
