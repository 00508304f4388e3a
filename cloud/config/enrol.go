package config

import (
	"net"

	"github.com/courtside-edge/courtside/sync/join"
	"github.com/courtside-edge/courtside/sync/settings"
)

// checkEnrol refuses an enrolment that lacks something, or that no gateway could reach.
func checkEnrol(root *settings.Section, f *file, faults *settings.Faults) {
	e := &f.Enrol
	if !root.Has("enrol") {
		return
	}
	if e.Listen == "" {
		faults.Add(root.Fault("enrol", "listen is missing; give host:port, such as 0.0.0.0:8885, or take the section out for no enrolment"))
		return
	}
	if e.AuthorityCert == "" || e.AuthorityKey == "" {
		faults.Add(root.Fault("enrol", "authority_cert and authority_key are both needed; aggregator authority create DIR makes them"))
	}
	host, _, err := net.SplitHostPort(e.Listen)
	switch ip := net.ParseIP(host); {
	case err != nil:
		faults.Add(root.Fault("enrol.listen", "%q is not host:port; write 0.0.0.0:8885", e.Listen))
	case e.Address != "":
		if err := join.CheckAddress(e.Address); err != nil {
			faults.Add(root.Fault("enrol.address", "%v; name what gateways dial, such as cloud.example:8885", err))
		}
	case host == "" || ip != nil && ip.IsUnspecified():
		faults.Add(root.Fault("enrol", "address is missing: nobody can dial %s; name what gateways dial, such as cloud.example:8885", e.Listen))
	}
}
