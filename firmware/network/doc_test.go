package network

import (
	"os"
	"strings"
	"testing"
)

// TestTheExamplesOfTheDocsAreRight reads each example of docs/network.md as a gateway would.
func TestTheExamplesOfTheDocsAreRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/network.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(text), "```yaml\n")[1:]
	if len(examples) < 5 {
		t.Fatalf("only %d examples were found", len(examples))
	}
	for _, e := range examples {
		e, _, _ = strings.Cut(e, "```")
		if _, err := Parse("network", []byte(e)); err != nil {
			t.Error(err)
		}
	}
}
