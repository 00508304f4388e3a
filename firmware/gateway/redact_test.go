package gateway

import (
	"strings"
	"testing"
)

// What a file should not hold, and may hold all the same, does not leave the device, in whatever form of YAML it stands.
func TestNoSecretLeavesWithTheConfiguration(t *testing.T) {
	const text = `venue: dal-001
identity: {trust_domain: x, join_token_file: /etc/courtside/join-token}   # courtside-join-1.HUNTER2-abc_d
uplink: {broker: "mqtts://me:HUNTER2@broker:8883"}
devices:
  - id: plc-1
    password: HUNTER2
    options: {address: "a:502", login: {user: u, password: "HUNTER2, HUNTER2", x: 1}, Community: 'HUNTER2, {HUNTER2}'}
    secret: |
      HUNTER2

      HUNTER2
    points: [{name: a}]
  - token: >-
      HUNTER2
    id: plc-2
    my_passphrase: "HUNTER2
      HUNTER2"
    login: {user: u, password_file: /etc/courtside/plc.password}
`
	got := string(redact([]byte(text)))
	if strings.Contains(got, "HUNTER2") {
		t.Errorf("a secret is left in\n%s", got)
	}
	for _, want := range []string{"venue: dal-001", "id: plc-1", "    points: [{name: a}]\n", "    id: plc-2\n", "password_file: /etc/courtside/plc.password", "join_token_file: /etc/courtside/join-token", "x: 1", "mqtts://REMOVED@broker:8883"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
