// Package updatetest proves updates as a whole: a gateway that is asked by gwctl reads an update from the real aggregator over a bad link, and hands it to
// RAUC over a real D-Bus. RAUC itself is a fake there; the images' own tests run the real one.
package updatetest
