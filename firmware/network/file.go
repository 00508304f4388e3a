package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/courtside-edge/courtside/sync/settings"
)

// maxBytes is the longest network file; a sensible one has some ten lines.
const maxBytes = 64 << 10

// Plan is what a network file describes, checked.
type Plan struct {
	Hostname string // empty for none
	NTP      []string
	Links    []Link // in the file's order
}

// Link is one interface, or one VLAN of it.
type Link struct {
	Interface string       // empty for every wired one that no other link names
	Address   netip.Prefix // the zero Prefix for DHCP
	Gateway   netip.Addr   // the zero Addr for none, or DHCP's
	NoGateway bool         // what DHCP offers is refused
	DNS       []netip.Addr
	VLAN      int // 0 for none
	Metric    int // of the way out
}

// file is the topmost mapping as it is written.
type file struct {
	Hostname string             `yaml:"hostname"`
	NTP      []string           `yaml:"ntp"`
	Links    []settings.Section `yaml:"links"`
}

type link struct {
	Interface string   `yaml:"interface"`
	Address   string   `yaml:"address"`
	Gateway   string   `yaml:"gateway"`
	DNS       []string `yaml:"dns"`
	VLAN      int      `yaml:"vlan" min:"1" max:"4094"`
	Metric    int      `yaml:"metric" min:"1" max:"65535"`
}

// metricStep lies between the metrics of two links that give none.
const metricStep = 100

// Default is DHCP on every wired interface: what a gateway without a network file does.
func Default() Plan { return Plan{Links: []Link{{Metric: metricStep}}} }

// Parse reads text as the content of the file named name. Its error holds every fault.
func Parse(name string, text []byte) (Plan, error) {
	root, err := settings.Parse(name, text, settings.Limits{Bytes: maxBytes, Values: 1 << 12})
	if err != nil {
		return Plan{}, err
	}
	var f file
	r := reader{root: root}
	r.faults.Add(root.Decode(&f))
	r.machine(&f)
	for i := range f.Links {
		r.link(&f.Links[i], i)
	}
	switch {
	case root.Len("links") == 0:
		r.faults.Add(root.Fault("links", "no link is listed; describe one, or remove the line for DHCP on every wired interface"))
	case !root.Has("links"):
		r.plan.Links = Default().Links
	}
	if err := r.faults.Err(); err != nil {
		return Plan{}, err
	}
	return r.plan, nil
}

// reader builds a Plan and collects what is wrong.
type reader struct {
	root   *settings.Section
	plan   Plan
	places []*settings.Section // of plan.Links
	faults settings.Faults
}

func (r *reader) fault(s *settings.Section, key, format string, args ...any) {
	r.faults.Add(s.Fault(key, format, args...))
}

func (r *reader) machine(f *file) {
	if f.Hostname != "" && (!isName(f.Hostname) || len(f.Hostname) > 63 || strings.Contains(f.Hostname, ".")) {
		r.fault(r.root, "hostname", "%q is no host name; use up to 63 letters, digits and '-', without dots", f.Hostname)
	}
	r.plan.Hostname = f.Hostname
	for i, server := range f.NTP {
		if _, err := netip.ParseAddr(server); err != nil && !isName(server) {
			r.fault(r.root, fmt.Sprintf("ntp.%d", i), "%q is neither a host name nor an address; write a time server such as ntp.venue.example or 192.168.10.1", server)
		}
	}
	r.plan.NTP = f.NTP
}

// isName reports whether s may be the name of a host, with or without a domain.
func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.ToLower(s), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// link checks one link and adds it.
func (r *reader) link(s *settings.Section, position int) {
	w := link{Metric: (position + 1) * metricStep}
	before := r.faults.Len()
	r.faults.Add(s.Decode(&w))
	l := Link{Interface: w.Interface, VLAN: w.VLAN, Metric: w.Metric}
	if w.Interface != "" && (len(w.Interface) > 15 || strings.Trim(w.Interface, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "") {
		r.fault(s, "interface", "%q is no interface; write its name as `networkctl` lists it, such as end0, or remove the line for any wired one", w.Interface)
	}
	r.address(s, &w, &l)
	for i, text := range w.DNS {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			r.fault(s, fmt.Sprintf("dns.%d", i), "%q is no address; write the name server's address, such as 192.168.10.1", text)
		}
		l.DNS = append(l.DNS, addr)
	}
	if r.faults.Len() > before {
		return // what it collides with would be guessed
	}
	r.collisions(s, &l)
	r.plan.Links, r.places = append(r.plan.Links, l), append(r.places, s)
}

