// Package command is the gateway program's command line: run, check, setup, probe and schema. The program itself is a main that runs it, so that
// tests run the very same commands.
package command
