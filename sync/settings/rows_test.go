package settings

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// rowKeys knows name, n, wait and source.address; note is left out.
func rowKeys(header string) (string, string, bool) {
	switch header {
	case "name", "n", "wait", "on", "source.address", "source":
		return header, "", true
	case "address":
		return "source.address", "", true
	case "note":
		return "", "", true
	}
	return "", OneOf(header, []string{"name", "address"}), false
}

type row struct {
	Name   string        `yaml:"name,required"`
	N      int           `yaml:"n" min:"0" max:"9"`
	Wait   time.Duration `yaml:"wait"`
	On     bool          `yaml:"on"`
	Source Section       `yaml:"source"`
}

func rows(t *testing.T, text string) ([]row, []Section) {
	t.Helper()
	sections, err := ParseRows("tags.csv", []byte(text), Rows{Column: rowKeys})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]row, len(sections))
	for i := range sections {
		if err := sections[i].Decode(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out, sections
}

func TestRows(t *testing.T) {
	for what, text := range map[string]string{
		"commas":     "name,N,wait,address,note,on\n# a comment\na,3,1s,7,\"says \"\"hm\"\", twice\",true\n\nb,,,,,\n",
		"semicolons": "\xef\xbb\xbfName;n;Wait;Address;Note;On\r\na;3;1s;7;x,y;true\r\nb;;;;;\r\n",
		"tabs":       "name\tn\twait\tADDRESS\tnote\ton\t\na\t3\t1s\t7\t\ttrue\t\nb\n",
		"spaces":     "name, n, wait, address, note, on\n a , 3, 1s, 7, , true\n b\n",
	} {
		got, sections := rows(t, text)
		if len(got) != 2 || got[0].Name != "a" || got[0].N != 3 || got[0].Wait != time.Second || !got[0].On || got[1].Name != "b" || got[1].N != 0 {
			t.Errorf("%s: %+v", what, got)
			continue
		}
		var address int
		if err := got[0].Source.Get("address", &address); err != nil || address != 7 || got[1].Source.Has("address") {
			t.Errorf("%s: address %d, %v", what, address, err)
		}
		if !strings.HasPrefix(sections[1].Place("name"), "tags.csv:") {
			t.Errorf("%s: row 2 is at %s", what, sections[1].Place("name"))
		}
	}
}

func TestFaultsOfRows(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "it has no header",
		"# nothing\n":                   "it has no header",
		"nmae,n\na,1\n":                 `tags.csv:1:1: unknown column "nmae"; did you mean "name"?`,
		"name,adress\na,1\n":            `tags.csv:1:6: unknown column "adress"; did you mean "address"?`,
		"name,name\na,b\n":              `tags.csv:1:6: column "name" stands twice, first as number 1`,
		"name,address,source.address\n": `stands twice`,
		"name,n\na,1,2\n":               `tags.csv:2:5: cell "2" stands below no header`,
		"name,,n\na,ä,2\n":              `tags.csv:2:3: cell "ä" stands below no header`,
		"name,n\n\"a,1\n":               `tags.csv:2:`,
		"name,n\na\"b,1\n":              `tags.csv:2:2: not a table`,
		"name,source,address\na,x,1\n":  `tags.csv:2:5: "source.address" is a value and a group`,
		"name\na\x00b\n":                `tags.csv:2:2: control character`,
		"name\na\xffb\n":                `tags.csv:2:2: a byte that is not UTF-8`,
	} {
		_, err := ParseRows("tags.csv", []byte(text), Rows{Column: rowKeys})
		var all *Error
		if !errors.As(err, &all) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", text, want, err)
		}
	}
	sections, err := ParseRows("tags.csv", []byte("name,n,address\nä,12,\n,1,\n"), Rows{Column: rowKeys})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"tags.csv:2:3: n is 12; 0 to 9 is allowed\n    ä,12,\n      ^", `tags.csv:3:1: required key "name" is missing; add it`} {
		var r row
		if err := sections[i].Decode(&r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("row %d: want %q, got %v", i, want, err)
		}
	}
}

