package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/all"
	"github.com/courtside-edge/courtside/drivers/templates"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// head is a gateway without devices.
const head = `venue: dal-001
gateway: gw-north
identity: {trust_domain: courtside.test, workload_api: unix:///run/agent.sock}
uplink: {broker: "mqtts://127.0.0.1:8883"}
scan_classes: {fast: 100ms, slow: 1s, seats: 500ms}
devices:
`

// folder writes files and loads gw.yaml of them, head with devices.
func folder(t *testing.T, devices string, files map[string]string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	files["gw.yaml"] = head + devices
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "gw.yaml"), registry)
	if err != nil {
		err = fmt.Errorf("%s", strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	}
	return c, err
}

const tags = `Name;Address;Type;Kind;Class;Direction;Place;Scan;Unit;Scale;Deadband;Occupied Above;occupied_below;Max Silence;Bits;max_rate;Description
seat/101/a/1;0;int;seat;;;101/a/1;seats;kg;0.1;2;20;15;10m;;;"first seat; by the aisle"
seat/101/b/{seat:1..3};10;int;seat;;;101/b/{seat};seats;kg;0.1;2;20;15;10m;;;
# the gate
gate/in;100;int;gate;counter;in;gate-03;fast;;;;;;;16;5;
hall/ok;;bool;;;;;slow;;;;;;;;;
`

func TestTagList(t *testing.T) {
	c, err := folder(t, `
  - id: plc-1
    driver: fake
    options: {address: here}
    points_file: tags.csv
    points:
      - {name: extra, type: float, scan: slow}
`, map[string]string{"tags.csv": tags})
	if err != nil {
		t.Fatal(err)
	}
	want := []point.Point{
		{Name: "extra", Type: point.Float, Kind: point.Generic, Class: point.State, Lane: point.Telemetry, Scale: 1},
		{Name: "seat/101/a/1", Place: "101/a/1"}, {Name: "seat/101/b/1", Place: "101/b/1"}, {Name: "seat/101/b/2", Place: "101/b/2"}, {Name: "seat/101/b/3", Place: "101/b/3"},
		{Name: "gate/in", Type: point.Int, Kind: point.Gate, Class: point.Counter, Lane: point.Critical, Direction: point.In, Place: "gate-03", Bits: 16, MaxRate: 5, Scale: 1},
		{Name: "hall/ok", Type: point.Bool, Kind: point.Generic, Class: point.State, Lane: point.Telemetry, Scale: 1},
	}
	if len(c.Table) != len(want) {
		t.Fatalf("%d points, want %d", len(c.Table), len(want))
	}
	for i, w := range want {
		w.Device = "plc-1"
		if w.Type == 0 {
			w.Type, w.Kind, w.Class, w.Lane, w.Unit, w.Scale = point.Int, point.Seat, point.State, point.Telemetry, "kg", 0.1
			w.Deadband, w.OccupiedAbove, w.OccupiedBelow, w.MaxSilence = 2, 20, 15, 10*time.Minute
		}
		if c.Table[i] != w {
			t.Errorf("point %d is %+v, want %+v", i, c.Table[i], w)
		}
	}
	d := c.Devices[0]
	if len(d.Groups) != 5 || len(d.Groups[2].Targets) != 3 || len(d.Classes) != 3 {
		t.Errorf("%d groups, %d classes", len(d.Groups), len(d.Classes))
	}
	var source struct{ Address int }
	if err := d.Groups[2].Options.Decode(&source); err != nil || source.Address != 10 {
		t.Errorf("the driver gets %+v, %v", source, err)
	}
}

