// Package api is how people and programs read the aggregator: REST with an OpenAPI 3.1 document made
// from the code, a live stream of server-sent events, and the retained MQTT state topics.
//
// It only asks; nothing here changes state. Every answer carries the basis that it rests on. Errors
// are problem details (RFC 9457), those of unknown paths, methods and parameters too, and say what would be right.
//
// What a house's streams show is evaluated and encoded once for all of its readers. A reader that does not read costs one goroutine until its
// deadline, and nobody else waits for it.
package api
