package layers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheTableOfFaultsIsTrue looks up every test that a table of docs/design.md names, in the package that it names.
func TestTheTableOfFaultsIsTrue(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	pkg, test := regexp.MustCompile("`([a-z0-9/]+)` Test"), regexp.MustCompile(`\bTest[A-Z][A-Za-z0-9]*`)
	found := map[string]string{} // package → its tests' source
	named := 0
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(line, "|")
		for part := range strings.SplitSeq(cells[len(cells)-2], ";") {
			tests := test.FindAllString(part, -1)
			if len(tests) == 0 {
				continue
			}
			at := pkg.FindStringSubmatch(part)
			if at == nil {
				t.Errorf("docs/design.md:%d: %q does not say where its tests are", i+1, strings.TrimSpace(part))
				continue
			}
			if found[at[1]] == "" {
				found[at[1]] = sources(t, filepath.Join(root, filepath.FromSlash(at[1])))
			}
			for _, name := range tests {
				if named++; !strings.Contains(found[at[1]], "\nfunc "+name+"(") {
					t.Errorf("docs/design.md:%d: %s has no %s", i+1, at[1], name)
				}
			}
		}
	}
	if named < 60 {
		t.Errorf("%d tests are named; the table is not where it was", named)
	}
}

// sources returns the text of all tests of a package.
func sources(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files of tests, %v", dir, len(files), err)
	}
	var all strings.Builder
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
