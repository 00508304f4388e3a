package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// row is one line of the table.
type row struct {
	ID      string   `json:"id"`
	What    string   `json:"what"`
	Aim     *float64 `json:"aim"` // nil for a figure that has none
	AtLeast bool     `json:"at_least,omitempty"`
	Unit    string   `json:"unit"`
	Reached *float64 `json:"reached"` // nil when it was not measured
	Met     *bool    `json:"met"`
	Note    string   `json:"note,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// atMost, atLeast and info begin rows by what is wanted of them.
func atMost(id, what string, aim float64, unit string) row {
	return row{ID: id, What: what, Aim: &aim, Unit: unit}
}

func atLeast(id, what string, aim float64, unit string) row {
	return row{ID: id, What: what, Aim: &aim, AtLeast: true, Unit: unit}
}

func info(id, what, unit string) row { return row{ID: id, What: what, Unit: unit} }

// is returns r with what was reached.
func (r row) is(v float64, note string, args ...any) row {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return r.failed(fmt.Errorf("the figure is %v", v))
	}
	r.Reached, r.Note = &v, fmt.Sprintf(note, args...)
	if r.Aim != nil {
		met := v <= *r.Aim
		if r.AtLeast {
			met = v >= *r.Aim
		}
		r.Met = &met
	}
	return r
}

// failed returns r with why there is no figure.
func (r row) failed(err error) row { r.Error = err.Error(); return r }

// number returns v with three figures or so, and thousands kept together.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 1000:
		return grouped(int64(math.Round(v)))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// cells returns what the table shows of r.
func (r row) cells() (aim, reached, verdict string) {
	aim = "-"
	if r.Aim != nil {
		aim = "≤ " + number(*r.Aim)
		if r.AtLeast {
			aim = "≥ " + number(*r.Aim)
		}
		if *r.Aim == 0 {
			aim = "0"
		}
	}
	switch {
	case r.Error != "":
		return aim, "failed", ""
	case r.Reached == nil:
		return aim, "not measured", ""
	case r.Met == nil:
		return aim, number(*r.Reached), ""
	case *r.Met:
		return aim, number(*r.Reached), "yes"
	}
	return aim, number(*r.Reached), "no"
}

// writeTable prints rows for people.
func writeTable(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\taim\treached\tunit\tmet\tnote")
	fmt.Fprintln(t, "----\t---\t-------\t----\t---\t----")
	for _, r := range rows {
		aim, reached, verdict := r.cells()
		note := r.Note
		if r.Error != "" {
			note = r.Error
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.What, aim, reached, r.Unit, verdict, note)
	}
	return t.Flush()
}

// result is what -json writes.
type result struct {
	Machine machine `json:"machine"`
	Rows    []row   `json:"rows"`
}

func (r result) write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
