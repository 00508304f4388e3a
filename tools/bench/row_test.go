package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

func TestNumbersForPeople(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0314: "0.031", 0.18: "0.18", 1.6: "1.60", 12.34: "12.3", 123.4: "123", 999.6: "1000",
		1234: "1,234", 5e6: "5,000,000", -7654321: "-7,654,321", -12: "-12.0"} {
		if got := number(v); got != want {
			t.Errorf("number(%g) is %q, want %q", v, got, want)
		}
	}
}

func TestRowsSayWhetherTheAimIsMet(t *testing.T) {
	for _, c := range []struct {
		row                   row
		aim, reached, verdict string
	}{
		{atMost("a", "", 12, "ms").is(11, ""), "≤ 12.0", "11.0", "yes"},
		{atMost("a", "", 12, "ms").is(13, ""), "≤ 12.0", "13.0", "no"},
		{atLeast("a", "", 5000, "").is(5000, ""), "≥ 5,000", "5,000", "yes"},
		{atLeast("a", "", 5000, "").is(1, ""), "≥ 5,000", "1.00", "no"},
		{atMost("a", "", 0, "B").is(0, ""), "0", "0", "yes"},
		{info("a", "", "ms").is(3, ""), "-", "3.00", ""},
		{atMost("a", "", 12, "ms"), "≤ 12.0", "not measured", ""},
		{atMost("a", "", 12, "ms").failed(errors.New("x")), "≤ 12.0", "failed", ""},
		{atMost("a", "", 12, "ms").is(math.NaN(), ""), "≤ 12.0", "failed", ""},
		{atMost("a", "", 12, "ms").is(math.Inf(1), ""), "≤ 12.0", "failed", ""},
	} {
		if aim, reached, verdict := c.row.cells(); aim != c.aim || reached != c.reached || verdict != c.verdict {
			t.Errorf("%+v shows %q %q %q, want %q %q %q", c.row, aim, reached, verdict, c.aim, c.reached, c.verdict)
		}
	}
}

func TestTableAndJSONHoldEveryRow(t *testing.T) {
	rows := []row{atMost("one", "first thing", 5, "ms").is(4, "note %d", 7), info("two", "second thing", "B").failed(errors.New("no such luck"))}
	var table, raw bytes.Buffer
	if err := writeTable(&table, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first thing", "≤ 5.00", "4.00", "note 7", "second thing", "failed", "no such luck"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in the table:\n%s", want, table.String())
		}
	}
	if err := (result{Machine: thisMachine(5), Rows: rows}).write(&raw); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Machine machine
		Rows    []map[string]any
	}
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Machine.Cores < 1 || back.Machine.Seconds != 5 || len(back.Rows) != 2 {
		t.Fatalf("%+v", back)
	}
	if r := back.Rows[0]; r["id"] != "one" || r["reached"] != 4.0 || r["met"] != true || r["aim"] != 5.0 {
		t.Errorf("row one is %v", r)
	}
	if r := back.Rows[1]; r["reached"] != nil || r["met"] != nil || r["error"] != "no such luck" {
		t.Errorf("row two is %v", r)
	}
}

