package venuemap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `{"type":"FeatureCollection","crs":"local-metres","features":[
{"type":"Feature","properties":{"kind":"seat","place":"101/a/1","section":"101","row":"a","seat":"1"},"geometry":{"type":"Point","coordinates":[1.5,-4.5]}},
{"type":"Feature","properties":{"kind":"seat","place":"101/a/2","section":"101","row":"a","seat":"2"},"geometry":{"type":"Point","coordinates":[2.0,-4.5]}},
{"type":"Feature","properties":{"kind":"gate","place":"gate-01","name":"Gate 1"},"geometry":{"type":"Point","coordinates":[-40,0]}},
{"type":"Feature","properties":{"kind":"panel","place":"panel-n","name":"North"},"geometry":{"type":"Point","coordinates":[0,8]}},
{"type":"Feature","properties":{"kind":"section","place":"101"},"geometry":{"type":"Polygon","coordinates":[[[0,-6],[3,-6],[3,-4],[0,-6]]]}},
{"type":"Feature","properties":{"kind":"floor","place":"floor"},"geometry":{"type":"Polygon","coordinates":[[[-14,-7],[14,-7],[14,7],[-14,-7]]]}}]}`

func TestParse(t *testing.T) {
	m, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Seats) != 2 || len(m.Gates) != 1 || len(m.Panels) != 1 || len(m.Sections) != 1 || len(m.Floor.Outline) != 4 {
		t.Fatalf("map %+v", m)
	}
	if s := m.Seats[1]; s.Place != "101/a/2" || s.Section != "101" || s.Row != "a" || s.Number != "2" || s.X != 2 || s.Y != -4.5 {
		t.Errorf("seat %+v", s)
	}
	if b := m.Bounds(); b != (Bounds{-40, -7, 14, 8}) {
		t.Errorf("bounds %+v", b)
	}
}

func TestBoundsOfAnEmptyMap(t *testing.T) {
	m, err := Parse([]byte(`{"type":"FeatureCollection","crs":"local-metres","features":[]}`))
	if err != nil || m.Bounds() != (Bounds{}) {
		t.Errorf("%v, %+v", err, m.Bounds())
	}
}

func TestFaultsNameTheirFeature(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, c := range map[string]struct{ in, want string }{
		"not JSON":       {"seats", "not GeoJSON"},
		"not a map":      {`{"type":"Feature"}`, "FeatureCollection is wanted"},
		"degrees":        {replace(`"crs":"local-metres",`, ""), "local-metres"},
		"unknown kind":   {replace(`"kind":"gate"`, `"kind":"door"`), `feature 2 (door gate-01): kind "door" is unknown`},
		"no place":       {replace(`"place":"panel-n",`, ""), `feature 3 (panel ): property "place" is missing`},
		"twice":          {replace("101/a/2", "101/a/1"), "feature 1: seat 101/a/1 is feature 0 already"},
		"wrong geometry": {replace(`"Point","coordinates":[1.5,-4.5]`, `"Polygon","coordinates":[]`), `feature 0 (seat 101/a/1): geometry is "Polygon", a Point is wanted`},
		"one number":     {replace("[1.5,-4.5]", "[1.5]"), "coordinates [1.5] are not [x, y]"},
		"far away":       {replace("[-40,0]", "[-96.8,32790]"), "more than 2000 m from the centre spot"},
		"open ring":      {replace("[[[0,-6],[3,-6],[3,-4],[0,-6]]]", "[[[0,-6],[3,-6]]]"), "feature 4 (section 101): coordinates are not a closed ring"},
		"odd corner":     {replace("[3,-4],[0,-6]", "[3],[0,-6]"), "a corner is not [x, y]"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestManyFaultsComeAtOnceButNotEndlessly(t *testing.T) {
	features := make([]string, 50)
	for i := range features {
		features[i] = `{"type":"Feature","properties":{"kind":"seat"},"geometry":{}}`
	}
	_, err := Parse([]byte(`{"type":"FeatureCollection","crs":"local-metres","features":[` + strings.Join(features, ",") + "]}"))
	if n := strings.Count(err.Error(), "\n"); n != 20 || !strings.HasSuffix(err.Error(), "more faults follow") {
		t.Errorf("%d lines:\n%v", n, err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "map.geojson")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := Load(path); err != nil || string(m.Raw) != good {
		t.Errorf("%v", err)
	}
	if _, err := Load(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing file is no map")
	}
	huge := filepath.Join(dir, "huge")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(huge); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a file over the limit: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"type":"FeatureCollection","crs":"local-metres","features":[{"geometry":{"coordinates":[1e999]}}]}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err != nil {
			return
		}
		b := m.Bounds()
		if b.MinX < -MaxExtent || b.MaxX > MaxExtent || b.MinY < -MaxExtent || b.MaxY > MaxExtent {
			t.Errorf("bounds %+v", b)
		}
	})
}
