package led

import "github.com/courtside-edge/courtside/firmware/diag"

// Judge returns what a gateway's status looks like.
func Judge(s diag.Status) Pattern {
	if s.Waiting != "" {
		return Waiting
	}
	failing := 0
	for _, d := range s.Devices {
		if d.State == "down" || d.State == "failed" { // one that connects for the first time has not failed yet
			failing++
		}
	}
	switch {
	case len(s.Problems) > 0, failing > 0 && failing == len(s.Devices):
		return Failing
	case failing > 0:
		return Degraded
	case s.Link.State != "up":
		return Offline
	}
	return Online
}
