package opcuaserver

import (
	"fmt"
	"strings"

	"github.com/gopcua/opcua/ua"
)

// handle answers one request. A nil response without an error means that the answer comes later.
func (c *connection) handle(req ua.Request, id uint32) (ua.Response, error) {
	s := c.run.srv
	s.mu.Lock()
	refused := s.refused[serviceName(req)]
	s.mu.Unlock()
	if refused {
		return nil, ua.StatusBadServiceUnsupported
	}
	switch req := req.(type) {
	case *ua.GetEndpointsRequest:
		return c.getEndpoints(req)
	case *ua.FindServersRequest:
		return &ua.FindServersResponse{
			ResponseHeader: header(req, ua.StatusOK),
			Servers:        []*ua.ApplicationDescription{s.endpoints(c.run.url())[0].Server},
		}, nil
	case *ua.CreateSessionRequest:
		return c.createSession(req)
	case *ua.ActivateSessionRequest:
		return c.activateSession(req)
	case *ua.CloseSessionRequest:
		return c.closeSession(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[token(req)]
	switch {
	case sess == nil:
		return nil, ua.StatusBadSessionIDInvalid
	case !sess.active:
		return nil, ua.StatusBadSessionNotActivated
	}
	return c.handleInSession(sess, req, id)
}

// handleInSession answers what needs an active session; s.mu is held.
func (c *connection) handleInSession(sess *session, req ua.Request, id uint32) (ua.Response, error) {
	s := c.run.srv
	switch req := req.(type) {
	case *ua.ReadRequest:
		return s.serveRead(req)
	case *ua.BrowseRequest:
		return s.serveBrowse(req)
	case *ua.BrowseNextRequest:
		return s.serveBrowseNext(req)
	case *ua.RegisterNodesRequest:
		return &ua.RegisterNodesResponse{ResponseHeader: header(req, ua.StatusOK), RegisteredNodeIDs: req.NodesToRegister}, nil
	case *ua.CreateSubscriptionRequest:
		return c.createSubscription(sess, req)
	case *ua.DeleteSubscriptionsRequest:
		return s.deleteSubscriptions(sess, req)
	case *ua.TransferSubscriptionsRequest:
		return s.transferSubscriptions(sess, req)
	case *ua.CreateMonitoredItemsRequest:
		return s.createMonitoredItems(sess, req)
	case *ua.DeleteMonitoredItemsRequest:
		return s.deleteMonitoredItems(sess, req)
	case *ua.PublishRequest:
		return c.publish(sess, req, id)
	case *ua.RepublishRequest:
		return s.republish(sess, req)
	}
	return nil, ua.StatusBadServiceUnsupported
}

// serviceName returns "Read" for a *ua.ReadRequest.
func serviceName(req ua.Request) string {
	name := fmt.Sprintf("%T", req)
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "Request")
}
