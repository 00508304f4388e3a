package settings

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Rows says how a table of comma-separated values becomes mappings.
type Rows struct {
	Limits Limits // Values bounds the cells
	// Column returns the key of a header, a path such as "source.address"; "" leaves the column out. Headers come trimmed, in lower case
	// and with '_' for spaces and '-'. ok false refuses it with fix.
	Column func(header string) (key, fix string, ok bool)
	// Key may choose another key for one cell; nil for never.
	Key func(key, cell string) string
}

// LoadRows reads the file at path, of at most Limits.Bytes; see ParseRows.
func LoadRows(path string, r Rows) ([]Section, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(r.Limits.filled().Bytes)+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return ParseRows(path, text, r)
}

// ParseRows reads text, the content of file, as comma-, semicolon- or tab-separated values below a header. Each row becomes a Section whose
// values stand at their cells; an empty cell is an absent key. Lines that begin with '#' and empty lines are left out. Its error
// is an *Error with every fault of the table's form.
func ParseRows(file string, text []byte, r Rows) ([]Section, error) {
	t := table{rows: r, doc: &document{file: file, dir: filepath.Dir(file), types: newTypes()}}
	t.limits = r.Limits.filled()
	if len(text) > t.limits.Bytes {
		return nil, &Error{Faults: []error{t.doc.whole("it is longer than %s", Size(t.limits.Bytes))}}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	t.doc.lines = strings.Split(string(text), "\n")
	if err := t.doc.checkText(); err != nil {
		return nil, &Error{Faults: []error{err}}
	}
	t.read(text)
	if err := t.faults.Err(); err != nil {
		return nil, err
	}
	return t.out, nil
}

// table is a table on its way to sections.
type table struct {
	rows   Rows
	limits Limits
	doc    *document
	faults Faults
	cells  int
	heads  []head
	out    []Section
}

// head is one column.
type head struct {
	key          string // a path; empty for a column that is left out
	line, column int
	empty        bool // no header stands above it
}

func (t *table) read(text []byte) {
	c := csv.NewReader(bytes.NewReader(text))
	c.Comma, c.Comment, c.FieldsPerRecord = separator(t.doc.lines), '#', -1
	c.TrimLeadingSpace = c.Comma != '\t' // which is a space too
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.syntax(err)
			return
		}
		if t.cells += len(record); t.cells > t.limits.Values {
			t.faults.Add(t.doc.whole("more than %d cells", t.limits.Values))
			return
		}
		at := func(i int) (line, column int) { return t.place(c.FieldPos(i)) }
		if t.heads == nil {
			t.header(record, at)
			continue
		}
		t.row(record, at)
	}
	if t.heads == nil {
		t.faults.Add(t.doc.whole("it has no header; the first line names the columns"))
	}
}

// separator returns what separates the header's cells.
func separator(lines []string) rune {
	for _, line := range lines {
		if line == "" || line[0] == '#' {
			continue
		}
		best := ','
		for _, c := range ";\t" {
			if strings.Count(line, string(c)) > strings.Count(line, string(best)) {
				best = c
			}
		}
		return best
	}
	return ','
}

// syntax turns the reader's error into a fault.
func (t *table) syntax(err error) {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		t.faults.Add(t.doc.whole("%v", err))
		return
	}
	line, column := t.place(p.Line, p.Column)
	t.faults.Add(t.doc.at(line, column, "not a table: "+p.Err.Error(), `put a cell with quotes in quotes and double those within, "4"" pipe"`))
}

// place turns a column counted in bytes into one counted in characters.
func (t *table) place(line, column int) (int, int) {
	if line < 1 || line > len(t.doc.lines) {
		return line, column
	}
	s := t.doc.lines[line-1]
	return line, utf8.RuneCountInString(s[:min(max(column-1, 0), len(s))]) + 1
}

// header reads the names of the columns.
func (t *table) header(record []string, at func(int) (int, int)) {
	seen := make(map[string]int)
	for i, cell := range record {
		h := head{}
		h.line, h.column = at(i)
		name := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(cell)))
		if h.empty = name == ""; !h.empty {
			key, fix, ok := t.rows.Column(name)
			if !ok {
				t.faults.Add(t.doc.at(h.line, h.column, "unknown column "+quote(cell), fix))
			} else if first, twice := seen[key]; twice && key != "" {
				t.faults.Add(t.doc.at(h.line, h.column, fmt.Sprintf("column %s stands twice, first as number %d", quote(cell), first+1), "remove one"))
			} else if key != "" {
				seen[key] = i
				h.key = key
			}
		}
		t.heads = append(t.heads, h)
	}
}

// row makes a section of one row.
func (t *table) row(record []string, at func(int) (int, int)) {
	n := &node{kind: mapping, size: 1}
	line, column := at(0)
	n.line, n.column = int32(line), int32(column)
	for i, cell := range record {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		line, column := at(i)
		if i >= len(t.heads) || t.heads[i].empty {
			t.faults.Add(t.doc.at(line, column, fmt.Sprintf("cell %s stands below no header", quote(cell)), "name the column, or put a cell that holds the separator in quotes"))
			continue
		}
		h := &t.heads[i]
		if h.key == "" {
			continue
		}
		key := h.key
		if t.rows.Key != nil {
			key = t.rows.Key(key, cell)
		}
		value := &node{kind: scalar, size: 1, text: cell, word: wordOf(cell), line: int32(line), column: int32(column)}
		if !n.set(strings.Split(key, "."), h, value) {
			t.faults.Add(t.doc.at(line, column, fmt.Sprintf("%s is a value and a group of values at once", quote(key)), "keep one of the columns"))
		}
	}
	if len(n.entries) > 0 {
		t.out = append(t.out, Section{doc: t.doc, node: n, line: int(n.line), column: int(n.column)})
	}
}

// set puts value at path below n, and reports whether there was room. Keys stand at their header.
func (n *node) set(path []string, h *head, value *node) bool {
	e := n.find(path[0])
	switch {
	case e == nil && len(path) == 1:
		n.entries = append(n.entries, entry{key: path[0], line: int32(h.line), column: int32(h.column), value: value})
		return true
	case len(path) == 1 || e != nil && e.value.kind != mapping:
		return false
	case e == nil:
		n.entries = append(n.entries, entry{key: path[0], line: int32(h.line), column: int32(h.column), value: &node{kind: mapping, size: 1, line: value.line, column: value.column}})
		e = &n.entries[len(n.entries)-1]
	}
	return e.value.set(path[1:], h, value)
}
