package command

import (
	"log/slog"
	"os"

	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/firmware/rauc"
	"github.com/courtside-edge/courtside/firmware/slot"
)

// thisImage is what updates the image that this machine runs on.
func thisImage(log *slog.Logger) gateway.Image {
	root, net := os.DirFS("/"), os.DirFS("/sys/class/net")
	if _, err := slot.Read(root); err != nil {
		log.Warn("what image this machine runs cannot be read; it counts as none", "err", err)
	}
	machine := func() slot.Machine {
		m, err := slot.Read(root)
		if err != nil {
			return slot.Machine{}
		}
		return m
	}
	return gateway.Image{Machine: machine, Installer: &rauc.Client{}, Wires: func() slot.Wires { return slot.ReadWires(net) }}
}
