//go:build hardware

package inside

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// asGateway runs a program as a device's gateway, which is no root.
func asGateway() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: gatewayUser, Gid: gatewayUser}}
}

// again runs a test of this program once more, as the gateway's user.
func again(t *testing.T, name, environment string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run", "^"+name+"$")
	cmd.Env = append(os.Environ(), environment)
	cmd.SysProcAttr = asGateway()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v: %s", err, out)
	}
}
