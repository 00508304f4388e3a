// Package settings reads a YAML configuration file strictly. The gateway's and the aggregator's configuration stand on it.
//
// Load parses a file into a Section, its topmost mapping; Section.Decode fills a struct from one, and
// collects every fault instead of stopping at the first. A fault names file, line and column, shows
// the line with a caret below the offending text, and says what would be right.
//
// Decode follows the struct's tags:
//
//	Period time.Duration `yaml:"period,required" min:"1ms" max:"24h"`
//	Level  string        `yaml:"level" enum:"debug,info,warn,error"`
//
// yaml names the key (the field's name in lower case without it, "-" for none), "required" refuses
// its absence, "path" makes a text a path as Path does, for those who may not import this package, "inline" reads an embedded struct's keys in place; min and max bound numbers, durations and
// sizes, both included, written as in the file; enum lists the only texts allowed. A key that is absent leaves
// its field as it was, so defaults are what the caller filled in. Fields may be bool, numbers, texts, time.Duration ("250ms"),
// Size ("8GiB"), Path and File, encoding.TextUnmarshaler, Section for a mapping that somebody
// else owns, and structs, pointers, slices and string-keyed maps of these. A struct that is also a TextUnmarshaler has a short form.
//
// ParseRows reads a table of comma-separated values as such sections, one a row. Section.Over lays one section over another, of another
// file or the same, Section.Expand fills in parameters; faults stay at the places where their values stand.
//
// YAML is read as its useful part: one document, anchors, aliases and merge keys; no tags, no directives, no
// keys but plain texts. What is beyond a limit is refused before it is expanded:
//
//	what                       limit              beyond it
//	file                       Limits.Bytes       refused unread
//	nesting                    Limits.Depth       refused before the parser recurses
//	values, aliases expanded   Limits.Values      refused before they are decoded
//	length of a key            maxKeyBytes        refused before parsing
//	anchors                    maxAnchors         refused before parsing
//	faults reported            maxFaults          the rest is counted
//	a panic of the parser                         becomes a fault of the file
package settings
