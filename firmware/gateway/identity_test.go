package gateway

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/courtside-edge/courtside/firmware/config"
)

// TestWhereAnIdentityComesFrom looks at what is there when the gateway starts.
func TestWhereAnIdentityComesFrom(t *testing.T) {
	for name, c := range map[string]struct {
		named string // in the configuration: cert, token or both, which is what it says by saying nothing
		there []string
		token bool
	}{
		"files named":                              {"cert", []string{"svid.pem", "join-token"}, false},
		"a token named, before it is there":        {"token", nil, true},
		"nothing named, nothing there":             {"both", nil, false},
		"nothing named, files":                     {"both", []string{"svid.pem"}, false},
		"nothing named, a token":                   {"both", []string{"join-token"}, true},
		"nothing named, files and a token":         {"both", []string{"svid.pem", "join-token"}, false},
		"nothing named, enrolled, the token taken": {"both", []string{"data/identity/svid.pem"}, true},
	} {
		dir := t.TempDir()
		cfg := &config.Config{DataDir: filepath.Join(dir, "data")}
		if c.named != "token" {
			cfg.Identity.CertFile = filepath.Join(dir, "svid.pem")
		}
		if c.named != "cert" {
			cfg.Identity.JoinTokenFile = filepath.Join(dir, "join-token")
		}
		for _, f := range c.there {
			path := filepath.Join(dir, f)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := byToken(cfg); got != c.token {
			t.Errorf("%s: by token %v", name, got)
		}
	}
}
