// Package logtest is the conformance suite of log.Log.
package logtest
