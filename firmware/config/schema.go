package config

import (
	"encoding/json"

	"github.com/courtside-edge/courtside/sync/settings"
)

// Schema returns the JSON Schema (draft 2020-12) of the configuration file, for editors. It says what the file's form may be;
// what keys mean to each other, and the drivers' own mappings, only Load checks.
func Schema() []byte {
	root := settings.Schema(defaults())
	root["$schema"], root["title"] = "https://json-schema.org/draft/2020-12/schema", "Courtside gateway"
	properties := root["properties"].(map[string]any)
	properties["scan_classes"] = map[string]any{"type": "object", "additionalProperties": settings.Schema(struct {
		Class scanClass `yaml:"class"`
	}{})["properties"].(map[string]any)["class"]}
	one := settings.Schema(device{})
	one["properties"].(map[string]any)["points"] = map[string]any{"type": "array", "items": settings.Schema(pointEntry{Scale: 1})}
	one["required"] = []string{"id"} // a template may bring the rest
	properties["devices"] = map[string]any{"type": "array", "items": one}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return append(text, '\n')
}