func TestLimitsOfRows(t *testing.T) {
	for what, r := range map[string]Rows{
		"longer than 16B":   {Column: rowKeys, Limits: Limits{Bytes: 16}},
		"more than 3 cells": {Column: rowKeys, Limits: Limits{Values: 3}},
	} {
		if _, err := ParseRows("tags.csv", []byte("name,n\naaaa,1\nbbbbb,2\n"), r); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
	if _, err := LoadRows("testdata/absent.csv", Rows{Column: rowKeys}); err == nil {
		t.Error("an absent file was read")
	}
}

// FuzzRows: no table makes the reader panic, and what it reads can be decoded or refused at a place within the file.
func FuzzRows(f *testing.F) {
	f.Add("name,n,address\na,1,2\n")
	f.Add("name;n;source\n\"a\"\"b\";1;x\n")
	f.Add("\xef\xbb\xbfname\twait\r\na\t1s\r\n")
	f.Add("name\n\"a\nb\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + 1
		check := func(err error) {
			var all *Error
			if err == nil {
				return
			}
			if !errors.As(err, &all) {
				t.Fatalf("not an *Error: %v", err)
			}
			for _, e := range all.Faults {
				var at *Fault
				if !errors.As(e, &at) || at.File != "tags.csv" || at.Line > lines {
					t.Fatalf("%#v of %d lines", e, lines)
				}
			}
		}
		sections, err := ParseRows("tags.csv", []byte(text), Rows{Column: rowKeys, Limits: Limits{Values: 10_000}})
		check(err)
		for i := range sections {
			var r row
			check(sections[i].Decode(&r))
		}
	})
}

func section(t *testing.T, file, text string) *Section {
	t.Helper()
	s, err := Parse(file, []byte(text), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOver(t *testing.T) {
	own := section(t, "own.yaml", "\n\na: 1\noptions: {x: 1}\nlist: [1]\n")
	base := section(t, "base.yaml", "b: 2\na: 9\noptions:\n  x: 7\n  y: wrong\nlist: [7, 8]\n")
	s := own.Over(base)
	var got struct {
		A, B    int
		List    []int
		Options struct{ X, Y int }
	}
	err := s.Decode(&got)
	if got.A != 1 || got.B != 2 || got.Options.X != 1 || len(got.List) != 1 {
		t.Errorf("%+v", got)
	}
	if err == nil || !strings.Contains(err.Error(), "base.yaml:5:6: y: \"wrong\" is not a whole number") || !strings.Contains(err.Error(), "\n      y: wrong\n") {
		t.Errorf("the base's fault is %v", err)
	}
	if err := s.Fault("a", "no"); !strings.Contains(err.Error(), "own.yaml:3:4: no") {
		t.Error(err)
	}
	for key, place := range map[string]string{"a": "own.yaml:3", "b": "base.yaml:1", "options.y": "base.yaml:5", "options.x": "own.yaml:4"} {
		if got := s.Place(key); got != place {
			t.Errorf("%s is at %s, want %s", key, got, place)
		}
	}
	third := section(t, "third.yaml", "c: x\n")
	if deep := s.Over(third); deep.Place("c") != "third.yaml:1" || deep.Place("b") != "base.yaml:1" || deep.Place("a") != "own.yaml:3" {
		t.Errorf("three files: %s, %s, %s", deep.Place("c"), deep.Place("b"), deep.Place("a"))
	}
	if under := third.Over(s); under.Place("c") != "third.yaml:1" || under.Place("b") != "base.yaml:1" || under.Place("a") != "own.yaml:3" {
		t.Errorf("three files: %s, %s, %s", under.Place("c"), under.Place("b"), under.Place("a"))
	}
	if same := own.Over(nil); same != own {
		t.Error("over nothing is something else")
	}
	if own.Has("b") || own.Len("options") != 1 {
		t.Error("Over changed the section itself")
	}
}

func TestExpandAndOnly(t *testing.T) {
	s := section(t, "t.yaml", "a: $n\nb: \"$n\"\nc: [plain, {d: \"$yes\"}]\nkeep: '7'\n")
	out, err := s.Expand(func(text string) (string, error) {
		return strings.NewReplacer("$n", "5", "$yes", "true").Replace(text), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		A, B int
		Keep string
	}
	if err := out.Only("a", "b", "keep").Decode(&got); err != nil || got.A != 5 || got.B != 5 || got.Keep != "7" {
		t.Errorf("%+v, %v", got, err)
	}
	var d bool
	if err := out.Get("c.1.d", &d); err != nil || !d {
		t.Error(d, err)
	}
	var before string
	if err := s.Get("a", &before); err != nil || before != "$n" || !s.Has("c") {
		t.Errorf("Expand changed the section itself: %q, %v", before, err)
	}
	if _, err := s.Expand(func(text string) (string, error) {
		if text == "$yes" {
			return "", fmt.Errorf("no %s", text)
		}
		return text, nil
	}); err == nil || !strings.Contains(err.Error(), "t.yaml:3:16: no $yes") {
		t.Error(err)
	}
}
