package setup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/firmware/setup"
)

const page = "../../docs/first-boot.md"

// TestTheExampleOfTheDocsIsRight boots with the configuration of docs/first-boot.md.
func TestTheExampleOfTheDocsIsRight(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "```yaml\n")
	example, _, also := strings.Cut(example, "```")
	if !ok || !also {
		t.Fatal("there is none")
	}
	b := newBench(t)
	b.put("courtside.yaml", example)
	b.boot(setup.Taken)
}

// TestTheDocsNameEveryMessage looks for what reports say in docs/first-boot.md.
func TestTheDocsNameEveryMessage(t *testing.T) {
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, o := range []setup.Outcome{setup.Taken, setup.Unchanged, setup.Refused, setup.Failed, setup.Absent} {
		for _, configured := range []bool{true, false} {
			r := setup.Report{Outcome: o, Configured: configured}
			first := strings.Split(r.Text(), "\r\n")[2]
			if head, _, _ := strings.Cut(first, "."); o != setup.Refused && !strings.Contains(text, "`"+head) {
				t.Errorf("%q stands nowhere", head)
			}
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, s := range sources {
		if strings.HasSuffix(s, "_test.go") {
			continue
		}
		one, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(one)
	}
	for _, said := range []string{"leads out of the folder", "is named, but no such file lies in the folder", "are both there", "it is saved as UTF-16", "is no PEM file", "PEM blocks are whole", "it holds a private key",
		"the key is encrypted", "the key is not PKCS #8", "does not belong to", "vouches for it", "but the configuration is that of", "is missing; put it into the folder", "it is for gateway", "expires on", "expired on", "begins on",
		"not used: identity names another source", "could not be removed from the medium", "could not be written", "the configuration in use has faults", "the network description in use has faults",
		"the network cannot be described to this device", "not known here, left alone", "as it was taken before", "and removed from here"} {
		if !strings.Contains(code.String(), said) {
			t.Errorf("no report says %q any more", said)
		}
		if !strings.Contains(text, said) {
			t.Errorf("%q stands nowhere in %s", said, page)
		}
	}
}
