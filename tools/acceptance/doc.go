// Package acceptance holds the tests that prove the whole against real peers: the programs as built, a real mosquitto,
// Chromium, and gateways compiled for ARM. They run with the build tag acceptance; run installs what they need.
package acceptance
