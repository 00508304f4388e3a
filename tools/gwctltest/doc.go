// Package gwctltest holds the scripts of gwctl: each command's input, output and exit code against a real gateway, with a real aggregator
// and device servers behind it. The programs under test are the test binary itself under their names.
package gwctltest
