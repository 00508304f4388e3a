package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestThePlaceOfUpdates(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		fmt.Sprintf("{listen: \"0.0.0.0:8884\", dir: %q}", dir):                      "",
		fmt.Sprintf("{listen: \"0.0.0.0:8884\", dir: %q, max_clients: 0}", dir):      "max_clients is 0",
		fmt.Sprintf("{listen: \"8884\", dir: %q}", dir):                              "not host:port",
		fmt.Sprintf("{dir: %q}", dir):                                                "not host:port",
		"{listen: \"0.0.0.0:8884\"}":                                                 "dir is missing",
		fmt.Sprintf("{listen: \"0.0.0.0:8884\", dir: %q}", file):                     "is not a folder",
		fmt.Sprintf("{listen: \"0.0.0.0:8884\", dir: %q}", filepath.Join(dir, "no")): "no such file",
	} {
		c, err := load(t, minimal+"updates: "+text+"\n")
		if says == "" && (err != nil || string(c.Updates.Dir) != dir || c.Updates.MaxClients != 200) || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v; want %q", text, err, says)
		}
	}
	if c, err := load(t, minimal); err != nil || c.Updates.Listen != "" {
		t.Errorf("without: %v", err)
	}
}
