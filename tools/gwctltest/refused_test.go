package gwctltest

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/firmware/command"
)

// TestRefusedFileIsTrue checks the file that docs/configuration.md shows as a refused one, and compares what is said with what stands there.
func TestRefusedFileIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)## A refused file\n\n```yaml\n(.*?)```\n\n```\n\\$ gateway check gateway.yaml\n(.*?)```").FindSubmatch(raw)
	if m == nil {
		t.Fatal("there is no refused file")
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("gateway.yaml", m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	c := command.Root("", all.All())
	c.SetArgs([]string{"check", "gateway.yaml"})
	var out bytes.Buffer
	c.SetOut(&out)
	if err := c.Execute(); err == nil || "gateway: "+err.Error()+"\n" != string(m[2]) || out.Len() > 0 {
		t.Errorf("it says\ngateway: %v\n%s\nand there stands\n%s", err, out.String(), m[2])
	}
}
