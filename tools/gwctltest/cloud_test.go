package gwctltest

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cloud asks the aggregator's API until its answer holds a text: `cloud /v1/venues/dal-001/seats TEXT`.
func cloud(ts *testscript.TestScript, _ bool, args []string) {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, body := request(ts, http.MethodGet, args[0], nil)
		if strings.Contains(strings.Join(strings.Fields(body), " "), args[1]) {
			ts.Check(say(ts, body, ""))
			return
		}
		if time.Since(began) > patience {
			ts.Fatalf("%s never said %q, but at last:\n%s", args[0], args[1], body)
		}
	}
}

// imports gives a file to the aggregator, as `aggregator import` does: `import FILE STATUS [QUERY]`.
func imports(ts *testscript.TestScript, _ bool, args []string) {
	file, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	path := "/v1/import"
	if len(args) > 2 {
		path += "?" + args[2]
	}
	status, body := request(ts, http.MethodPost, path, bytes.NewReader(file))
	ts.Check(say(ts, body, ""))
	if status != args[1] {
		ts.Fatalf("the aggregator answers %s, want %s:\n%s", status, args[1], body)
	}
}

func request(ts *testscript.TestScript, method, path string, body io.Reader) (status, answer string) {
	req, err := http.NewRequest(method, "http://"+of(ts).cloud.APIAddr().String()+path, body)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return resp.Status[:3], string(b)
}
