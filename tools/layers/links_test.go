package layers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?s)```.*?```")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	linked  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
)

// anchors returns the places of a page that links may name, as GitHub spells them.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		text := strings.ToLower(linked.ReplaceAllString(m[1], "$1"))
		all[strings.ReplaceAll(dropped.ReplaceAllString(text, ""), " ", "-")] = true
	}
	return all
}

// TestLinksOfThePagesLeadSomewhere follows every link between the repository's pages.
func TestLinksOfThePagesLeadSomewhere(t *testing.T) {
	pages := map[string]string{}
	for _, path := range filesEnding(t, ".md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pages[path] = fence.ReplaceAllString(string(text), "")
	}
	followed := 0
	for path, page := range pages {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, ":") { // elsewhere
				continue
			}
			followed++
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links %s, which is not there", path, m[1])
			} else if other, is := pages[to]; anchor != "" && is && !anchors(other)[anchor] {
				t.Errorf("%s links %s; %s has no such heading", path, m[1], to)
			}
		}
	}
	if followed < 100 {
		t.Errorf("%d links were followed; the pages are not where they were", followed)
	}
}