func (r *reader) address(s *settings.Section, w *link, l *Link) {
	if w.Address == "" || strings.EqualFold(w.Address, "dhcp") {
		switch {
		case w.Gateway == "none":
			l.NoGateway = true
		case w.Gateway != "":
			r.fault(s, "gateway", "DHCP brings the gateway; remove the line, or write gateway: none for a network that is no way out")
		}
		return
	}
	p, err := netip.ParsePrefix(w.Address)
	if err != nil {
		fix := "write dhcp, or an address with its prefix, such as 192.168.10.5/24"
		if a, bare := netip.ParseAddr(w.Address); bare == nil {
			fix = fmt.Sprintf("its prefix is missing: 255.255.255.0 is %s/24", a)
		}
		r.fault(s, "address", "%q is no address; %s", w.Address, fix)
		return
	}
	if err := usable(p); err != nil {
		r.fault(s, "address", "%s %v", w.Address, err)
		return
	}
	if l.Address = p; w.Gateway == "" || w.Gateway == "none" {
		return
	}
	g, err := netip.ParseAddr(w.Gateway)
	switch {
	case err != nil:
		r.fault(s, "gateway", "%q is no address; write the router's address, or remove the line for a network that is no way out", w.Gateway)
	case !p.Contains(g):
		r.fault(s, "gateway", "%s lies outside %s, so it cannot be reached; check both", g, p.Masked())
	case g == p.Addr():
		r.fault(s, "gateway", "%s is this gateway's own address; write the router's", g)
	}
	l.Gateway = g
}

// usable returns why a machine cannot have the address.
func usable(p netip.Prefix) error {
	a := p.Addr()
	switch {
	case a.IsMulticast(), a.IsLoopback(), a.IsUnspecified():
		return fmt.Errorf("is no address of a machine; write one of the venue's network")
	case a.Zone() != "", a.Is4In6():
		return fmt.Errorf("is written in a form that is not read; write it plainly")
	case p.Bits() == 0:
		return fmt.Errorf("takes the whole world as its neighbour; 255.255.255.0 is /24")
	case a.Is4() && p.Bits() < 31 && a == p.Masked().Addr():
		return fmt.Errorf("is the network itself; write the machine's own address in it")
	case a.Is4() && p.Bits() < 31 && a == last(p):
		return fmt.Errorf("is the network's broadcast address; write another one in it")
	}
	return nil
}

// last returns the highest address of an IPv4 network.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// collisions refuses what l shares with a link before it.
func (r *reader) collisions(s *settings.Section, l *Link) {
	for i, other := range r.plan.Links {
		at := r.places[i].Place("")
		switch {
		case l.VLAN != 0 && l.VLAN == other.VLAN:
			r.fault(s, "vlan", "VLAN %d stands twice, first at %s; describe it once", l.VLAN, at)
		case l.VLAN == 0 && other.VLAN == 0 && l.Interface == other.Interface && l.Interface == "":
			r.fault(s, "", "two links name no interface, the first at %s; name it in one of them: interface: end0", at)
		case l.VLAN == 0 && other.VLAN == 0 && l.Interface == other.Interface:
			r.fault(s, "interface", "%s stands twice, first at %s; describe it once", l.Interface, at)
		case l.Address.IsValid() && other.Address.IsValid() && l.Address.Overlaps(other.Address):
			r.fault(s, "address", "%s and %s at %s are one network on two links; give each network one link", l.Address, other.Address, at)
		case l.leadsOut() && other.leadsOut() && l.Metric == other.Metric:
			r.fault(s, "metric", "metric %d is that of the link at %s too; the lower one is taken first, give this one another", l.Metric, at)
		}
	}
}

// leadsOut reports whether the link may have a way to other networks.
func (l *Link) leadsOut() bool { return l.Gateway.IsValid() || !l.Address.IsValid() && !l.NoGateway }

// parents returns the interfaces that VLANs stand on and no link of its own, in order.
func (p *Plan) parents() (names []string) {
	for _, l := range p.Links {
		own := slices.ContainsFunc(p.Links, func(o Link) bool { return o.VLAN == 0 && o.Interface == l.Interface })
		if l.VLAN != 0 && !own && !slices.Contains(names, l.Interface) {
			names = append(names, l.Interface)
		}
	}
	return names
}
