package config

import (
	"fmt"
	"net"
	"os"

	"github.com/courtside-edge/courtside/sync/settings"
)

// Updates says where gateways read updates of their images.
type Updates struct {
	Listen     string        `yaml:"listen"` // empty for nowhere
	Dir        settings.Path `yaml:"dir"`    // holds files whose names end in .raucb
	MaxClients int           `yaml:"max_clients" min:"1" max:"10000"`
}

// checkUpdates refuses a place for updates that lacks something.
func checkUpdates(root *settings.Section, u *Updates, faults *settings.Faults) {
	if !root.Has("updates") {
		return
	}
	if _, _, err := net.SplitHostPort(u.Listen); err != nil {
		faults.Add(root.Fault("updates", "listen: %q is not host:port; write 0.0.0.0:8884, or take the section out for no updates", u.Listen))
	}
	info, err := os.Stat(string(u.Dir))
	switch {
	case u.Dir == "":
		faults.Add(root.Fault("updates", "dir is missing; name the folder that holds the updates"))
		return
	case err == nil && !info.IsDir():
		err = fmt.Errorf("%s is not a folder", u.Dir)
	}
	if err != nil {
		faults.Add(root.Fault("updates.dir", "the folder of the updates cannot be used: %v", err))
	}
}
