// Package inside holds the tests that run in the virtual machine of tools/hardwaretest, as root, with nothing but a kernel below them. They
// have the build tag hardware, and are good for nothing elsewhere: they drive gpio-sim, i2c-stub and analog-sim.
package inside
