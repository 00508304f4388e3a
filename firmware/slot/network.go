package slot

import (
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Wires is what the machine's own network interfaces say: those with a device behind them, not bridges, VLANs or loopback.
type Wires struct {
	Interfaces []string // all, in order
	Carriers   []string // those with a carrier: something at the other end of the wire is on
	Heard      uint64   // frames received since the boot, of all
}

// ReadWires reads the interfaces from the folder class/net of sysfs. What cannot be read is not there.
func ReadWires(net fs.FS) Wires {
	var w Wires
	entries, err := fs.ReadDir(net, ".")
	if err != nil {
		return w
	}
	for _, e := range entries {
		if _, err := fs.Stat(net, e.Name()+"/device"); err != nil {
			continue
		}
		w.Interfaces = append(w.Interfaces, e.Name())
		if firstWord(net, e.Name()+"/carrier") == "1" {
			w.Carriers = append(w.Carriers, e.Name())
		}
		n, _ := strconv.ParseUint(firstWord(net, e.Name()+"/statistics/rx_packets"), 10, 64)
		w.Heard += n
	}
	slices.Sort(w.Interfaces)
	slices.Sort(w.Carriers)
	return w
}

// firstWord returns the first word of a small file, empty when it cannot be read: the carrier of an interface that is down is an error.
func firstWord(fsys fs.FS, name string) string {
	f, err := fsys.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return ""
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(raw)), " ")
	return word
}

// Network is the state of the wires, compared with those that the old version had.
type Network uint8

// The states of the wires.
const (
	NetworkOn   Network = iota // as many carriers as before, and frames come
	NetworkOff                 // fewer carriers than before, or nothing is heard
	NetworkGone                // fewer interfaces than before: the kernel knows less hardware than the old one did
)

// String returns the state as people read it.
func (n Network) String() string {
	switch n {
	case NetworkOff:
		return "off"
	case NetworkGone:
		return "gone"
	}
	return "on"
}

// Compare returns the network's state now, where the old version had what was says.
func (w Wires) Compare(was Seen) Network {
	switch {
	case len(w.Interfaces) < len(was.Interfaces):
		return NetworkGone
	case len(w.Carriers) == 0 || len(w.Carriers) < len(was.Carriers) || w.Heard == 0:
		return NetworkOff
	}
	return NetworkOn
}
