package diag

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHealthSaysWhatIsWrong(t *testing.T) {
	var now Status
	h := Public(func() Status { return now }, nil)
	for _, c := range []struct {
		problems []string
		code     int
		body     string
	}{
		{nil, http.StatusOK, "ok\n"},
		{[]string{"critical lane: the critical lane is backlogged", "telemetry lane: no space"}, http.StatusServiceUnavailable,
			"critical lane: the critical lane is backlogged\ntelemetry lane: no space\n"},
	} {
		now.Problems = c.problems
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if rec.Code != c.code || rec.Body.String() != c.body {
			t.Errorf("%v: %d %q", c.problems, rec.Code, rec.Body)
		}
	}
}
