package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits bound what a file may cost. The zero value of each field stands for the one of DefaultLimits.
type Limits struct {
	Bytes  int // of the file
	Depth  int // of nested mappings and lists
	Values int // mappings, lists and single values, aliases expanded
}

// DefaultLimits returns what a configuration written by people or their tools needs: 32 MiB, nesting of 32, four million values.
func DefaultLimits() Limits { return Limits{Bytes: 32 << 20, Depth: 32, Values: 4 << 20} }

func (l Limits) filled() Limits {
	d := DefaultLimits()
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Values <= 0 {
		l.Values = d.Values
	}
	return l
}

// document is a parsed file: what sections share. It is immutable once parsed, but for types.
type document struct {
	file  string                   // as the caller named it
	dir   string                   // what relative paths start from
	find  func(path string) string // where a path leads, as it is written; nil for dir
	lines []string
	parts []part // of a composite, which has no lines of its own
	root  *node
	// pending is what was wrong while reading but leaves a tree that can be decoded. It
	// comes with the root's Decode, so that all faults come at once.
	pending error

	mu    sync.Mutex
	types map[reflect.Type]*layout // of structs decoded so far
}

func newTypes() map[reflect.Type]*layout { return make(map[reflect.Type]*layout) }

// Load reads the file at path. Its error names the file, and the place where there is one.
func Load(path string, l Limits) (*Section, error) {
	l = l.filled()
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(l.Bytes)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", path, err)
	}
	return Parse(path, text, l)
}

// Parse reads text as the content of file, whose name it only quotes; relative paths start from its folder.
func Parse(file string, text []byte, l Limits) (*Section, error) { return ParseIn(file, text, l, nil) }

// ParseIn is Parse of a file that is not yet where it will be used: find gets each path as it is written, relative ones too, and
// returns where it leads now. nil is Parse.
func ParseIn(file string, text []byte, l Limits, find func(path string) string) (*Section, error) {
	l = l.filled()
	d := &document{file: file, dir: filepath.Dir(file), find: find, types: newTypes()}
	if len(text) > l.Bytes {
		return nil, d.whole("it is longer than %s", Size(l.Bytes))
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	d.lines = strings.Split(string(text), "\n")
	if err := d.checkText(); err != nil {
		return nil, err
	}
	root, err := d.parse(string(text), l)
	if err != nil {
		return nil, err
	}
	d.root = root
	switch root.kind {
	case null:
		return nil, d.whole("it holds no setting")
	case mapping:
		return &Section{doc: d, node: root, line: int(root.line), column: int(root.column)}, nil
	}
	return nil, d.fault(root, "the file is "+root.kind.String(), "a mapping of keys to values is wanted")
}

// checkText refuses what is not text, before the parser meets it.
func (d *document) checkText() error {
	for i, line := range d.lines {
		column := 1
		for j, r := range line {
			_, size := utf8.DecodeRuneInString(line[j:])
			if r == utf8.RuneError && size == 1 {
				return d.at(i+1, column, "a byte that is not UTF-8", "save the file as UTF-8")
			}
			if r < ' ' && r != '\t' || r == 0x7f {
				return d.at(i+1, column, fmt.Sprintf("control character U+%04X", r), "remove it")
			}
			column++
		}
	}
	return nil
}

// parse turns text into nodes. The parser is foreign: what it panics on is a fault of the file.
func (d *document) parse(text string, l Limits) (root *node, err error) {
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, d.whole("it cannot be read as YAML: the parser gave up (%v)", p)
		}
	}()
	tokens := lexer.Tokenize(text)
	if err := d.checkTokens(tokens, l); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, d.syntax(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return nil, d.atToken(doc.Start, "a second document begins", "one file holds one document; remove the ---")
		}
		body = doc.Body
	}
	r := reader{doc: d, limits: l, anchors: make(map[string]*node)}
	root = r.read(body, 0)
	if r.unbounded {
		return nil, r.faults.Err()
	}
	d.pending = r.faults.Err()
	return root, nil
}

// syntaxFix says what to do about what the parser found; the parser's own words stay, for those who look them up.
func syntaxFix(message string) (problem, fix string) {
	for _, known := range []struct{ part, problem, fix string }{
		{"\t", "a tab in the indentation", "indent with spaces"},
		{"could not find end character", message, "close the quote that is opened here"},
		{"',' or '}' must", message, "a { above is not closed, or a comma is missing"},
		{"',' or ']' must", message, "a [ above is not closed, or a comma is missing"},
		{"non-map value is specified", message, "write the line as key: value, with a blank behind the colon"},
		{"mapping value is not allowed", message, "look at the indentation of the next lines; a text that holds \": \" stands in quotes"},
		{"value is not allowed in this context", message, "indent the line as those beside it"},
	} {
		if strings.Contains(message, known.part) {
			return known.problem, known.fix
		}
	}
	return message, ""
}

// syntax turns the parser's error into a fault at its place.
func (d *document) syntax(err error) error {
	var y yaml.Error
	if errors.As(err, &y) {
		problem, fix := syntaxFix(y.GetMessage())
		return d.atToken(y.GetToken(), "not YAML: "+problem, fix)
	}
	return d.whole("not YAML: %v", err)
}

// whole returns a fault of the file as a whole.
func (d *document) whole(format string, args ...any) *Fault {
	return &Fault{File: d.file, Problem: fmt.Sprintf(format, args...)}
}

// at returns a fault at a place.
func (d *document) at(line, column int, problem, fix string) *Fault {
	d, line = d.origin(line)
	f := &Fault{File: d.file, Line: max(line, 1), Column: max(column, 1), Problem: problem, Fix: fix}
	if f.Line <= len(d.lines) {
		f.Text = d.lines[f.Line-1]
	}
	return f
}

func (d *document) fault(n *node, problem, fix string) *Fault {
	return d.at(int(n.line), int(n.column), problem, fix)
}

func (d *document) atToken(t *token.Token, problem, fix string) *Fault {
	if t == nil || t.Position == nil {
		return d.whole("%s", problem)
	}
	return d.at(t.Position.Line, t.Position.Column, problem, fix)
}
