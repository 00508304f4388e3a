package modbus

import (
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/sync/point"
)

// encoding is one row of testdata/libmodbus.csv, which a program wrote that is linked with libmodbus (tools/acceptance/peers asks it
// again): what a source says, the value, the registers that hold it, and who says so.
type encoding struct{ typ, words, bytes, value, registers, by string }

func encodings(t *testing.T) []encoding {
	t.Helper()
	f, err := os.Open("testdata/libmodbus.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]encoding, 0, len(records))
	for _, r := range records {
		all = append(all, encoding{r[0], r[1], r[2], r[3], r[4], r[5]})
	}
	return all
}

// read returns the value in e's registers, as the table writes it.
func (e encoding) read(t *testing.T) string {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(e.registers, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	name, parameter, _ := strings.Cut(e.typ, " ")
	typ, err := parseType(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := typ.shape
	s.littleWords, s.littleBytes = e.words == "little", e.bytes == "little"
	if s.kind == text {
		return string(s.trimmed(data, make([]byte, len(data))))
	}
	if s.kind == bitOf {
		bit, err := strconv.Atoi(parameter)
		if err != nil {
			t.Fatal(err)
		}
		s.bit = uint8(bit)
	}
	v, q := s.value(data)
	if q != point.Good {
		return q.String()
	}
	switch p := (&point.Point{Type: typ.point, Scale: 1}); typ.point {
	case point.Bool:
		return strconv.FormatBool(v != 0)
	case point.Float:
		digits := map[uint8]int{2: 9, 4: 17}[s.width]
		return strconv.FormatFloat(p.Number(v), 'g', digits, 64)
	}
	return strconv.FormatInt(int64(v), 10)
}

func TestReadsWhatLibmodbusEncodes(t *testing.T) {
	rows, types := encodings(t), map[string]bool{}
	for _, e := range rows {
		name, _, _ := strings.Cut(e.typ, " ")
		types[name] = true
		if got := e.read(t); got != e.value {
			t.Errorf("%+v reads %s", e, got)
		}
	}
	for _, typ := range typeNames {
		if !types[typ.name] {
			t.Errorf("libmodbus was not asked about %s", typ.name)
		}
	}
}

// TestDocumentedTable keeps the table of docs/drivers.md.
func TestDocumentedTable(t *testing.T) {
	const path, begin, end = "../../docs/drivers.md", "<!-- libmodbus: UPDATE_DOCS=1 go test ./drivers/modbus -run DocumentedTable -->\n", "<!-- /libmodbus -->\n"
	var b strings.Builder
	b.WriteString("\n| `type` | `word_order` | `byte_order` | registers | value | by libmodbus' |\n|---|---|---|---|---|---|\n")
	for _, e := range encodings(t) {
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` | %s | %s |\n", e.typ, e.words, e.bytes, e.registers, e.value, e.by)
	}
	b.WriteString("\n")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(strings.ReplaceAll(string(raw), "\r\n", "\n"), begin)
	table, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", path)
	}
	if table == b.String() {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("the table of %s is not what the driver was checked against; run this test with UPDATE_DOCS=1", path)
	}
	if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