func TestFaultsOfTagLists(t *testing.T) {
	for text, want := range map[string]string{
		"name,typ,scan\na,int,fast\n":                          `tags.csv:1:6: unknown column "typ"; did you mean "type"?`,
		"name,type,scan\na,itn,fast\n":                         `tags.csv:2:3: type: "itn" is not allowed; did you mean "int"?`,
		"name,type,scan\na,int,fats\n":                         `tags.csv:2:7: no scan class is called "fats"; did you mean "fast"?`,
		"name,type,scan\na,int,\n":                             `tags.csv:2:1: required key "scan" is missing`,
		"name,type,scan,address\na,int,fast,666\n":             `tags.csv:2:12: address 666 of a is cursed`,
		"name,type,scan,address\na,int,fast,x\n":               `tags.csv:2:12: address: "x" is not a whole number`,
		"name,type,scan,node\na,int,fast,5\n":                  `tags.csv:1:16: unknown key "node"; use one of address`,
		"name,type,scan,source.adress\na,int,fast,5\n":         `tags.csv:1:16: unknown key "adress"; did you mean "address"?`,
		"name,type,scan\nA,int,fast\n":                         `tags.csv:2:1: point name "A"`,
		"name,type,scan\na,int,fast\nb,int,fast\na,int,fast\n": `tags.csv:4:1: point "a" is already at tags.csv:2`,
		"name,type,scan\nother,int,fast\n":                     `tags.csv:2:1: point "other" is already at gw.yaml:11`,
		"name,type,scan,deadband\na,int,fast,\"0,5\"\n":        `tags.csv:2:12: deadband: "0,5" is not a finite number`,
		"name,type,scan,kind\na,int,fast,seat\n":               `tags.csv:2:12: a seat of type int needs occupied`,
		"name,type,scan\n":                                     `gw.yaml:10:18: `,
		"name,type,scan\na{n:1..},int,fast\n":                  `tags.csv:2:1: range: {n:1..}: "" is not a number`,
		"\xff":                                                 `tags.csv:1:1: a byte that is not UTF-8`,
	} {
		_, err := folder(t, `
  - id: plc-1
    driver: fake
    points_file: tags.csv
    points: [{name: other, type: int, scan: fast}]
`, map[string]string{"tags.csv": text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", text, want, err)
		}
	}
	_, err := folder(t, "  - {id: plc-1, driver: fake, points_file: none.csv}\n", map[string]string{})
	if err == nil || !strings.Contains(err.Error(), "gw.yaml:7:44: open none.csv: no such file") {
		t.Error(err)
	}
}

const lift = `
model: lift controller
parameters:
  lift: {help: which lift}
  floors: {default: "3", help: how many floors}
  base: {default: "100"}
driver: fake
options: {address: "10.0.0.${lift}:502"}
points:
  - range: "floor/{floor:1..${floors}}/door"
    type: bool
    scan: fast
    source: {address: "${base}"}
  - {name: "load/${lift}", type: int, scan: slow, unit: kg}
`

func TestTemplate(t *testing.T) {
	c, err := folder(t, `
  - id: lift-1
    template: ./lift.yaml
    with: {lift: 7}
  - id: lift-2
    template: lift.yaml
    with: {lift: "8", floors: 2}
    options: {address: other}
    points:
      - {name: load/8, scan: fast, deadband: 5}
      - {name: own, type: text, scan: slow}
`, map[string]string{"lift.yaml": lift})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range c.Table {
		names = append(names, p.Qualified())
	}
	if got := strings.Join(names, " "); got != "lift-1/floor/1/door lift-1/floor/2/door lift-1/floor/3/door lift-1/load/7 lift-2/floor/1/door lift-2/floor/2/door lift-2/load/8 lift-2/own" {
		t.Errorf("points %s", got)
	}
	load := c.Table[6]
	if load.Type != point.Int || load.Unit != "kg" || load.Deadband != 5 {
		t.Errorf("the device's own entry stands over the template's: %+v", load)
	}
	for i, want := range []string{"10.0.0.7:502", "other"} {
		var options struct{ Address string }
		if err := c.Devices[i].Options.Decode(&options); err != nil || options.Address != want {
			t.Errorf("device %d has address %q, want %q; %v", i, options.Address, want, err)
		}
		var source struct{ Address int }
		if err := c.Devices[i].Groups[0].Options.Decode(&source); err != nil || source.Address != 100 {
			t.Errorf("source %+v, %v", source, err)
		}
	}
	if second := c.Devices[1]; second.Groups[1].Class != 0 || second.Classes[second.Groups[1].Class].Name != "fast" {
		t.Errorf("classes %v, group %+v", second.Classes, second.Groups[1])
	}
}

func TestFaultsOfTemplates(t *testing.T) {
	for _, c := range []struct{ device, template, want string }{
		{"{id: a, template: lift}", lift, `gw.yaml:7:23: no template is called "lift"; use one of seat-pressure-modbus, turnstile-modbus, or a path such as ./lift.yaml`},
		{"{id: a, template: none.yaml}", lift, `gw.yaml:7:23: the template cannot be read`},
		{"{id: a, template: .}", lift, `is not a regular file`},
		{"{id: a, template: lift.yaml}", lift, `template "lift.yaml" needs parameter lift (which lift); add it to with: {lift: …}`},
		{"{id: a, template: lift.yaml, with: {lift: 1, flors: 2}}", lift, `gw.yaml:7:50: template "lift.yaml" has no parameter "flors"; did you mean "floors"?`},
		{"{id: a, template: lift.yaml, with: {lift: 1}, ponits: []}", lift, `unknown key "ponits"; did you mean "points"?`},
		{"{id: a, tmplate: lift.yaml}", lift, `unknown key "tmplate"; did you mean "template"?`},
		{"{id: a, template: lift.yaml, with: {lift: 1}}", lift + "  - {name: x, type: bool, scan: fast, unit: \"${nix}\"}\n", `lift.yaml:15:45: ${nix} is no parameter of this template`},
		{"{id: a, template: lift.yaml, with: {lift: 1}}", lift + "  - {name: x, type: bool, scan: fast, unit: \"${nix\"}\n", `a "${" without its '}'`},
		{"{id: a, template: lift.yaml, with: {lift: 1}}", lift + "  - {name: x, type: bol, scan: fast}\n", `lift.yaml:15:21: type: "bol" is not allowed`},
		{"{id: a, template: lift.yaml, with: {lift: 1, base: 666}}", lift, `lift.yaml:13:23: address 666 of floor/1/door is cursed`},
		{"{id: a, template: lift.yaml, with: {lift: 1, floors: many}}", lift, `lift.yaml:10:12: range: {floor:1..many}: "many" is not a number`},
		{"{id: a, template: lift.yaml, with: {lift: 1}}", "moddel: x\n" + lift, `lift.yaml:1:1: unknown key "moddel"`},
		{"{id: a, template: lift.yaml, with: [1]}", lift, `with is a list; a mapping is wanted`},
	} {
		_, err := folder(t, "  - "+c.device+"\n", map[string]string{"lift.yaml": c.template})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.device, c.want, err)
		}
	}
}

