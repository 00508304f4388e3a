// Package log is the durable sequence of messages between ingest and venue.
package log
