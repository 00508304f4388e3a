package opcua

import (
	"strings"
	"testing"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/sync/point"
)

func TestExpand(t *testing.T) {
	for template, want := range map[string]string{
		"ns=2;s=Panel.1":           "ns=2;s=Panel.1",
		"ns=2;s=p.{n}":             "ns=2;s=p.7",
		"ns=2;i={n}":               "ns=2;i=7",
		"s={n:03}.{n:01}":          "s=007.7",
		"s=Sec{2}.{3}.{4}":         "s=Sec101.a.12",
		"s={{{1}}}":                "s={seat}",
		"{n}{n}":                   "77",
		"ns=3;s=\"DB\".\"x[{n}]\"": "ns=3;s=\"DB\".\"x[7]\"",
	} {
		if got, err := expand(template, 7, "seat/101/a/12"); err != nil || got != want {
			t.Errorf("expand(%q) = %q, %v; want %q", template, got, err, want)
		}
	}
}

func TestParseNodeResolves(t *testing.T) {
	namespaces := []string{"http://opcfoundation.org/UA/", "urn:a", "urn:b;c"}
	for s, want := range map[string]*ua.NodeID{
		"i=85":              ua.NewNumericNodeID(0, 85),
		"ns=2;i=4294967295": ua.NewNumericNodeID(2, 4294967295),
		"ns=2;s=a;b=c":      ua.NewStringNodeID(2, "a;b=c"),
		"s=ns=2;s=x":        ua.NewStringNodeID(0, "ns=2;s=x"),
		"nsu=urn:a;s=x":     ua.NewStringNodeID(1, "x"),
		"nsu=urn:b%3Bc;s=x": ua.NewStringNodeID(2, "x"),
		"ns=1;b=AQI=":       ua.NewByteStringNodeID(1, []byte{1, 2}),
		"ns=1;g=01234567-89ab-cdef-0123-456789ABCDEF": ua.NewGUIDNodeID(1, "01234567-89ab-cdef-0123-456789abcdef"),
	} {
		n, err := parseNode(s)
		if err != nil {
			t.Errorf("parseNode(%q): %v", s, err)
			continue
		}
		if got, err := n.resolve(namespaces); err != nil || got.String() != want.String() {
			t.Errorf("%q is %v, %v; want %v", s, got, err, want)
		}
	}
	n, err := parseNode("nsu=urn:none;s=x")
	if err != nil {
		t.Fatal(err)
	}
	if id, err := n.resolve(namespaces); err == nil {
		t.Errorf("a namespace that the server does not have became %v", id)
	}
}

// Whatever is written, a node id that is accepted can be sent, and means what gopcua says it means.
func FuzzNode(f *testing.F) {
	for _, s := range []string{"ns=1;s=p.{n}", "nsu=urn:a;i={n:03}", "g=01234567-89ab-cdef-0123-456789abcdef", "b=AQI=", "ns=1;s={1}{{}}", "ns=65535;i=0", "{", "}", "{9}"} {
		f.Add(s, int64(1), "seat/101")
	}
	f.Fuzz(func(t *testing.T, template string, number int64, name string) {
		text, err := expand(template, number, point.Name(name))
		if err != nil {
			return
		}
		n, err := parseNode(text)
		if err != nil {
			return
		}
		id, err := n.resolve([]string{"", "urn:a"})
		if err != nil {
			return
		}
		if _, err := ua.Encode(id); err != nil {
			t.Errorf("%q cannot be sent: %v", text, err)
		}
		if n.uri == "" && !strings.HasPrefix(text, "ns=0") {
			want, err := ua.ParseNodeID(text)
			if err == nil && want.String() != id.String() {
				t.Errorf("%q is %v, gopcua reads %v", text, id, want)
			}
		}
	})
}
