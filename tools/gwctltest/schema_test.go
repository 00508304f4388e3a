package gwctltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/firmware/config"
)

const schemas = "../../docs/schema/"

// TestSchemasAreTrue compares the files for editors with the code; -update writes them.
func TestSchemasAreTrue(t *testing.T) {
	for name, want := range map[string][]byte{"gateway.json": config.Schema(), "aggregator.json": cloudconfig.Schema()} {
		if *update {
			if err := os.WriteFile(schemas+name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		was, err := os.ReadFile(schemas + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(was, want) {
			t.Errorf("docs/schema/%s is not what the code reads; write it anew: go test ./tools/gwctltest -run TestSchemas -update", name)
		}
	}
}

// TestSchemasTakeGoodFiles holds complete files, as they stand in the documents and the tests, against the schemas: an editor must not underline
// what the programs take.
func TestSchemasTakeGoodFiles(t *testing.T) {
	gateway, aggregator := decoded(t, config.Schema()), decoded(t, cloudconfig.Schema())
	good, err := os.ReadFile("../../firmware/config/testdata/config/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"good.yaml": string(good), "the scripts' configuration": fmt.Sprintf(configuration, "b:1", "p:1")}
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	right, _, _ := strings.Cut(string(page), "\n## A refused file\n")
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(right, -1)
	for i, b := range blocks {
		if strings.Contains(b[1], "\ngateway: ") || strings.Contains(b[1], "\nvenues:") {
			files[fmt.Sprintf("block %d of configuration.md", i+1)] = b[1]
		}
	}
	if len(files) < 4 {
		t.Fatalf("only %d complete files were found", len(files))
	}
	for name, text := range files {
		schema := gateway
		if strings.Contains(text, "\nvenues:") {
			schema = aggregator
		}
		if faults := judge(schema, loaded(t, text), ""); len(faults) > 0 {
			t.Errorf("%s: the schema refuses it:\n%s", name, strings.Join(faults, "\n"))
		}
	}
}

// TestSchemasRefuse keeps the test before from passing for nothing.
func TestSchemasRefuse(t *testing.T) {
	schema := decoded(t, config.Schema())
	good := fmt.Sprintf(configuration, "b:1", "p:1")
	for from, to := range map[string]string{"venue:": "venu:", "type: int": "type: integer", "deadband: 5": "deadband: -5", "max_silence: 10m": "max_silence: ten", "unit: kg, ": "unit: [kg], "} {
		text := strings.Replace(good, from, to, 1)
		if text == good {
			t.Fatalf("%q is not in the configuration", from)
		}
		if len(judge(schema, loaded(t, text), "")) == 0 {
			t.Errorf("the schema takes %q", to)
		}
	}
}

func decoded(t *testing.T, schema []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(schema, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// loaded is YAML as JSON has it.
func loaded(t *testing.T, text string) (v any) {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// judge knows the words of JSON Schema that the schemas use.
func judge(schema map[string]any, v any, at string) (faults []string) {
	if choices, ok := schema["anyOf"].([]any); ok {
		for _, s := range choices {
			if faults = judge(s.(map[string]any), v, at); len(faults) == 0 {
				return nil
			}
		}
		return faults
	}
	if !typed(schema["type"], v) {
		return []string{fmt.Sprintf("%s: %v is no %v", at, v, schema["type"])}
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		faults = append(faults, fmt.Sprintf("%s: %v is none of %v", at, v, enum))
	}
	switch v := v.(type) {
	case string:
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			faults = append(faults, fmt.Sprintf("%s: %q is not like %s", at, v, p))
		}
	case float64:
		least, some := schema["minimum"].(float64)
		most, also := schema["maximum"].(float64)
		if some && v < least || also && v > most {
			faults = append(faults, fmt.Sprintf("%s: %v is out of bounds", at, v))
		}
	case []any:
		for i, one := range v {
			if items, ok := schema["items"].(map[string]any); ok {
				faults = append(faults, judge(items, one, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case map[string]any:
		faults = append(faults, judgeMapping(schema, v, at)...)
	}
	return faults
}

func judgeMapping(schema, v map[string]any, at string) (faults []string) {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, key := range required {
		if _, ok := v[key.(string)]; !ok {
			faults = append(faults, fmt.Sprintf("%s: %v is missing", at, key))
		}
	}
	for key, one := range v {
		if s, ok := properties[key].(map[string]any); ok {
			faults = append(faults, judge(s, one, at+"."+key)...)
			continue
		}
		switch rest := schema["additionalProperties"].(type) {
		case map[string]any:
			faults = append(faults, judge(rest, one, at+"."+key)...)
		case bool:
			if !rest {
				faults = append(faults, fmt.Sprintf("%s: %s is not known", at, key))
			}
		}
	}
	return faults
}

// typed reports whether v is of a type, or of one of several.
func typed(types, v any) bool {
	if list, ok := types.([]any); ok {
		return slices.ContainsFunc(list, func(t any) bool { return typed(t, v) })
	}
	f, number := v.(float64)
	switch types {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "number":
		return number
	case "integer":
		return number && f == float64(int64(f))
	}
	return types == nil
}
