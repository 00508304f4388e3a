package gwctltest

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

type stepsKey struct{}

// TestCommissioning goes through docs/commissioning.md: every command of it is run in its order, and its output is compared with what stands there, but
// for figures, times and names that differ from day to day. -update writes the outputs.
func TestCommissioning(t *testing.T) {
	steps := map[string]string{}
	p := params(t)
	p.Dir, p.Files = "", []string{"testdata/commissioning.txtar"}
	p.Setup = func(e *testscript.Env) error {
		e.Values[stepsKey{}] = steps
		return setup(e)
	}
	t.Run("walk", func(t *testing.T) { testscript.Run(t, p) })
	if t.Failed() {
		return
	}
	raw, err := os.ReadFile(commissioningDoc)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- run: ([a-z-]+) -->\n```console\n(.*?)```\n")
	text := block.ReplaceAllStringFunc(string(raw), func(b string) string {
		m := block.FindStringSubmatch(b)
		now, known := steps[m[1]]
		if !known {
			t.Errorf("no step of the script is called %s", m[1])
			return b
		}
		delete(steps, m[1])
		if !*update && likeness(now) != likeness(m[2]) {
			t.Errorf("step %s of %s does not say what stands there; write it anew with -update. It says:\n%s\nwhich is alike to\n%s\nand there stands\n%s", m[1], commissioningDoc, now, likeness(now), likeness(m[2]))
		}
		return "<!-- run: " + m[1] + " -->\n```console\n" + now + "```\n"
	})
	for name := range steps {
		t.Errorf("step %s stands nowhere in %s", name, commissioningDoc)
	}
	if *update {
		if err := os.WriteFile(commissioningDoc, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// likeness leaves out what differs from day to day.
func likeness(s string) string {
	for _, r := range []struct{ what, as string }{
		{`linux/[a-z0-9]+`, "PLATFORM"},
		{`[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?`, "TIME"},
		{`\b[0-9a-f]{8}\b`, "ID"},
		{`\b[0-9][0-9.,]*((ns|µs|ms|s|m|h)[0-9.]*)*( ?(B|KiB|MiB|GiB|TiB|MB))?\b`, "#"},
		{`(# )+#|##+`, "#"},
		{`[ \t]+`, " "},
	} {
		s = regexp.MustCompile(r.what).ReplaceAllString(s, r.as)
	}
	return strings.TrimSpace(s)
}

// step runs a command of the document: `step NAME COMMAND…`, or `step NAME curl PATH`. What it needs beyond what people type is added here.
func step(ts *testscript.TestScript, _ bool, args []string) {
	name, line := args[0], args[1:]
	shown := strings.ReplaceAll(strings.Join(line, " "), " gateway.yaml", " /etc/courtside/gateway.yaml")
	var out string
	if line[0] == "curl" {
		_, out = request(ts, http.MethodGet, line[1], nil)
		shown = "curl -s http://127.0.0.1:8080" + line[1]
	} else {
		full := append([]string{}, line...)
		if line[0] == "gwctl" && line[1] != "check" && line[1] != "probe" {
			full = append(full, "--socket", ts.Getenv("SOCKET"))
		}
		said, problems, code := run(ts, full)
		if code != 0 {
			ts.Fatalf("%s ends with %d:\n%s%s", shown, code, said, problems)
		}
		out = said + problems
	}
	out = strings.TrimRight(out, "\n") + "\n"
	names := strings.NewReplacer(ts.Getenv("PLC"), "192.168.1.10:502", ts.Getenv("BROKER"), "broker.example:8883", filepath.Join(of(ts).dir, "gateway.yaml"), "/etc/courtside/gateway.yaml",
		ts.Getenv("SOCKET"), "/var/lib/courtside/gateway.sock")
	ts.Value(stepsKey{}).(map[string]string)[name] = "$ " + names.Replace(shown) + "\n" + names.Replace(out)
}