// TestTheProductsTemplates fills in every parameter that has no default, and lets the product's own drivers check each template.
func TestTheProductsTemplates(t *testing.T) {
	given := map[string]string{"gate": "gate-03", "section": "101", "rows": "a,b,c", "seats": "12"}
	for _, name := range templates.Names() {
		text, ok := templates.Read(name)
		if !ok {
			t.Fatalf("%s cannot be read", name)
		}
		root, err := settings.Parse(name, text, settings.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var m model
		if err := root.Decode(&m); err != nil {
			t.Fatal(err)
		}
		var with []string
		for p, about := range m.Parameters {
			if about.Default == nil {
				with = append(with, fmt.Sprintf("%s: %q", p, given[p]))
			}
			if about.Help == "" {
				t.Errorf("%s does not say what %s is", name, p)
			}
		}
		c, err := Parse("gw.yaml", []byte(head+"  - {id: plc-1, template: "+name+", with: {"+strings.Join(with, ", ")+"}, options: {address: \"h:1\"}}\n"), all.All())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Table) < 8 {
			t.Errorf("%s makes %d points", name, len(c.Table))
		}
	}
}

// FuzzTagList: no tag list makes the loader panic, and what it takes is a table without faults.
func FuzzTagList(f *testing.F) {
	f.Add(tags)
	f.Add("name,type,scan\na{n:1..3},int,fast\n")
	f.Add("name,type,scan,source.x.y\na,text,slow,1\n")
	f.Fuzz(func(t *testing.T, text string) {
		known := tagColumns()
		rows, err := settings.ParseRows("tags.csv", []byte(text), settings.Rows{Column: func(h string) (string, string, bool) {
			key, ok := known[h]
			return key, "", ok
		}})
		if err != nil {
			return
		}
		l := loader{root: &settings.Section{}, registry: registry, most: 1000, devices: map[point.ID]string{}}
		l.config.ScanClasses = []drivers.ScanClass{{Name: "fast", Period: time.Second}, {Name: "slow", Period: time.Second}, {Name: "seats", Period: time.Second}}
		d := Device{Device: drivers.Device{ID: "plc-1"}}
		e := entries{loader: &l, device: &d, classes: make(map[string]int), seen: make(map[point.Name]int)}
		for i := range rows {
			e.add(&rows[i])
		}
		if l.faults.Err() != nil {
			return
		}
		for i := range l.config.Table {
			if err := l.config.Table[i].Check(); err != nil {
				t.Fatalf("%q gives %v", text, err)
			}
		}
	})
}

// TestTheExamplesOfTheDocs checks every complete device of docs/drivers.md as the gateway would.
func TestTheExamplesOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/drivers.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for block := range strings.SplitSeq(string(text), "```yaml\n") {
		block, _, _ = strings.Cut(block, "```")
		if !strings.HasPrefix(block, "scan_classes:") {
			continue
		}
		general, _, _ := strings.Cut(head, "scan_classes:")
		c, err := Parse("drivers.md", []byte(general+block), all.All())
		if err != nil {
			t.Errorf("%v in\n%s", err, block)
			continue
		}
		for _, d := range c.Devices {
			seen[d.Driver] = true
		}
	}
	for name := range all.All() {
		if !seen[name] {
			t.Errorf("docs/drivers.md shows no complete device of driver %s", name)
		}
	}
}
