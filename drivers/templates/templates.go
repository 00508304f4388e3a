// Package templates holds the templates of device models that many venues have: what a device of the model is asked for, with
// parameters for what differs from one to the next. A device of the gateway's configuration names one with "template: turnstile-modbus".
//
// A template is a YAML file of its own:
//
//	model: what people call it
//	description: what it needs to be told
//	parameters:                          # replaced wherever ${gate} stands in a value
//	  gate: {help: "place of the gate on the map"}          # without a default it is required
//	  lanes: {default: "4", help: "turnstiles side by side"}
//	driver: modbus
//	options: {…}                         # a device's own options stand over these, key by key
//	points: […]                          # as in a device; a device's own point of the same name or range stands over it
//
// The files are only text here: firmware/config reads and checks them.
package templates

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

const suffix = ".yaml"

// Names returns the names of all templates, in order.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil // an embedded folder can always be read
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	return names
}

// Read returns the text of a template, and whether there is one of this name.
func Read(name string) ([]byte, bool) {
	text, err := files.ReadFile(name + suffix)
	return text, err == nil
}
