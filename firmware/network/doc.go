// Package network reads the file `network` of a gateway's first boot and writes what systemd-networkd and systemd-timesyncd read at each boot.
//
//	key                  default             allowed
//	hostname             the gateway's id    a host name of up to 63 characters
//	ntp                  systemd's own       names or addresses of time servers
//	links                one, all defaults   at least one
//	links[].interface    any wired one       a name such as end0; several links name different ones
//	links[].address      dhcp                dhcp, or an address with its prefix: 192.168.10.5/24
//	links[].gateway      DHCP's; else none   an address within the prefix; none refuses the one that DHCP offers
//	links[].dns          DHCP's; else none   addresses; they replace those that DHCP offers
//	links[].vlan         none                1 to 4094: the link is that VLAN of the interface
//	links[].metric       100, 200, …         1 to 65535; of several ways out the lowest is taken, unless given the first link's
//
// The whole file is checked before anything is written, each fault with its line and what would be right. Nothing of the network is asked: whether
// a cable is plugged or an address is free shows later.
//
//	what fails                                     what happens
//	no file                                        DHCP on every wired interface
//	a file with faults                             nothing is taken from it; Default stands in for it
//	the folder of systemd's files cannot be made   an error; systemd-networkd starts with what the image holds
//	a file left from another description           is removed, where it bears this package's mark in its name
package network
