package network

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestFiles compares what systemd gets for each file of testdata with the golden files, byte for byte.
func TestFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			p, err := Parse(filepath.Base(name), text)
			if err != nil {
				b.WriteString(err.Error() + "\n")
			}
			for _, line := range p.Describe() {
				b.WriteString("# " + line + "\n")
			}
			for _, f := range p.Files() {
				b.WriteString("-- " + f.Name + " --\n" + f.Text)
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("it gives\n%s\nwant\n%s", b.String(), want)
			}
		})
	}
}

// TestFaults names place and fix of each fault.
func TestFaults(t *testing.T) {
	link := func(s string) string { return "links:\n  - {" + s + "}\n" }
	for text, want := range map[string]string{
		"":                     "it holds no setting",
		"links: []\n":          "1:8: no link is listed",
		"link: []\n":           `1:1: unknown key "link"`,
		"hostname: gw.north\n": `1:11: "gw.north" is no host name`,
		"hostname: -gw\n":      `is no host name`,
		"hostname: 12345678901234567890123456789012345678901234567890123456789012345\n": "is no host name",
		"ntp: [time.venue, 'a b']\n":                               `1:19: "a b" is neither a host name nor an address`,
		link("interface: eth 0"):                                   `2:17: "eth 0" is no interface`,
		link("interface: ../../etc/x"):                             "is no interface",
		link("interface: 'e*'"):                                    "is no interface",
		link("address: 192.168.10.5"):                              "its prefix is missing: 255.255.255.0 is 192.168.10.5/24",
		link("address: 192.168.10.0/24"):                           "is the network itself",
		link("address: 192.168.10.255/24"):                         "is the network's broadcast address",
		link("address: 127.0.0.1/8"):                               "is no address of a machine",
		link("address: 224.0.0.1/8"):                               "is no address of a machine",
		link("address: 10.0.0.1/0"):                                "takes the whole world",
		link("address: '::ffff:10.0.0.1/120'"):                     "is written in a form that is not read",
		link("address: automatic"):                                 `"automatic" is no address; write dhcp`,
		link("gateway: 10.0.0.1"):                                  "DHCP brings the gateway",
		link("address: 10.0.0.5/24, gateway: 10.0.1.1"):            "10.0.1.1 lies outside 10.0.0.0/24",
		link("address: 10.0.0.5/24, gateway: 10.0.0.5"):            "is this gateway's own address",
		link("address: 10.0.0.5/24, gateway: router"):              `"router" is no address`,
		link("dns: [router]"):                                      `"router" is no address; write the name server's`,
		link("vlan: 0"):                                            "1 to 4094 is allowed",
		link("vlan: 4095"):                                         "1 to 4094 is allowed",
		link("metric: 0"):                                          "1 to 65535 is allowed",
		link("adress: dhcp"):                                       `unknown key "adress"; did you mean "address"`,
		"links:\n  - {}\n  - {}\n":                                 "3:5: two links name no interface, the first at network:2",
		"links:\n  - {interface: a}\n  - {interface: a}\n":         "3:17: a stands twice, first at network:2",
		"links:\n  - {vlan: 7}\n  - {interface: a, vlan: 7}\n":     "VLAN 7 stands twice",
		"links:\n  - {metric: 5}\n  - {interface: a, metric: 5}\n": "metric 5 is that of the link at network:2 too",
		"links:\n  - {address: 10.0.0.5/16}\n  - {interface: a, address: 10.0.7.5/24}\n": "are one network on two links",
		"\xff\xfel\x00i\x00": "a byte that is not UTF-8",
	} {
		_, err := Parse("network", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
}

func TestAllFaultsComeAtOnce(t *testing.T) {
	_, err := Parse("network", []byte("hostname: a.b\nlinks:\n  - {address: x, dns: [y]}\n  - {vlan: 9999}\n"))
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"network:1:11", "network:3:15", "network:3:24", "network:4:12"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no fault stands at %s:\n%v", want, err)
		}
	}
}

// TestWriteLeavesNothingBehind writes one plan over another and finds the second alone, with what others put there.
func TestWriteLeavesNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	first, err := Parse("network", []byte("ntp: [a]\nlinks:\n  - {interface: end0, vlan: 20, address: 10.0.0.5/24}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Write(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "80-own.network"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir); !slices.Equal(got, []string{"10-courtside-end0.network", "10-courtside-vlan20.netdev", "10-courtside-vlan20.network", "80-own.network"}) {
		t.Errorf("the first plan leaves %q", got)
	}
	if got := list(t, filepath.Join(filepath.Dir(dir), "timesyncd.conf.d")); !slices.Equal(got, []string{"10-courtside-ntp.conf"}) {
		t.Errorf("the first plan leaves %q for the time", got)
	}
	second := Default()
	if err := second.Write(dir); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir); !slices.Equal(got, []string{"20-courtside-wired.network", "80-own.network"}) {
		t.Errorf("the second plan leaves %q", got)
	}
	if got := list(t, filepath.Join(filepath.Dir(dir), "timesyncd.conf.d")); len(got) > 0 {
		t.Errorf("the second plan leaves %q for the time", got)
	}
}

func TestWriteSaysWhereItCannot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p := Default()
	if err := p.Write(filepath.Join(file, "network")); err == nil || !strings.Contains(err.Error(), "writing the network's files") {
		t.Errorf("it says %v", err)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// FuzzParse takes any bytes without panicking; what it takes makes files that no value leads out of its line or its folder.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"dhcp", "static", "plc-vlan", "two-uplinks", "plc-port"} {
		text, err := os.ReadFile("testdata/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("links: [{interface: \"a\\nb\"}]"))
	f.Add([]byte("hostname: \"a\\nb\"\nntp: [\"a\\n[x]\"]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("network", text)
		if err != nil {
			return
		}
		sections := []string{"[Match]", "[Network]", "[NetDev]", "[VLAN]", "[Route]", "[DHCPv4]", "[DHCPv6]", "[IPv6AcceptRA]", "[Time]", ""}
		for _, file := range p.Files() {
			if strings.Count(file.Name, "/") != 1 || strings.Contains(file.Name, "..") {
				t.Errorf("a file is called %q", file.Name)
			}
			for line := range strings.SplitSeq(file.Text, "\n") {
				if key, _, ok := strings.Cut(line, "="); !slices.Contains(sections, line) && (!ok || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz46") != "") {
					t.Errorf("the line %q of %s is none of systemd's, from %q", line, file.Name, text)
				}
			}
		}
	})
}
