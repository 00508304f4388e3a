package settings_test

import (
	"testing"

	"github.com/courtside-edge/courtside/sync/settings"
)

func TestEndpoints(t *testing.T) {
	for s, good := range map[string]bool{"": true, "http://127.0.0.1:4318": true, "https://tempo.example/": true, "127.0.0.1:4318": false, "http://": false,
		"http://u:p@host:4318": false, "http://host:4318/v1/traces": false, "http://host?x=1": false, "grpc://host:4317": false, "http://a b": false} {
		if err := settings.CheckEndpoint(s); (err == nil) != good {
			t.Errorf("%q: %v", s, err)
		}
	}
}
