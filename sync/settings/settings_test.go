package settings

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

type inner struct {
	Above float64 `yaml:"above,required"`
	Below float64 `yaml:"below"`
}

type embedded struct {
	Extra string `yaml:"extra"`
}

// short has a short form.
type short struct {
	Period time.Duration `yaml:"period,required"`
}

func (s *short) UnmarshalText(text []byte) (err error) {
	s.Period, err = time.ParseDuration(string(text))
	return err
}

type sample struct {
	Text     string            `yaml:"text"`
	ID       point.ID          `yaml:"id"`
	Name     point.Name        `yaml:"name"`
	Bool     bool              `yaml:"bool"`
	Int      int               `yaml:"int" min:"-5" max:"500"`
	Small    int8              `yaml:"small"`
	Byte     uint8             `yaml:"byte" min:"1" max:"247"`
	Big      uint64            `yaml:"big"`
	Float    float64           `yaml:"float" min:"0"`
	Period   time.Duration     `yaml:"period" min:"1ms" max:"24h"`
	Size     Size              `yaml:"size" min:"1KiB"`
	Level    string            `yaml:"level" enum:"debug,info"`
	Path     Path              `yaml:"path"`
	File     File              `yaml:"file"`
	List     []string          `yaml:"list"`
	Levels   []string          `yaml:"levels" enum:"debug,info"`
	Map      map[string]int    `yaml:"map"`
	IDs      map[point.ID]bool `yaml:"ids"`
	Inner    inner             `yaml:"inner"`
	Pointer  *inner            `yaml:"pointer"`
	Short    short             `yaml:"short"`
	Own      Section           `yaml:"own"`
	Sections []Section         `yaml:"sections"`
	Plain    int
	Hidden   int `yaml:"-"`
	embedded `yaml:"-"`
	Embedded embedded `yaml:",inline"`
}

