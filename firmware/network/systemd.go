package network

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mark stands in the names of the files that this package writes, so that it removes no other's.
const mark = "-courtside-"

// File is one file of systemd's.
type File struct {
	Name string // beside the folder of networkd's files or in it, such as network/10-courtside-end0.network
	Text string
}

// Files returns what systemd-networkd and systemd-timesyncd are to read. The keys are those of systemd.network(5), systemd.netdev(5) and
// timesyncd.conf(5) of systemd 252 and later.
func (p *Plan) Files() []File {
	var files []File
	for _, l := range p.Links {
		if l.VLAN != 0 {
			files = append(files, File{"network/10" + mark + l.name() + ".netdev", fmt.Sprintf("[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%d\n", l.name(), l.VLAN)})
		}
		files = append(files, File{l.file(), p.network(&l)})
	}
	for _, parent := range p.parents() { // which carries VLANs and nothing else
		l := Link{Interface: parent}
		files = append(files, File{l.file(), l.match() + "[Network]\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n" + p.vlans(&l)})
	}
	if len(p.NTP) > 0 {
		files = append(files, File{"timesyncd.conf.d/10" + mark + "ntp.conf", "[Time]\nNTP=" + strings.Join(p.NTP, " ") + "\n"})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// name is how the kernel calls the link, or the file when that is any wired one.
func (l *Link) name() string {
	switch {
	case l.VLAN != 0:
		return fmt.Sprintf("vlan%d", l.VLAN)
	case l.Interface != "":
		return l.Interface
	}
	return "wired"
}

// file is the link's own. Of several that match, systemd-networkd takes the first by name, so that the one for any wired interface comes last.
func (l *Link) file() string {
	if l.VLAN == 0 && l.Interface == "" {
		return "network/20" + mark + "wired.network"
	}
	return "network/10" + mark + l.name() + ".network"
}

// match names the interface; any wired one is Ethernet that is no virtual device.
func (l *Link) match() string {
	if l.VLAN == 0 && l.Interface == "" {
		return "[Match]\nType=ether\nKind=!*\n\n"
	}
	return "[Match]\nName=" + l.name() + "\n\n"
}

// vlans lists what stands on the link's interface.
func (p *Plan) vlans(on *Link) (lines string) {
	for _, l := range p.Links {
		if l.VLAN != 0 && on.VLAN == 0 && l.Interface == on.Interface {
			lines += "VLAN=" + l.name() + "\n"
		}
	}
	return lines
}

// network is the link's .network file.
func (p *Plan) network(l *Link) string {
	var b strings.Builder
	b.WriteString(l.match() + "[Network]\n")
	dhcp := !l.Address.IsValid()
	if dhcp {
		b.WriteString("DHCP=yes\n")
	} else {
		fmt.Fprintf(&b, "DHCP=no\nIPv6AcceptRA=no\nAddress=%s\n", l.Address)
	}
	for _, a := range l.DNS {
		fmt.Fprintf(&b, "DNS=%s\n", a)
	}
	b.WriteString(p.vlans(l))
	if !dhcp {
		if l.Gateway.IsValid() {
			fmt.Fprintf(&b, "\n[Route]\nGateway=%s\nMetric=%d\n", l.Gateway, l.Metric)
		}
		return b.String()
	}
	for _, section := range []string{"DHCPv4", "DHCPv6", "IPv6AcceptRA"} {
		fmt.Fprintf(&b, "\n[%s]\n", section)
		if section != "DHCPv6" { // which brings no route
			fmt.Fprintf(&b, "RouteMetric=%d\n", l.Metric)
			if l.NoGateway {
				b.WriteString("UseGateway=no\n")
			}
		}
		if section != "IPv6AcceptRA" {
			b.WriteString("UseHostname=no\n") // the gateway has its own
			if len(p.NTP) > 0 {
				b.WriteString("UseNTP=no\n")
			}
		}
		if len(l.DNS) > 0 {
			b.WriteString("UseDNS=no\n")
		}
	}
	return b.String()
}

// Write writes the plan's files to dir, which is /run/systemd/network on a device, and to timesyncd.conf.d beside it, and removes those of an
// earlier plan.
func (p *Plan) Write(dir string) error {
	files := p.Files()
	for folder, path := range folders(dir) {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("writing the network's files: %w", err)
		}
		present, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("writing the network's files: %w", err)
		}
		for _, e := range present {
			kept := slices.ContainsFunc(files, func(f File) bool { return f.Name == folder+"/"+e.Name() })
			if kept || !strings.Contains(e.Name(), mark) {
				continue
			}
			if err := os.Remove(filepath.Join(path, e.Name())); err != nil {
				return fmt.Errorf("removing a file of the network before: %w", err)
			}
		}
	}
	for _, f := range files { // read by other users: systemd-network, systemd-timesync
		folder, name, _ := strings.Cut(f.Name, "/")
		if err := os.WriteFile(filepath.Join(folders(dir)[folder], name), []byte(f.Text), 0o644); err != nil {
			return fmt.Errorf("writing the network's files: %w", err)
		}
	}
	return nil
}

// folders returns where the two kinds of files lie.
func folders(dir string) map[string]string {
	return map[string]string{"network": dir, "timesyncd.conf.d": filepath.Join(filepath.Dir(dir), "timesyncd.conf.d")}
}

// Describe says for people, a line a link, what the gateway will ask for.
func (p *Plan) Describe() (lines []string) {
	for _, l := range p.Links {
		on := "interface " + l.Interface
		if l.Interface == "" {
			on = "every wired interface"
			if len(p.Links) > 1 {
				on = "every other wired interface"
			}
		}
		if l.VLAN != 0 {
			on = fmt.Sprintf("VLAN %d of %s", l.VLAN, strings.Replace(on, "every other", "the", 1))
			on = strings.Replace(on, "every wired", "the wired", 1)
		}
		what := "an address by DHCP"
		if l.Address.IsValid() {
			what = "the address " + l.Address.String()
			if l.Gateway.IsValid() {
				what += ", the way out over " + l.Gateway.String()
			} else {
				what += ", no way out"
			}
		} else if l.NoGateway {
			what += ", no way out"
		}
		if len(l.DNS) > 0 {
			what += ", names from " + strings.Trim(fmt.Sprint(l.DNS), "[]")
		}
		lines = append(lines, on+": "+what)
	}
	if len(p.NTP) > 0 {
		lines = append(lines, "time from "+strings.Join(p.NTP, ", "))
	}
	return lines
}
