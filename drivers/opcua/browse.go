package opcua

import (
	"context"
	"errors"
	"fmt"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
)

// Node is one node of a server's address space.
type Node struct {
	ID       string // as a point's source writes it
	Name     string // its display name
	Variable bool   // it has a value; otherwise it may hold other nodes
}

// browsePage is how many nodes a server is asked for at a time.
const browsePage = 500

// errStopped ends a walk that its reader has had enough of.
var errStopped = errors.New("stopped")

// Browse connects with the options of d, whose points do not matter, and yields the nodes right below the node from
// ("" for the server's Objects folder), until yield returns false.
func Browse(ctx context.Context, d drivers.Device, from string, yield func(Node) bool) error {
	d.Groups, d.Classes = nil, nil
	s, err := Driver{}.Prepare(d)
	if err != nil {
		return err
	}
	start := node{kind: 'i', num: id.ObjectsFolder}
	if from != "" {
		if start, err = parseNode(from); err != nil {
			return fmt.Errorf("browse from %q: %w", from, err)
		}
	}
	src := s.(*source)
	opening, cancel := context.WithTimeout(ctx, src.o.Timeout)
	defer cancel()
	c, err := src.open(opening)
	if err != nil {
		return &drivers.Error{Op: "connect to " + src.o.Endpoint, Failure: failureOf(err), Err: err}
	}
	defer c.Close()
	namespaces, err := c.askServer(opening)
	if err != nil {
		return err
	}
	nid, err := start.resolve(namespaces)
	if err != nil {
		return fmt.Errorf("browse from %q: %w", from, err)
	}
	if err := c.browse(ctx, nid, yield); err != nil && !errors.Is(err, errStopped) {
		return fmt.Errorf("browse from %v: %w", nid, err)
	}
	return nil
}

// browse yields what stands right below a node, page by page.
func (c *conn) browse(ctx context.Context, nid *ua.NodeID, yield func(Node) bool) error {
	resp, err := timed[*ua.BrowseResponse](ctx, c, &ua.BrowseRequest{
		View:                          &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)},
		RequestedMaxReferencesPerNode: browsePage,
		NodesToBrowse: []*ua.BrowseDescription{{
			NodeID: nid, BrowseDirection: ua.BrowseDirectionForward, IncludeSubtypes: true, ResultMask: uint32(ua.BrowseResultMaskAll),
			ReferenceTypeID: ua.NewNumericNodeID(0, id.HierarchicalReferences),
			NodeClassMask:   uint32(ua.NodeClassObject | ua.NodeClassVariable),
		}},
	})
	if err != nil {
		return err
	}
	results := resp.Results
	for {
		next, err := yieldPage(results, yield)
		if err != nil || len(next) == 0 {
			return err
		}
		more, err := timed[*ua.BrowseNextResponse](ctx, c, &ua.BrowseNextRequest{ContinuationPoints: [][]byte{next}})
		if err != nil {
			return err
		}
		results = more.Results
	}
}

// yieldPage yields one page and returns where the next begins.
func yieldPage(results []*ua.BrowseResult, yield func(Node) bool) (next []byte, err error) {
	if len(results) != 1 || results[0] == nil {
		return nil, fmt.Errorf("the server gave %d results", len(results))
	}
	if code := results[0].StatusCode; uint32(code)>>31 == 1 {
		return nil, code
	}
	for _, r := range results[0].References {
		if r == nil || r.NodeID == nil || r.NodeID.NodeID == nil {
			continue
		}
		n := Node{ID: ua.NewNodeIDFromExpandedNodeID(r.NodeID).String(), Variable: r.NodeClass == ua.NodeClassVariable}
		if r.DisplayName != nil {
			n.Name = r.DisplayName.Text
		}
		if !yield(n) {
			return nil, errStopped
		}
	}
	return results[0].ContinuationPoint, nil
}