// TestAFailureStaysInItsRows lets measurements fail in each way; the others go on.
func TestAFailureStaysInItsRows(t *testing.T) {
	rows := func(ids ...string) (out []row) {
		for _, id := range ids {
			out = append(out, info(id, id, ""))
		}
		return out
	}
	all := []measurement{
		{name: "fails", rows: rows("a", "b"), run: func(context.Context, *bench) ([]row, error) { return nil, errors.New("broken") }},
		{name: "half", rows: rows("c", "d"), run: func(context.Context, *bench) ([]row, error) {
			return []row{info("d", "d", "").is(4, "")}, errors.New("gave up")
		}},
		{name: "silent", rows: rows("e"), run: func(context.Context, *bench) ([]row, error) { return nil, nil }},
		{name: "works", rows: rows("f"), run: func(context.Context, *bench) ([]row, error) { return []row{info("f", "f", "").is(6, "")}, nil }},
	}
	b := &bench{seconds: time.Millisecond, warmup: time.Millisecond, say: io.Discard}
	got := b.run(t.Context(), all, nil)
	want := []struct{ id, err string }{{"a", "broken"}, {"b", "broken"}, {"c", "gave up"}, {"d", ""}, {"e", "no figure"}, {"f", ""}}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].ID != w.id || (w.err == "") != (got[i].Error == "") || !strings.Contains(got[i].Error, w.err) || (w.err == "") != (got[i].Reached != nil) {
			t.Errorf("row %d is %+v, want %+v", i, got[i], w)
		}
	}
	if got := b.run(t.Context(), all, []string{"works"}); len(got) != 1 || got[0].ID != "f" {
		t.Errorf("only one was wanted: %v", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range b.run(ended, all, nil) {
		if r.Error == "" {
			t.Errorf("row %s was measured after the end", r.ID)
		}
	}
	if all[0].rows[0].Error != "" {
		t.Error("a measurement's own rows were written to")
	}
}

func TestEveryRowHasItsOwnID(t *testing.T) {
	seen := map[string]bool{}
	names := map[string]bool{}
	for _, m := range append(measurements(), day(1)) {
		if names[m.name] || m.run == nil || len(m.rows) == 0 {
			t.Errorf("measurement %q twice, or without rows", m.name)
		}
		names[m.name] = true
		for _, r := range m.rows {
			if r.ID == "" || r.What == "" || r.Unit == "" || seen[r.ID] {
				t.Errorf("row %+v of %s", r, m.name)
			}
			seen[r.ID] = true
		}
	}
}

func TestFlags(t *testing.T) {
	f, err := parse([]string{"-only", "replay, polling", "-seconds", "3", "-json", "x.json"})
	if err != nil || len(f.only) != 2 || f.only[0] != "replay" || f.only[1] != "polling" || f.json != "x.json" {
		t.Errorf("%+v, %v", f, err)
	}
	if seconds, warmup := f.lengths(); seconds != 3*time.Second || warmup != 3*time.Second {
		t.Errorf("it measures %v after %v", seconds, warmup)
	}
	if seconds, warmup := (flags{}).lengths(); seconds != defaultSeconds*time.Second || warmup != defaultWarmup {
		t.Errorf("by default it measures %v after %v", seconds, warmup)
	}
	if seconds, warmup := (flags{short: true}).lengths(); seconds != shortSeconds*time.Second || warmup != shortWarmup {
		t.Errorf("short, it measures %v after %v", seconds, warmup)
	}
	if backlog, n := (flags{}).sizes(); backlog != 1<<30 || n != 500 {
		t.Errorf("by default %d bytes and %d gateways", backlog, n)
	}
	if f, err := parse([]string{"-backlog-mib", "8192", "-gateways", "7", "-day", "0.01", "-short"}); err != nil || f.day != 0.01 {
		t.Errorf("%+v, %v", f, err)
	} else if backlog, n := f.sizes(); backlog != 8<<30 || n != 7 {
		t.Errorf("as told %d bytes and %d gateways", backlog, n)
	}
	for _, bad := range [][]string{{"-only", "nothing"}, {"-seconds", "-1"}, {"extra"}, {"-seconds", "1e9"}, {"-day", "2"}, {"-day", "NaN"}, {"-gateways", "5000"}, {"-backlog-mib", "-1"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestADrainEndsWhenNearlyEverythingCame(t *testing.T) {
	seen := []drained{{1e6, 0.1}, {1.9e6, 0.2}, {1.95e6, 0.3}, {1.94e6, 0.4}, {2e6, 5}}
	if d := most(seen); d.seconds != 0.2 || d.rate() != 9.5e6 {
		t.Errorf("it ended at %+v, want 0.2 s", d)
	}
	if d := most(nil); !math.IsNaN(d.rate()) {
		t.Errorf("nothing came at %g a second", d.rate())
	}
}
