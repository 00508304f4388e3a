// Package logtest is the conformance suite that every implementation of log.Log passes: the
// segmented one on one machine and any that spans several.
package logtest
