package opcuaserver

import (
	"encoding/binary"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// serveRead answers a Read; s.mu is held.
func (s *Server) serveRead(req *ua.ReadRequest) (ua.Response, error) {
	if len(req.NodesToRead) == 0 {
		return nil, ua.StatusBadNothingToDo
	}
	if most := s.opts.MaxItemsPerCall; most > 0 && len(req.NodesToRead) > most {
		return nil, ua.StatusBadTooManyOperations
	}
	s.counts.Reads++
	results := make([]*ua.DataValue, len(req.NodesToRead))
	for i, r := range req.NodesToRead {
		v := s.attribute(r.NodeID, r.AttributeID)
		results[i] = &v
	}
	return &ua.ReadResponse{ResponseHeader: header(req, ua.StatusOK), Results: results}, nil
}

// attribute returns one attribute of a node; s.mu is held.
func (s *Server) attribute(nid *ua.NodeID, a ua.AttributeID) ua.DataValue {
	key := nid.String()
	if a == ua.AttributeIDValue {
		if nid.Namespace() == 0 {
			return s.standard(nid)
		}
		return s.read(key)
	}
	n := s.nodes[key]
	if n == nil {
		return dataValue(nil, ua.StatusBadNodeIDUnknown, time.Time{})
	}
	var v any
	switch a {
	case ua.AttributeIDNodeID:
		v = n.id
	case ua.AttributeIDNodeClass:
		v = int32(ua.NodeClassVariable)
	case ua.AttributeIDBrowseName:
		v = &ua.QualifiedName{NamespaceIndex: nid.Namespace(), Name: name(n.id)}
	case ua.AttributeIDDisplayName:
		v = ua.NewLocalizedText(name(n.id))
	case ua.AttributeIDDataType:
		v = ua.NewNumericNodeID(0, uint32(n.typ))
	case ua.AttributeIDValueRank:
		v = int32(-1)
	case ua.AttributeIDAccessLevel, ua.AttributeIDUserAccessLevel:
		v = byte(ua.AccessLevelTypeCurrentRead)
	default:
		return dataValue(nil, ua.StatusBadAttributeIDInvalid, time.Time{})
	}
	return dataValue(ua.MustVariant(v), ua.StatusOK, time.Time{})
}

// standard returns the few values of namespace 0 that clients ask for; s.mu is held.
func (s *Server) standard(nid *ua.NodeID) ua.DataValue {
	var v any
	switch nid.IntID() {
	case id.Server_NamespaceArray:
		v = s.namespaces
	case id.Server_ServerStatus_State:
		v = int32(ua.ServerStateRunning)
	case id.Server_ServerStatus_CurrentTime:
		v = time.Now()
	case id.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
		id.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall:
		if s.opts.HideLimits {
			return dataValue(nil, ua.StatusBadNodeIDUnknown, time.Time{})
		}
		v = uint32(s.opts.MaxItemsPerCall)
	default:
		return dataValue(nil, ua.StatusBadNodeIDUnknown, time.Time{})
	}
	return dataValue(ua.MustVariant(v), ua.StatusOK, time.Now())
}

// serveBrowse answers a Browse: Root holds Objects, Objects holds every node; s.mu is held.
func (s *Server) serveBrowse(req *ua.BrowseRequest) (ua.Response, error) {
	results := make([]*ua.BrowseResult, len(req.NodesToBrowse))
	for i, d := range req.NodesToBrowse {
		results[i] = s.browse(d.NodeID, 0, int(req.RequestedMaxReferencesPerNode))
	}
	return &ua.BrowseResponse{ResponseHeader: header(req, ua.StatusOK), Results: results}, nil
}

// serveBrowseNext goes on from a continuation point, which holds the offset and the most references at a time.
func (s *Server) serveBrowseNext(req *ua.BrowseNextRequest) (ua.Response, error) {
	results := make([]*ua.BrowseResult, len(req.ContinuationPoints))
	for i, p := range req.ContinuationPoints {
		if len(p) != 8 {
			results[i] = &ua.BrowseResult{StatusCode: ua.StatusBadContinuationPointInvalid}
			continue
		}
		if req.ReleaseContinuationPoints {
			results[i] = &ua.BrowseResult{}
			continue
		}
		offset, most := binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:])
		results[i] = s.browse(ua.NewNumericNodeID(0, id.ObjectsFolder), int(offset), int(most))
	}
	return &ua.BrowseNextResponse{ResponseHeader: header(req, ua.StatusOK), Results: results}, nil
}

func (s *Server) browse(nid *ua.NodeID, offset, most int) *ua.BrowseResult {
	switch {
	case nid.Namespace() == 0 && nid.IntID() == id.RootFolder:
		return &ua.BrowseResult{References: []*ua.ReferenceDescription{
			reference(ua.NewNumericNodeID(0, id.ObjectsFolder), "Objects", ua.NodeClassObject, id.FolderType),
		}}
	case nid.Namespace() == 0 && nid.IntID() == id.ObjectsFolder:
	case s.nodes[nid.String()] != nil:
		return &ua.BrowseResult{}
	default:
		return &ua.BrowseResult{StatusCode: ua.StatusBadNodeIDUnknown}
	}
	keys := s.order[min(offset, len(s.order)):]
	var r ua.BrowseResult
	if most > 0 && len(keys) > most {
		keys = keys[:most]
		r.ContinuationPoint = make([]byte, 8)
		binary.LittleEndian.PutUint32(r.ContinuationPoint, uint32(offset+most))
		binary.LittleEndian.PutUint32(r.ContinuationPoint[4:], uint32(most))
	}
	for _, key := range keys {
		n := s.nodes[key]
		r.References = append(r.References, reference(n.id, name(n.id), ua.NodeClassVariable, id.BaseDataVariableType))
	}
	return &r
}

func reference(nid *ua.NodeID, name string, class ua.NodeClass, definition uint32) *ua.ReferenceDescription {
	return &ua.ReferenceDescription{
		ReferenceTypeID: ua.NewNumericNodeID(0, id.Organizes),
		IsForward:       true,
		NodeID:          &ua.ExpandedNodeID{NodeID: nid},
		BrowseName:      &ua.QualifiedName{NamespaceIndex: nid.Namespace(), Name: name},
		DisplayName:     ua.NewLocalizedText(name),
		NodeClass:       class,
		TypeDefinition:  ua.NewNumericExpandedNodeID(0, definition),
	}
}

func name(nid *ua.NodeID) string {
	if s := nid.StringID(); s != "" {
		return s
	}
	return nid.String()
}
