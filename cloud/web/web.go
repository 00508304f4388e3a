// Package web is the page that shows the house filling, seat by seat. Everything it needs is embedded.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed assets
var assets embed.FS

// Handler serves the page. A browser keeps it and asks each time whether it is still the same, so that an aggregator's update shows at once.
func Handler() (http.Handler, error) {
	root, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("the embedded page: %w", err)
	}
	tags := map[string]string{}
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, path)
		sum := sha256.Sum256(content)
		tags["/"+path] = `W/"` + hex.EncodeToString(sum[:12]) + `"`
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the embedded page: %w", err)
	}
	tags["/"] = tags["/index.html"]
	files := http.FileServerFS(root)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tag := tags[r.URL.Path]
		if tag == "" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(map[string]any{"title": "Not Found", "status": http.StatusNotFound, // the asker has gone; nobody is left to tell
				"detail": "there is nothing at " + r.URL.Path + "; the page is at /, and /v1/openapi.json lists what programs may ask"})
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		if strings.HasSuffix(r.URL.Path, ".js") {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8") // a machine's own table may say otherwise, and a module is refused then
		}
		files.ServeHTTP(w, r)
	}), nil
}