func parse(t *testing.T, text string) *Section {
	t.Helper()
	s, err := Parse("gw.yaml", []byte(text), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDecode(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text := "\xef\xbb\xbf" + `text: 101
id: gw-1
name: seat/101/a
bool: true
int: 0x1F4
small: -128
byte: 247
big: 18446744073709551615
float: 1e3
period: 1h30m
size: 1.5MiB
level: "info"
path: data
file: key.pem
list: [a, "b", 3]
levels: [info]
map: {a: 1, 7: -1_000}
ids: {gw-2: false}
inner: &in
  above: 2
pointer: {<<: *in, below: 1}
short: 5s
own: {x: 1}
sections: [{y: 2}, {}]
plain: 3
extra: e
`
	path := filepath.Join(dir, "gw.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := sample{Hidden: 9}
	if err := s.Decode(&got); err != nil {
		t.Fatal(err)
	}
	own, sections := got.Own, got.Sections
	got.Own, got.Sections = Section{}, nil
	want := sample{Text: "101", ID: "gw-1", Name: "seat/101/a", Bool: true, Int: 500, Small: -128, Byte: 247, Big: math.MaxUint64, Float: 1000,
		Period: 90 * time.Minute, Size: 1536 << 10, Level: "info", Path: Path(filepath.Join(dir, "data")), File: File(filepath.Join(dir, "key.pem")),
		List: []string{"a", "b", "3"}, Levels: []string{"info"}, Map: map[string]int{"a": 1, "7": -1000}, IDs: map[point.ID]bool{"gw-2": false},
		Inner: inner{Above: 2}, Pointer: &inner{Above: 2, Below: 1}, Short: short{5 * time.Second}, Plain: 3, Hidden: 9, Embedded: embedded{"e"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n%+v, want\n%+v", got, want)
	}
	if !reflect.DeepEqual(own.Keys(), []string{"x"}) || len(sections) != 2 || sections[1].Keys() != nil && len(sections[1].Keys()) != 0 {
		t.Errorf("sections %v, %v", own.Keys(), sections)
	}
}

func TestAbsentKeysKeepTheirDefaults(t *testing.T) {
	got := sample{Text: "as it was", Int: 4, Inner: inner{Above: 1}}
	if err := parse(t, "own:\nlist:\nmap:\nbool: false\n").Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Text != "as it was" || got.Int != 4 || got.Inner.Above != 1 || got.Pointer != nil {
		t.Errorf("%+v", got)
	}
	if err := got.Own.Fault("x", "here"); !strings.HasPrefix(err.Error(), "gw.yaml:1:") {
		t.Errorf("an empty section is nowhere: %v", err)
	}
}

// TestWrongValues says for one line of the file what is said about it, without place and picture.
func TestWrongValues(t *testing.T) {
	for line, want := range map[string]string{
		"text: true":                `text: "true" is not a text; put it in quotes`,
		"text:":                     `text has no value; a text is wanted, or no such line`,
		"text: [a]":                 `text is a list; a text is wanted`,
		"id: Gw":                    `id: not a valid id: "Gw" has 'G' at position 1; use lower-case letters, digits and, after the first, '-'`,
		"bool: yes":                 `bool: "yes" is not true or false; write true or false, without quotes`,
		`bool: "true"`:              `bool: "true" is not true or false; write true or false, without quotes`,
		"int: 501":                  `int is 501; -5 to 500 is allowed`,
		"int: 5.5":                  `int: "5.5" is not a whole number; digits only are wanted`,
		`int: "5"`:                  `int: "5" is not a whole number; write it without quotes`,
		"int: 010":                  `int: "010" is not a whole number; write it without leading zeros, or with 0x or 0o in front`,
		"int: 99999999999999999999": `int is "99999999999999999999"; -5 to 500 is allowed`,
		"small: 128":                `small is "128"; -128 to 127 is allowed`,
		"byte: 248":                 `byte is 248; 1 to 247 is allowed`,
		"byte: 0":                   `byte is 0; 1 to 247 is allowed`,
		"byte: -1":                  `byte is "-1"; 1 to 247 is allowed`,
		"byte: 300":                 `byte is "300"; 1 to 247 is allowed`,
		"big: -1":                   `big is "-1"; 0 to 18446744073709551615 is allowed`,
		"float: -0.1":               `float is -0.1; at least 0 is wanted`,
		"float: .inf":               `float: ".inf" is not a finite number; write it like 0.1, without quotes`,
		"float: abc":                `float: "abc" is not a finite number; write it like 0.1, without quotes`,
		"period: 5":                 `period: "5" is not a duration; a number with its unit is wanted, such as 250ms, 10s or 1h30m`,
		"period: 25h":               `period is 25h; 1ms to 24h is allowed`,
		"period: {a: 1}":            `period is a mapping; a duration is wanted`,
		"size: 8GB":                 `size: "8GB" is not a size; a number with its unit is wanted, such as 512B, 256KiB, 16MiB or 8GiB`,
		"size: 1B":                  `size is 1B; at least 1KiB is wanted`,
		"level: inof":               `level: "inof" is not allowed; did you mean "info"? use one of debug, info`,
		"levels: [info, trace]":     `levels.1: "trace" is not allowed; use one of debug, info`,
		"file: nowhere.pem":         `file: the file cannot be read: open nowhere.pem: no such file or directory`,
		"file: .":                   `file: the file cannot be read: . is not a regular file`,
		"list: a":                   `list is a single value; a list is wanted`,
		"map: [1]":                  `map is a list; a mapping is wanted`,
		"map: {a: b}":               `a: "b" is not a whole number; digits only are wanted`,
		"ids: {Gw: true}":           `not a valid id: "Gw" has 'G' at position 1; use lower-case letters, digits and, after the first, '-'`,
		"inner: 5":                  `inner is a single value; a mapping is wanted`,
		"inner: {below: 1}":         `required key "above" is missing; add it`,
		"inner: {abov: 1}":          `unknown key "abov"; did you mean "above"? use one of above, below`,
		"inner:":                    `required key "above" is missing; add it`,
		"short: soon":               `short: time: invalid duration "soon"`,
		"own: 5":                    `own is a single value; a mapping is wanted`,
		"sections: [5]":             `sections.0 is a single value; a mapping is wanted`,
		"hidden: 1":                 `unknown key "hidden"; use one of `,
		"peroid: 1s":                `unknown key "peroid"; did you mean "period"? use one of `,
		"int: 1\nint: 2":            `key "int" stands twice, first at line 1; remove one`,
		"int: *x":                   `no anchor &x stands before this alias; set it, or write the value itself`,
		"<<: 5":                     `<< merges a single value; a mapping is wanted`,
		"<<: [5]":                   `<< merges a single value; a mapping is wanted`,
		"list: &a [*a]":             `no anchor &a stands before this alias; set it, or write the value itself`,
	} {
		t.Run(line, func(t *testing.T) {
			var into sample
			err := parse(t, line+"\n").Decode(&into)
			var all *Error
			if !errors.As(err, &all) {
				t.Fatalf("error %v", err)
			}
			var f *Fault
			if !errors.As(all.Faults[0], &f) || f.Line == 0 || f.Column == 0 || f.File != "gw.yaml" {
				t.Fatalf("fault %+v has no place", all.Faults[0])
			}
			said := f.Problem
			if f.Fix != "" {
				said += "; " + f.Fix
			}
			if said != want && !(strings.HasSuffix(want, "use one of ") && strings.HasPrefix(said, want)) {
				t.Errorf("said\n%s, want\n%s", said, want)
			}
		})
	}
}

func TestRefusedFiles(t *testing.T) {
	small := Limits{Bytes: 1000, Depth: 5, Values: 50}
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "gw.yaml: it holds no setting"},
		"comments only":      {"# nothing\n", "gw.yaml: it holds no setting"},
		"null":               {"~\n", "gw.yaml: it holds no setting"},
		"a list":             {"- a\n", "gw.yaml:1:1: the file is a list"},
		"a text":             {"hello\n", "gw.yaml:1:1: the file is a single value"},
		"too long":           {strings.Repeat("# comment\n", 101), "gw.yaml: it is longer than 1000B"},
		"two documents":      {"a: 1\n---\nb: 2\n", "gw.yaml:2:1: a second document begins"},
		"not UTF-8":          {"a: 1\nb: \"é\xff\"\n", "gw.yaml:2:6: a byte that is not UTF-8"},
		"control character":  {"a: \x00\n", "gw.yaml:1:4: control character U+0000"},
		"tag":                {"a: !!str 5\n", "gw.yaml:1:4: tag \"!!str\""},
		"explicit key":       {"? a\n: b\n", "gw.yaml:1:1: an explicit key"},
		"directive":          {"%YAML 1.2\n---\na: 1\n", "gw.yaml:1:1: a directive"},
		"unclosed list":      {"a: [1, 2\n", "gw.yaml:1:4: not YAML"},
		"unclosed quote":     {"a: 'x\n", "gw.yaml:1:4: not YAML"},
		"tab":                {"a:\n\t- b\n", "gw.yaml:2:1: not YAML: a tab in the indentation; indent with spaces"},
		"no colon":           {"a: 1\nb 2\n", "write the line as key: value"},
		"colon in a text":    {"a: b: c\n", `a text that holds ": " stands in quotes`},
		"odd indentation":    {"a:\n   b: 1\n  c: 2\n", "gw.yaml:3:3: not YAML"},
		"unclosed mapping":   {"a: {b: 1\nc: 2\n", "a { above is not closed, or a comma is missing"},
		"escape sequences":   {"a: \"x\x1b[2Jy\"\n", "\n    a: \"x\uFFFD[2Jy\"\n"},
		"deep flow":          {"a: [[[[[[1]]]]]]\n", "gw.yaml:1:8: nested deeper than 5 levels"},
		"deep block":         {"a:\n b:\n  c:\n   d:\n    e:\n     f: 1\n", "gw.yaml:6:"},
		"deep list":          {"- - - - - - - a\n", "gw.yaml:1:11: nested deeper"},
		"many values":        {"a: [" + strings.Repeat("1,", 120) + "1]\n", "gw.yaml: it holds more than 50 values"},
		"some values":        {"a: [" + strings.Repeat("1,", 60) + "1]\n", "more than 50 values once aliases are expanded"},
		"alias bomb":         {"a: &a [1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b]\n", "more than 50 values once aliases are expanded"},
		"long key":           {strings.Repeat("k", 129) + ": 1\n", "gw.yaml:1:1: a key of 129 bytes"},
		"aliases as nesting": {"a: &a [1]\nb: &b [*a]\nc: &c [*b]\nd: &d [*c]\ne: &e [*d]\nf: &f [*e]\ng: [*f]\n", "nested deeper than 5 levels once aliases are expanded"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("gw.yaml", []byte(c.text), small)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Limits{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}

func TestManyAnchorsAreRefused(t *testing.T) {
	var b strings.Builder
	for i := range maxAnchors + 1 {
		fmt.Fprintf(&b, "k%d: &a%d 1\n", i, i)
	}
	if _, err := Parse("gw.yaml", []byte(b.String()), Limits{}); err == nil || !strings.Contains(err.Error(), "more than 1000 anchors") {
		t.Errorf("error %v", err)
	}
}

func TestFaultsShowTheirPlace(t *testing.T) {
	s := parse(t, "devices:\n  - id: a\n    options: {depth: 4, unit: 1}\n  - \"ä\": x\n")
	for key, want := range map[string]string{
		"devices.0.options.unit": "gw.yaml:3:31: no\n        options: {depth: 4, unit: 1}\n                                  ^",
		"devices.0.options":      "gw.yaml:3:14: no\n        options: {depth: 4, unit: 1}\n                 ^",
		"devices.0.other.deeper": "gw.yaml:2:5: no\n      - id: a\n        ^",
		"devices.1.ä":            "gw.yaml:4:10: no\n      - \"ä\": x\n             ^",
		"nothing":                "gw.yaml:1:1: no\n    devices:\n    ^",
		"":                       "gw.yaml:1:1: no\n    devices:\n    ^",
	} {
		if got := s.Fault(key, "%s", "no").Error(); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", key, got, want)
		}
	}
	if got := s.FaultKey("devices.0.id", "no").Error(); got != "gw.yaml:2:5: no\n      - id: a\n        ^" {
		t.Errorf("at the key:\n%s", got)
	}
	if got := s.Place("devices.1"); got != "gw.yaml:4" {
		t.Errorf("place %s", got)
	}
	tab := Fault{File: "f", Line: 1, Column: 4, Text: "a:\tb", Problem: "no"}
	if got := tab.Error(); got != "f:1:4: no\n    a:\tb\n      \t^" {
		t.Errorf("a tab:\n%s", got)
	}
	long := parse(t, "a: ["+strings.Repeat("word, ", 100)+"here]\n")
	if got := long.Fault("a.100", "no").Error(); !strings.Contains(got, "…") || !strings.Contains(got, "here") || len(got) > 400 {
		t.Errorf("a long line is shown as\n%s", got)
	}
}

func TestSectionAnswers(t *testing.T) {
	s := parse(t, "b: 1\na: {x: [1, 2], y: }\n")
	if got := s.Keys(); !reflect.DeepEqual(got, []string{"b", "a"}) {
		t.Errorf("keys %v", got)
	}
	if !s.Has("a.x.1") || s.Has("a.x.2") || s.Has("a.x.-1") || s.Has("b.c") || !s.Has("a.y") {
		t.Error("Has is wrong")
	}
	for key, want := range map[string]int{"a": 2, "a.x": 2, "b": -1, "c": -1, "a.y": -1} {
		if got := s.Len(key); got != want {
			t.Errorf("Len(%s) = %d, want %d", key, got, want)
		}
	}
	x := 7
	if err := s.Get("a.x.1", &x); err != nil || x != 2 {
		t.Errorf("Get: %d, %v", x, err)
	}
	if err := s.Get("none", &x); err != nil || x != 2 {
		t.Errorf("Get of nothing: %d, %v", x, err)
	}
	if err := s.Get("a", &x); err == nil {
		t.Error("a mapping was read as a number")
	}
	if sub := s.Sub("a"); len(sub.Keys()) != 2 {
		t.Errorf("sub %v", sub.Keys())
	}
}

func TestProgramErrorsAreErrors(t *testing.T) {
	s := parse(t, "a: 1\nc: {x: 1}\n")
	var badMin struct {
		A int `yaml:"a" min:"x"`
	}
	var badOrder struct {
		A string `yaml:"a" max:"3"`
	}
	var twice struct {
		A int `yaml:"a"`
		B int `yaml:"a"`
	}
	var inlined struct {
		A int `yaml:",inline"`
	}
	var channel struct {
		A chan int `yaml:"a"`
	}
	var keys struct {
		C map[int]int `yaml:"c"`
	}
	var number int
	for i, into := range []any{&badMin, &badOrder, &twice, &inlined, &channel, &keys, &number, number, nil, (*sample)(nil)} {
		if err := s.Decode(into); err == nil {
			t.Errorf("case %d: no error", i)
		}
	}
	if s.Get("a", nil) == nil || s.Get("a", 5) == nil {
		t.Error("Get took what is no pointer")
	}
}

func TestTheZeroSection(t *testing.T) {
	var s Section
	var into struct {
		A int `yaml:"a,required"`
	}
	if err := s.Decode(&into); err == nil {
		t.Error("the required key is missing")
	}
	if s.Has("a") || s.Keys() != nil || s.Get("a", &into) != nil || s.Place("a") == "" || s.Fault("a", "no").Error() != "configuration: no" || s.FaultKey("a", "no") == nil {
		t.Error("the zero section is not empty")
	}
	if s.Sub("a").Sub("b").Has("c") {
		t.Error("nothing has something")
	}
}

func TestFaultsCollect(t *testing.T) {
	var f Faults
	if f.Add(nil); f.Err() != nil || f.Len() != 0 {
		t.Error("no faults are a fault")
	}
	at := func(line int) *Fault { return &Fault{File: "f", Line: line, Column: 1, Problem: fmt.Sprint("p", line)} }
	plain := errors.New("no place")
	f.Add(errors.Join(at(3), errors.Join(plain, at(1)), at(3)))
	err := f.Err()
	var all *Error
	if !errors.As(err, &all) || len(all.Faults) != 3 || all.Faults[0].(*Fault).Line != 1 || all.Faults[2] != plain || !errors.Is(err, plain) {
		t.Errorf("collected %v", err)
	}
	for i := range 300 {
		f.Add(at(i + 10))
	}
	if text := f.Err().Error(); !strings.HasSuffix(text, "and 103 more faults") {
		t.Errorf("the end of many faults is %q", text[len(text)-40:])
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "0B": 0, "512B": 512, "256KiB": 256 << 10, "8GiB": 8 << 30, "1.5KiB": 1536, "0.5B": -1, "1e3KiB": -1, "-1KiB": -1,
		"": -1, "5": -1, "KiB": -1, "8GB": -1, "8 GiB": -1, "0x10B": -1, "8388607TiB": 8388607 << 40, "8388608TiB": -1, ".5KiB": -1, "1..5KiB": -1, "NaNB": -1} {
		got, err := ParseSize(text)
		if want < 0 != (err != nil) || err == nil && got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
		if err == nil {
			if again, err := ParseSize(got.String()); err != nil || again != got {
				t.Errorf("%d is written %q, which reads as %d, %v", got, got, again, err)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"period", "phase", "address", "id"}
	for s, want := range map[string]string{"perod": "period", "peroid": "period", "Period": "period", "fase": "", "pase": "phase", "adresse": "address", "xd": "id", "completely": "", "": "", "ab": ""} {
		if got := Nearest(s, known); got != want {
			t.Errorf("%q is near %q, want %q", s, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "text: 1\nid: a\nlist: [a, b]\n", "inner: &a {above: 1}\npointer: *a\nsections:\n  - <<: *a\n", "- - - a", "? a", "a: |\n  b\n c", "int: 010\nsize: 8GB\nperiod: x\n",
		"{a: {b: [c, {d: e}]}}", "a: &a [*a]", "\"\\u0000\": x", "a: 'x", "%YAML", "---\n...\n---", "a: >-\n  folded\n\nb: !!binary x", "<<: {a: 1}\n<<: {b: 1}", "own: {a: }\nmap: {a: 1, a: 2}", "&a &b c: d", "*a : b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("fuzz.yaml", text, Limits{Bytes: 1 << 14, Depth: 16, Values: 5000})
		if err == nil {
			var into sample
			err = s.Decode(&into)
			_ = s.Get("sections.0", &into)
			_ = into.Own.Fault("a", "x").Error()
		}
		var all *Error
		if errors.As(err, &all) {
			for _, e := range all.Faults {
				var f *Fault
				if !errors.As(e, &f) {
					t.Errorf("the file makes an error of the program: %v", e)
				} else if f.Line < 0 || f.Line > strings.Count(string(text), "\n")+1 {
					t.Errorf("line %d of %d", f.Line, strings.Count(string(text), "\n")+1)
				}
			}
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}

// TestPathTag resolves a plain text with the tag "path" as Path does.
func TestPathTag(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "g.yaml")
	if err := os.WriteFile(file, []byte("cert_file: certs/a.pem\nkey_file: /etc/a.key\nname: a/b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(file, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cert string `yaml:"cert_file,path"`
		Key  string `yaml:"key_file,path"`
		Name string `yaml:"name"`
	}
	if err := s.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Cert != filepath.Join(dir, "certs/a.pem") || got.Key != "/etc/a.key" || got.Name != "a/b" {
		t.Errorf("%+v", got)
	}
}
