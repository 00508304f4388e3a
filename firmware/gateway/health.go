package gateway

import "github.com/courtside-edge/courtside/sync/point"

// health says what the gateway does not do of what it promises. A link that is down is no such thing: that is what the spool is for.
func (g *Gateway) health() (problems []string) {
	for _, l := range []point.Lane{point.Critical, point.Telemetry} {
		if err := g.keeper.Trouble(l); err != nil {
			problems = append(problems, l.String()+" lane: "+err.Error())
		}
	}
	if g.telemetry == nil {
		problems = append(problems, "telemetry lane: its store could not be opened; telemetry is kept in RAM alone")
	}
	return problems
}

// laneTrouble is what the lane's status says.
func (g *Gateway) laneTrouble(l point.Lane) string {
	if err := g.keeper.Trouble(l); err != nil {
		return err.Error()
	}
	return ""
}
