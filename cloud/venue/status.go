package venue

import (
	"encoding/json"
	"errors"

	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/sync/wire"
)

var errStatus = errors.New("names another gateway")

func (v *Venue) applyStatus(g *gateway, r log.Record) {
	var st wire.Status
	err := json.Unmarshal(r.Payload, &st)
	if err == nil && (st.Gateway != g.id || st.Venue != v.o.ID) {
		err = errStatus
	}
	if err != nil {
		v.setAside(g, r, "malformed-status", err.Error())
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// A half-open old session's will may fire after the new birth: a death counts for its own session only.
	if st.State == "death" && g.status.Session != "" && st.Session != g.status.Session {
		return
	}
	if st.State == "death" {
		last := g.status
		last.State, last.Reason, last.Session, last.Gateway, last.Venue = "death", st.Reason, st.Session, st.Gateway, st.Venue
		st = last
	}
	g.status, g.statusAt = st, r.Received
	v.touch()
}
