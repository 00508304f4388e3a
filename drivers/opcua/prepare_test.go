package opcua_test

import (
	"strings"
	"testing"

	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/opcua"
	"github.com/courtside-edge/courtside/sync/point"
)

const goodOptions = "endpoint: opc.tcp://127.0.0.1:4840\n"

func TestPrepareRefusesOptions(t *testing.T) {
	for _, tc := range []struct{ options, key, says string }{
		{"mode: poll", "endpoint", "missing"},
		{"endpoint: http://plc", "endpoint", "opc.tcp"},
		{"endpoint: 'opc.tcp://:4840'", "endpoint", "no host"},
		{"endpoint: 'opc.tcp://gw:pw@plc'", "endpoint", "into login"},
		{"endpoint: '%'", "endpoint", "write opc.tcp://"},
		{goodOptions + "mode: push", "mode", "subscribe or poll"},
		{goodOptions + "timeout: 1ns", "timeout", "10ms to 1m0s"},
		{goodOptions + "timeout: 2m", "timeout", "10ms to 1m0s"},
		{goodOptions + "publish_interval: 1ms", "publish_interval", "10ms"},
		{goodOptions + "sampling_interval: -1s", "sampling_interval", "1ms"},
		{goodOptions + "resync: 1ms", "resync", "100ms"},
		{goodOptions + "max_items_per_call: -1", "max_items_per_call", "1 to"},
		{goodOptions + "keep_alive_count: 5000", "keep_alive_count", "1 to"},
		{goodOptions + "queue_size: 100000", "queue_size", "1 to"},
		{goodOptions + "security: {policy: Basic256}", "security.policy", "Basic256Sha256"},
		{goodOptions + "security: {mode: Encrypt}", "security.mode", "SignAndEncrypt"},
		{goodOptions + "security: {mode: Sign}", "security.mode", "does not go with"},
		{goodOptions + "security: {policy: Basic256Sha256}", "security.server_cert_file", "needs"},
		{goodOptions + "security: {policy: Basic256Sha256}", "security.cert_file", "needs"},
		{goodOptions + "security: {policy: Basic256Sha256}", "security.key_file", "needs"},
		{goodOptions + "security: {key_file: a}", "security.key_file", "without a policy"},
		{goodOptions + "login: {user: gw, allow_clear: true}", "login.password_file", "password_file"},
		{goodOptions + "login: {password_file: p}", "login.user", "without user"},
		{goodOptions + "login: {user: gw, password_file: p}", "login.user", "allow_clear"},
		{goodOptions + "login: {user: gw, password_file: p, cert_file: c, key_file: k}", "login.user", "two ways"},
		{goodOptions + "login: {cert_file: c}", "login.key_file", "RSA key"},
		{goodOptions + "login: {key_file: k}", "login.cert_file", "without cert_file"},
		{goodOptions + "login: {cert_file: c, key_file: k}", "login.cert_file", "set security"},
		{goodOptions + "nonsense: 1", "", "nonsense"},
	} {
		t.Run(tc.options, func(t *testing.T) {
			wantFault(t, tc.options, "node: ns=1;s=a", point.Int, 1, "options", tc.key, tc.says)
		})
	}
}

func TestPrepareRefusesSources(t *testing.T) {
	for _, tc := range []struct {
		source    string
		typ       point.Type
		many      int
		key, says string
	}{
		{"first: 1", point.Int, 1, "node", "missing"},
		{"node: panel", point.Int, 1, "node", "identifier is missing"},
		{"node: ns=x;s=a", point.Int, 1, "node", "ns="},
		{"node: ns=70000;s=a", point.Int, 1, "node", "ns="},
		{"node: 'nsu=urn:x'", point.Int, 1, "node", "nsu="},
		{"node: ns=1;i=-4", point.Int, 1, "node", "no number"},
		{"node: ns=1;s=", point.Int, 1, "node", "empty"},
		{"node: ns=1;g=12", point.Int, 1, "node", "GUID"},
		{"node: ns=1;b=***", point.Int, 1, "node", "base64"},
		{"node: ns=1;x=1", point.Int, 1, "node", "kind of identifier"},
		{"node: 'ns=1;s={m}'", point.Int, 1, "node", "{m} is unknown"},
		{"node: 'ns=1;s={7}'", point.Int, 1, "node", "joins"},
		{"node: 'ns=1;s={n'", point.Int, 1, "node", "never closed"},
		{"node: 'ns=1;s=n}'", point.Int, 1, "node", "stands alone"},
		{"node: 'ns=1;s={n:0999}'", point.Int, 1, "node", "width"},
		{"node: ns=1;s=a", point.Int, 3, "node", "the same node"},
		{"{node: 'ns=1;s={n}', step: 0}", point.Int, 3, "node", "the same node"},
		{"{node: 'ns=1;i={n}', first: 1, step: -1}", point.Int, 3, "node", "no number"},
		{"{node: ns=1;s=a, type: Int}", point.Int, 1, "type", "Int16"},
		{"{node: ns=1;s=a, type: Boolean}", point.Int, 1, "type", "cannot be a point of type int"},
		{"{node: ns=1;s=a, type: Double}", point.Int, 1, "type", "float"},
		{"{node: ns=1;s=a, type: String}", point.Bool, 1, "type", "text"},
		{"{node: ns=1;s=a, nod: 1}", point.Int, 1, "", "nod"},
	} {
		t.Run(tc.source, func(t *testing.T) { wantFault(t, goodOptions, tc.source, tc.typ, tc.many, "source-0", tc.key, tc.says) })
	}
}

func wantFault(t *testing.T, options, source string, typ point.Type, many int, section, key, says string) {
	t.Helper()
	var l logs
	d := deviceOf(options, l.logger(), entry{source: source, point: point.Point{Type: typ}, many: many})
	_, err := opcua.Driver{}.Prepare(d)
	for _, f := range driverstest.Faults(err) {
		if f.Section == section && f.Key == key && strings.Contains(f.Text, says) {
			return
		}
	}
	t.Errorf("Prepare says %v; a fault at %s of %s with %q is wanted", err, key, section, says)
}

func TestPrepareReportsEverythingAtOnce(t *testing.T) {
	var l logs
	d := deviceOf("mode: push\ntimeout: 1ns", l.logger(), single("x", intPoint()), single("y", intPoint()), single("ns=1;s=fine", intPoint()))
	_, err := opcua.Driver{}.Prepare(d)
	if n := len(driverstest.Faults(err)); n != 5 { // endpoint, mode, timeout, two nodes
		t.Errorf("%d faults: %v", n, err)
	}
}
