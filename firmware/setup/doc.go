// Package setup is a gateway's first boot: it takes configuration, identity and network from the folder `courtside` on the setup partition, which
// people edit on their laptops, and writes back what became of it. It runs at each boot, before network and gateway.
//
//	in the folder              becomes in /etc/courtside   what is checked
//	courtside.yaml             gateway.yaml                the gateway's own check; data_dir is the image's
//	files that it names        the same path               they are there, within the folder
//	network                    network                     package network's
//	svid.pem svid.key bundle.pem                           PEM; the key is the certificate's; the SPIFFE ID is the configuration's; the chain
//	join-token                 join-token                  its checksum; venue, gateway and trust domain are the configuration's
//
// Names are read as people and their systems write them: in upper case, with ".txt" behind, in CRLF, with a UTF-8 mark. Everything is
// checked before anything is taken: a folder with a fault changes nothing. What was taken once is not taken again until it differs
// from what was taken: a hash of each is kept, so that an SVID that was renewed since is not set back. Private keys and join tokens are removed
// from the folder once they are taken: a FAT file system has no permissions.
//
//	what fails                                   what happens
//	no partition, no folder                      nothing is taken; what was taken before stays in use
//	a file cannot be read                        a fault of the file; nothing is taken
//	a fault in any file                          nothing is taken; REPORT.txt says what and where, and the fix
//	power, while files are being written         nothing has changed
//	power, while files are being renamed         the next boot finds the folder as it was and completes what was begun, before the gateway starts
//	power, before the key was removed            the next boot removes it
//	the partition is read-only, full or broken   no report, keys stay; the console and the journal say so; the boot goes on
//	/data does not mount                         what is right is taken for as long as there is power, without a key that is lost; keys stay in the folder
//	/data is full                                nothing is taken; the console and the report say so
//	the clock is not set                         the report says so; no certificate is judged by it
//	a certificate expires or begins later        a warning with the date: the clock may be wrong, and an old identity still polls and buffers
//	/etc/courtside/network was broken by hand    DHCP on every wired interface
package setup
