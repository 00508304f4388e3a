//go:build image

package imagetest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestGateway takes one virtual gateway from its first boot through updates, good and bad, while people pass its gates; in the end every one of them was
// counted.
func TestGateway(t *testing.T) {
	i := open(t, *boardName)
	s := newSite(t, *boardName == "qemu-armv7")
	s.hold(true) // counting begins with the first reading
	m := newMachine(t, i)
	m.forward = []int{22, 5355, 9464, 1883}

	t.Log("-- the first boot, without a configuration")
	m.on()
	m.prompted(0)
	m.until("the gateway waits for a configuration", "status", `(?i)configuration`)
	noPorts(t, m)
	if report := reportOf(t, m); !strings.Contains(report, "courtside.yaml") {
		t.Errorf("the report of a boot without files does not name courtside.yaml:\n%s", report)
	}

	t.Log("-- the integrator has filled in the folder")
	m.cut()
	s.install(m.disk)
	m.on()
	m.prompted(0)
	m.until("the gateway polls", "devices", `plc-1 .*up`)
	m.until("the link is up", "status", `(?i)link.* up`)
	since := [2]uint64{}
	s.hold(false)
	s.moving(m)
	if files := listing(t, m.disk); strings.Contains(files, "svid.key") || strings.Contains(files, "join-token") {
		t.Errorf("the secret is still on the setup partition:\n%s", files)
	}
	m.until("the slot is confirmed", "update status", `in slot A: confirmed`)
	s.equal("after the first boot", since)
	t.Logf("idle: %s", strings.TrimSpace(strings.SplitN(m.ask("status"), "\n", 2)[0]))
	if *boardName == "qemu-arm64" {
		updates(t, i, s, m, since)
	}
}

// reportOf waits for the report that the boot wrote to the setup partition.
func reportOf(t *testing.T, m *machine) string {
	t.Helper()
	begin := time.Now()
	for {
		if strings.Contains(listing(t, m.disk), "REPORT.TXT") || strings.Contains(listing(t, m.disk), "REPORT.txt") {
			return get(t, m.disk, "REPORT.TXT")
		}
		if time.Since(begin) > patience {
			t.Fatalf("no REPORT.txt on the setup partition:\n%s", listing(t, m.disk))
		}
		time.Sleep(time.Second)
	}
}

// noPorts tries ports from outside: nobody listens.
func noPorts(t *testing.T, m *machine) {
	t.Helper()
	for _, guest := range m.forward {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.ports[guest]))
		if err != nil {
			continue
		}
		// QEMU takes the connection itself, and ends it when the machine refuses.
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n > 0 || (err != nil && err != io.EOF && !strings.Contains(err.Error(), "reset")) {
			t.Errorf("port %d of the gateway is open from outside: %d bytes, %v", guest, n, err)
		}
		c.Close()
	}
}
