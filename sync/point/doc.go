// Package point holds the words that every part of Courtside shares: identifiers,
// points and their classes, samples, qualities, counter runs, event keys, gaps and cursors.
//
// It is the ground floor: it imports the standard library only, starts no goroutine and
// holds no state. A value of a type declared here is valid once it is held: the Parse functions
// are the only way in from text, and a zero value means "absent" wherever it is allowed at all.
package point
