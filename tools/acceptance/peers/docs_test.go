package peers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/command"
)

// TestDocumentedDevicesAreAccepted holds every example of docs/drivers.md against the gateway's own check, and wants one of each driver.
func TestDocumentedDevicesAreAccepted(t *testing.T) {
	page, err := os.ReadFile("../../../docs/drivers.md")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for name := range all.All() {
		missing[name] = true
	}
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	for n, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
		file := "venue: dal-001\ngateway: gw-north\n" +
			"identity: {trust_domain: courtside.test, workload_api: \"unix:///run/agent.sock\"}\nuplink: {broker: \"mqtts://127.0.0.1:8883\"}\n"
		if !strings.Contains(block[1], "scan_classes:") {
			file += "scan_classes: {fast: 100ms, slow: 1s}\n"
		}
		if !strings.Contains(block[1], "devices:") {
			file += "devices:\n"
		}
		path := filepath.Join(t.TempDir(), fmt.Sprintf("example-%d.yaml", n+1))
		if err := os.WriteFile(path, []byte(file+block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		check := command.Root("test", all.All())
		check.SetArgs([]string{"check", path})
		check.SetOut(&said)
		check.SetErr(&said)
		if err := check.Execute(); err != nil {
			t.Errorf("example %d is refused: %v\n%s\n%s", n+1, err, &said, block[1])
		}
		for _, used := range regexp.MustCompile(`driver: (\w+)`).FindAllStringSubmatch(block[1], -1) {
			delete(missing, used[1])
		}
	}
	for name := range missing {
		t.Errorf("docs/drivers.md has no example of driver %s", name)
	}
}
