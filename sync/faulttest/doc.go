// Package faulttest injects the faults that the failure table names: processes killed at any
// point, and power cut at any byte.
package faulttest
