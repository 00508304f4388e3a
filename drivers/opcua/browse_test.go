package opcua_test

import (
	"fmt"
	"testing"

	"github.com/courtside-edge/courtside/drivers/devicetest/opcuaserver"
	"github.com/courtside-edge/courtside/drivers/opcua"
)

func TestBrowse(t *testing.T) {
	s := startServer(t, opcuaserver.Options{})
	const many = 1200 // more than two pages
	for i := range many {
		if err := s.Declare(fmt.Sprintf("ns=1;s=p.%d", i), opcuaserver.Int16); err != nil {
			t.Fatal(err)
		}
	}
	var l logs
	d := deviceOf("endpoint: "+s.Endpoint(), l.logger())
	var all []opcua.Node
	if err := opcua.Browse(t.Context(), d, "", func(n opcua.Node) bool { all = append(all, n); return true }); err != nil {
		t.Fatal(err)
	}
	if len(all) != many || all[many-1] != (opcua.Node{ID: "ns=1;s=p.1199", Name: "p.1199", Variable: true}) {
		t.Errorf("%d nodes, the last is %+v", len(all), all[len(all)-1])
	}
	all = nil
	if err := opcua.Browse(t.Context(), d, "i=84", func(n opcua.Node) bool { all = append(all, n); return false }); err != nil || len(all) != 1 || all[0].Variable {
		t.Errorf("the root holds %+v, %v", all, err)
	}
	for _, from := range []string{"ns=1;s=none", "nonsense", "nsu=urn:none;s=a"} {
		if err := opcua.Browse(t.Context(), d, from, func(opcua.Node) bool { return true }); err == nil {
			t.Errorf("browsing from %q works", from)
		}
	}
}
