package probe

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/sync/point"
)

// OPCUA is what to ask an OPC UA server.
type OPCUA struct {
	Endpoint string            // opc.tcp://host:4840
	Options  map[string]string // further options of the driver
}

func (o OPCUA) options() string {
	text := fmt.Sprintf("endpoint: %q\nmode: poll\n", o.Endpoint)
	keys := make([]string, 0, len(o.Options))
	for k := range o.Options {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		text += k + ": " + o.Options[k] + "\n" // a mapping such as security={policy: Basic256Sha256} is YAML's own short form
	}
	return text
}

// Browse prints the nodes right below from; "" stands for the server's Objects folder.
func (o OPCUA) Browse(ctx context.Context, w io.Writer, from string) error {
	d, _, err := device(o.options(), nil)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "NODE\tNAME\tHOLDS\n")
	n := 0
	err = opcua.Browse(ctx, d, from, func(node opcua.Node) bool {
		holds := "nodes"
		if node.Variable {
			holds = "a value"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", node.ID, node.Name, holds)
		n++
		return ctx.Err() == nil
	})
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(t, "%d nodes\n", n)
	return t.Flush()
}

// Read prints the values of nodes, each as the first type that fits it.
func (o OPCUA) Read(ctx context.Context, w io.Writer, driver drivers.Driver, nodes []string) error {
	types := []point.Type{point.Bool, point.Int, point.Float, point.Text}
	var groups []group
	for _, n := range nodes {
		for _, t := range types {
			groups = append(groups, group{t, 1, fmt.Sprintf("node: %q\n", n)})
		}
	}
	all, err := read(ctx, driver, o.options(), groups)
	if err != nil {
		return failed(err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "NODE\tTYPE\tVALUE\tQUALITY\n")
	for i, n := range nodes {
		kind, value, quality := fitting(types, all[i*len(types):])
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", n, kind, value, quality)
	}
	return t.Flush()
}

// fitting returns the first reading that is not bad, and the type that it is of.
func fitting(types []point.Type, all []Reading) (kind, value, quality string) {
	for k, t := range types {
		r := all[k]
		if !r.Seen || r.Quality.IsBad() {
			continue
		}
		switch t {
		case point.Bool:
			value = strconv.FormatBool(r.Bits != 0)
		case point.Float:
			value = strconv.FormatFloat(math.Float64frombits(r.Bits), 'g', -1, 64)
		case point.Text:
			value = strconv.Quote(r.Text)
		default:
			value = strconv.FormatInt(int64(r.Bits), 10)
		}
		return t.String(), value, r.Quality.String()
	}
	return "?", "–", all[0].Quality.String()
}
