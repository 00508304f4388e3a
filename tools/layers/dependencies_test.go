package layers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestThePageNamesEveryDependency compares docs/dependencies.md with the direct requirements of go.mod.
func TestThePageNamesEveryDependency(t *testing.T) {
	root := filepath.Join("..", "..")
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for line := range strings.Lines(string(mod)) {
		words := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(words) != 2 || !strings.HasPrefix(words[1], "v") { // an indirect one is followed by a comment
			continue
		}
		direct++
		if want := "`" + words[0] + "` " + words[1]; !strings.Contains(string(page), want) {
			t.Errorf("docs/dependencies.md has no row of %s", want)
		}
	}
	if direct < 20 {
		t.Errorf("%d direct requirements were found in go.mod; it is not read right", direct)
	}
}
