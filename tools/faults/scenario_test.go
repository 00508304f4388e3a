package faults_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/tools/faults"
)

func TestASeedIsAScenario(t *testing.T) {
	a, b, c := faults.Random(1, 20*time.Minute, 2), faults.Random(1, 20*time.Minute, 2), faults.Random(2, 20*time.Minute, 2)
	if !reflect.DeepEqual(a, b) {
		t.Error("one seed drew two scenarios")
	}
	if reflect.DeepEqual(a.Steps, c.Steps) {
		t.Error("two seeds drew one scenario")
	}
	if kills, cuts := a.Count(faults.Kills()...), a.Count(faults.Cuts()...); kills < 200 || cuts < 100 {
		t.Errorf("20 minutes hold %d kills and %d cuts, want 200 and 100", kills, cuts)
	}
	if d := a.Length() - 20*time.Minute; d < -time.Second || d > time.Second {
		t.Errorf("20 minutes take %v", a.Length())
	}
}

func TestAScenarioIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"name: x\nsteps:\n  - {do: explode}\n":                          "explode",
		"name: x\nsteps:\n  - {do: cut, gateway: 1}\n":                  "numbered from 0",
		"steps:\n  - {do: cut}\n":                                       "name",
		"name: x\ngateways: 9\nsteps:\n  - {do: cut}\n":                 "gateways",
		"name: x\nsteps:\n  - {do: hold, for: soon}\n":                  "soon",
		"name: x\nsteps:\n  - {do: cut, after: 1s, surprising: true}\n": "surprising",
	} {
		path := filepath.Join(t.TempDir(), "s.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := faults.Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want something about %q", text, err, want)
		}
	}
}
