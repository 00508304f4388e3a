// Package web is the page that shows the house filling, seat by seat. Everything it needs is embedded.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
)

//go:embed assets
var assets embed.FS

// Handler serves the page.
func Handler() (http.Handler, error) {
	root, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("the embedded page: %w", err)
	}
	return http.FileServerFS(root), nil
}
