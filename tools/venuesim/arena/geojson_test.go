package arena

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"testing"
)

// mapFile is the venue map as a stranger reads it.
type mapFile struct {
	Type     string `json:"type"`
	CRS      string `json:"crs"`
	Features []struct {
		Type     string `json:"type"`
		Geometry struct {
			Type        string          `json:"type"`
			Coordinates json.RawMessage `json:"coordinates"`
		} `json:"geometry"`
		Properties map[string]string `json:"properties"`
	} `json:"features"`
}

func TestMapHoldsEveryPlace(t *testing.T) {
	a := Dallas()
	var b bytes.Buffer
	if err := a.WriteGeoJSON(&b); err != nil {
		t.Fatal(err)
	}
	var m mapFile
	if err := json.Unmarshal(b.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if m.Type != "FeatureCollection" || m.CRS != "local-metres" {
		t.Errorf("type %q, crs %q", m.Type, m.CRS)
	}
	seats := make(map[string]Spot, SeatCount)
	for _, s := range a.Seats {
		seats[s.Place()] = s.At
	}
	counts := map[string]int{}
	for _, f := range m.Features {
		kind := f.Properties["kind"]
		counts[kind]++
		if kind != kindSeat {
			continue
		}
		var at [2]float64
		if err := json.Unmarshal(f.Geometry.Coordinates, &at); err != nil {
			t.Fatalf("seat %s: %v", f.Properties["place"], err)
		}
		want, known := seats[f.Properties["place"]]
		if !known || math.Abs(at[0]-want.X) > 0.006 || math.Abs(at[1]-want.Y) > 0.006 {
			t.Fatalf("seat %s at %v, want %v", f.Properties["place"], at, want)
		}
		if p := f.Properties; p["section"]+"/"+p["row"]+"/"+p["seat"] != p["place"] {
			t.Fatalf("seat properties %v do not make its place", p)
		}
	}
	want := map[string]int{kindSeat: SeatCount, kindGate: 24, kindPanel: 8, kindSection: 48, kindFloor: 1}
	for kind, n := range want {
		if counts[kind] != n {
			t.Errorf("%d features of kind %s, want %d", counts[kind], kind, n)
		}
	}
	if len(counts) != len(want) {
		t.Errorf("kinds %v, want %v", counts, want)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestMapSaysThatItCouldNotBeWritten(t *testing.T) {
	full := errors.New("disk full")
	if err := Dallas().WriteGeoJSON(failingWriter{full}); !errors.Is(err, full) {
		t.Fatalf("error %v, want %v", err, full)
	}
}
