package web_test

import (
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/cloud/web"
)

func asset(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("assets/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func scripts(t *testing.T) map[string]string {
	t.Helper()
	names, err := fs.Glob(os.DirFS("assets"), "*.js")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	out := map[string]string{}
	for _, n := range names {
		out[n] = asset(t, n)
	}
	return out
}

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := web.Handler()
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestPageIsServedAndKept(t *testing.T) {
	for path, kind := range map[string]string{"/": "text/html", "/app.js": "text/javascript", "/style.css": "text/css", "/icon.svg": "image/svg+xml"} {
		w := get(t, path)
		tag := w.Header().Get("ETag")
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || tag == "" || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("GET %s: %d %v", path, w.Code, w.Header())
		}
		if w := get(t, path, "If-None-Match", tag); w.Code != http.StatusNotModified {
			t.Errorf("GET %s with its own tag: %d, want 304", path, w.Code)
		}
	}
	if w := get(t, "/nothing"); w.Code != 404 || w.Header().Get("ETag") != "" || !strings.Contains(w.Body.String(), "/v1/openapi.json") {
		t.Errorf("GET /nothing: %d %v", w.Code, w.Header())
	}
}

func TestScriptsFindWhatTheyName(t *testing.T) {
	html, css := asset(t, "index.html"), asset(t, "style.css")
	ids := regexp.MustCompile(`(?:\$|fill|figure)\("([a-z-]+)"`)
	imports := regexp.MustCompile(`from "\./([a-z]+\.js)"`)
	for name, text := range scripts(t) {
		for _, m := range ids.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(html, `id="`+m[1]+`"`) {
				t.Errorf("%s asks for #%s, which the page does not have", name, m[1])
			}
		}
		for _, m := range imports.FindAllStringSubmatch(text, -1) {
			asset(t, m[1])
		}
	}
	names := regexp.MustCompile(`const NAMES = \[([^\]]*)\]`).FindStringSubmatch(asset(t, "theme.js"))
	for _, m := range regexp.MustCompile(`"([a-z]+)"`).FindAllStringSubmatch(names[1], -1) {
		if n := strings.Count(css, "--"+m[1]+":"); n != 2 {
			t.Errorf("the colour %s is given %d times, want once a scheme", m[1], n)
		}
	}
}

// The page works in a venue without a way out, and its content security policy refuses what is not its own.
func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	all := scripts(t)
	all["index.html"], all["style.css"] = asset(t, "index.html"), asset(t, "style.css")
	for name, text := range all {
		if m := regexp.MustCompile(`https?://|\bstyle="|\bon[a-z]+="|innerHTML`).FindString(text); m != "" {
			t.Errorf("%s has %q", name, m)
		}
	}
}

// colors returns the style sheet's colours of the dark and of the light scheme.
func colors(t *testing.T) map[string]map[string]string {
	t.Helper()
	dark, light, ok := strings.Cut(asset(t, "style.css"), "@media (prefers-color-scheme: light)")
	if !ok {
		t.Fatal("there is no light scheme")
	}
	of := func(text string) map[string]string {
		out := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(text, -1) {
			out[m[1]] = m[2]
		}
		return out
	}
	return map[string]map[string]string{"dark": of(dark), "light": of(light)}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		t.Fatalf("colour %q: %v", hex, err)
	}
	sum := 0.0
	for i, weight := range []float64{.0722, .7152, .2126} {
		v := float64(n>>(8*i)&0xff) / 255
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// WCAG 2.2, AA: 4.5 to 1 for text, 3 to 1 for what a picture needs to be understood.
func TestContrast(t *testing.T) {
	for scheme, c := range colors(t) {
		for _, p := range []struct {
			front, back string
			least       float64
		}{
			{"text", "card", 4.5}, {"text", "night", 4.5}, {"dim", "card", 4.5}, {"dim", "night", 4.5}, {"lead", "card", 4.5}, {"lead", "night", 4.5}, {"on-accent", "occupied", 4.5},
			{"in", "card", 4.5}, {"out", "card", 4.5}, {"bad", "card", 4.5}, {"bad", "night", 4.5}, {"pending", "night", 4.5}, {"unknown", "card", 4.5},
			{"occupied", "section", 3}, {"unknown", "section", 3}, {"gate", "card", 3}, {"panel", "card", 3}, {"panel", "floor", 3}, {"good", "card", 3}, {"boards", "card", 3},
		} {
			a, b := luminance(t, c[p.front]), luminance(t, c[p.back])
			if got := (max(a, b) + .05) / (min(a, b) + .05); got < p.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", scheme, p.front, p.back, got, p.least)
			}
		}
	}
}
