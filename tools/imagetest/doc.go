// Package imagetest boots images in QEMU and does to them what happens to gateways: first boots, a venue that moves, updates good and bad, power
// cuts. PLCs, the aggregator and the server of updates run on this machine and are reached from the virtual one as they would be in a
// venue, over the network; the serial console is the only other way in, and it is the product's own.
//
// The tests are behind the build tag image, since they need images, QEMU and minutes: make image-test BOARD=….
package imagetest
