package loadgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cloudconfig "github.com/courtside-edge/courtside/cloud/config"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/sync/point"
)

func TestSiteIsWhatBothSidesAccept(t *testing.T) {
	for _, s := range []Site{{}, {Points: 25_000, Rate: 120_000, Block: 240, Seed: 5}, {Points: 1, NoProbes: true, SpillAfter: time.Second}} {
		dir := t.TempDir()
		files, err := s.Write(dir)
		if err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(files.Gateway, Registry(NewControl(0)))
		if err != nil {
			t.Fatal(err)
		}
		cloud, err := cloudconfig.Load(files.Aggregator)
		if err != nil {
			t.Fatal(err)
		}
		want := s.withDefaults().Points
		if !s.NoProbes {
			want += 2
		}
		if len(c.Table) != want {
			t.Errorf("%d points, want %d", len(c.Table), want)
		}
		places := map[string]bool{}
		for _, seat := range cloud.Venues[0].Map.Seats {
			places[seat.Place] = true
		}
		for i := range c.Table {
			if p := &c.Table[i]; p.Kind == point.Seat && !places[p.Place] {
				t.Fatalf("seat %s is not on the map", p.Place)
			}
		}
		granted := cloud.Venues[0].Gateways[0]
		if granted.ID != c.Gateway || len(granted.Devices) != len(c.Devices) {
			t.Errorf("the aggregator grants %v; the gateway %s has %d devices", granted, c.Gateway, len(c.Devices))
		}
		if s.SpillAfter != 0 && c.Spool.SpillAfter != s.SpillAfter {
			t.Errorf("spill_after is %v", c.Spool.SpillAfter)
		}
	}
}

func TestFaultsAreFoundAtTheirPlace(t *testing.T) {
	dir := t.TempDir()
	files, err := Site{Points: 10}.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(files.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{`rate: "max"`, `rate: "fast"`, `neither "max" nor readings a second`},
		{`rate: "max"`, `rate: "-5"`, "neither"},
		{`rate: "max"`, `block: 5`, "rate"},
		{`rate: "max"`, `rate: "max", block: 0`, "block"},
		{`pattern: seat`, `pattern: sea`, "seat"},
		{`pattern: wall`, `pattern: wall, every: -1s`, "every"},
	} {
		bad := strings.Replace(string(good), c.from, c.to, 1)
		if bad == string(good) {
			t.Fatalf("%q is not in the file", c.from)
		}
		path := filepath.Join(dir, "bad.yaml")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, Registry(NewControl(0)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "bad.yaml:") {
			t.Errorf("%s: %v; %q with a place is wanted", c.to, err, c.want)
		}
	}
}
