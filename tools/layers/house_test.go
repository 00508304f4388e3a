package layers

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// house returns section 5 of docs/design.md.
func house(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(text), "\n## 5. ")
	section, _, ends := strings.Cut(rest, "\n## 6. ")
	if !begins || !ends {
		t.Fatal("docs/design.md has no section 5 that a section 6 follows")
	}
	return section
}

var quoted = regexp.MustCompile("`([^`]+)`")

// words returns what stands in back quotes.
func words(text string) (all []string) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// imports returns what p imports of ours from outside its own folder, sorted.
func (p *pkg) imports() (all []string) {
	for _, imp := range p.Imports {
		if to, ours := strings.CutPrefix(imp, module+"/"); ours && !within(to, []string{p.path()}) {
			all = append(all, to)
		}
	}
	slices.Sort(all)
	return all
}

func (p *pkg) path() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// TestTheDesignNamesEveryPackage finds packages that section 5 does not name, neither itself nor the one that it is a part of.
func TestTheDesignNamesEveryPackage(t *testing.T) {
	named := map[string]bool{}
	for _, word := range words(house(t)) {
		named[word] = true
	}
	for _, p := range list(t) {
		at := p.path()
		for !named[at] && strings.Count(at, "/") > 1 {
			at = path.Dir(at)
		}
		if !named[at] {
			t.Errorf("%s stands nowhere in section 5 of docs/design.md", p.path())
		}
	}
}

// TestTheDesignSaysWhatIsImported compares the tables of section 5 with the code. A cell names packages in full, or by their last word when they lie
// beside the one that was named before, and libraries without quotes; one that begins with "all" or "every" is not compared.
func TestTheDesignSaysWhatIsImported(t *testing.T) {
	packages := map[string]*pkg{}
	for _, p := range list(t) {
		packages[p.path()] = &p
	}
	compared := 0
	for line := range strings.Lines(house(t)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		p := packages[words(cells[1])[0]]
		if cell := strings.TrimSpace(cells[3]); p == nil || strings.HasPrefix(cell, "all ") || strings.HasPrefix(cell, "every ") {
			continue
		}
		var says []string
		beside := path.Dir(p.path())
		for _, word := range words(cells[3]) {
			if packages[word] == nil {
				word = beside + "/" + word
			}
			beside = path.Dir(word)
			says = append(says, word)
		}
		slices.Sort(says)
		if is := p.imports(); !slices.Equal(says, is) {
			t.Errorf("%s: section 5 of docs/design.md says that it imports %v; it imports %v", p.path(), says, is)
		}
		compared++
	}
	if compared < 40 {
		t.Errorf("%d packages were compared; the tables are not where they were", compared)
	}
}
