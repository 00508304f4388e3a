package config

import (
	"encoding/json"

	"github.com/courtside-edge/courtside/sync/settings"
)

// Schema returns the JSON Schema (draft 2020-12) of the configuration file, for editors. It says what the file's form may be; what keys
// mean to each other only Load checks.
func Schema() []byte {
	root := settings.Schema(defaults())
	root["$schema"], root["title"] = "https://json-schema.org/draft/2020-12/schema", "Courtside aggregator"
	venue := settings.Schema(venueFile{})
	venue["properties"].(map[string]any)["gateways"] = map[string]any{"type": "array", "items": settings.Schema(gatewayFile{})}
	root["properties"].(map[string]any)["venues"] = map[string]any{"type": "array", "items": venue}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return append(text, '\n')
}
