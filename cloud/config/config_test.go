package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/config"
)

const minimal = `data_dir: data
identity: {trust_domain: courtside.test, workload_api: "unix:///run/agent.sock"}
venues:
  - id: dal-001
    gateways:
      - {id: gw-north, devices: [plc-1, plc-2]}
`

func load(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aggregator.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path)
}

func TestDefaults(t *testing.T) {
	c, err := load(t, minimal)
	if err != nil {
		t.Fatal(err)
	}
	if c.API.Listen != "127.0.0.1:8080" || c.Broker.Listen != "0.0.0.0:8883" || c.Limits.MaxSamples != 65536 || c.Sync.Interval != 5*time.Millisecond || c.Log.Format != "text" {
		t.Errorf("defaults %+v", c)
	}
	if !filepath.IsAbs(c.DataDir) || filepath.Base(c.DataDir) != "data" {
		t.Errorf("data_dir %q: a relative path starts from the file's folder", c.DataDir)
	}
	v := c.Venues[0]
	if v.ID != "dal-001" || v.Cell != 1 || v.Bucket != time.Minute || v.Map != nil || len(v.Gateways) != 1 || len(v.Gateways[0].Devices) != 2 {
		t.Errorf("venue %+v", v)
	}
}

func TestSharedDevicesHaveRanks(t *testing.T) {
	c, err := load(t, minimal+"      - {id: gw-south, devices: [plc-2], ranks: {plc-2: -1}}\n")
	if err != nil {
		t.Fatal(err)
	}
	if g := c.Venues[0].Gateways; len(g) != 2 || g[0].Ranks["plc-2"] != 0 || g[1].Ranks["plc-2"] != -1 {
		t.Errorf("gateways %+v", g)
	}
}

func TestExternalBrokerHasNoListener(t *testing.T) {
	c, err := load(t, minimal+"broker: {url: \"mqtts://broker:8883\"}\n")
	if err != nil || c.Broker.Listen != "" {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestFaults(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(minimal, old, new, 1) }
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":               {"", []string{"it holds no setting"}},
		"unknown key":         {minimal + "brokr: {}\n", []string{"aggregator.yaml:7:1", "brokr", "broker"}},
		"no identity":         {replace(`, workload_api: "unix:///run/agent.sock"`, ""), []string{"aggregator.yaml:2:", "workload_api, or cert_file"}},
		"two identities":      {replace("}", ", cert_file: a.pem, key_file: b.pem, bundle_file: c.pem}"), []string{"keep one of them"}},
		"half an identity":    {replace(`workload_api: "unix:///run/agent.sock"`, "cert_file: a.pem"), []string{"come as three"}},
		"two brokers":         {minimal + "broker: {listen: \":8883\", url: \"mqtts://b:8883\"}\n", []string{"both listen and url"}},
		"bad venue id":        {replace("dal-001", "Dal 001"), []string{":4:9", "lower-case"}},
		"bad device id":       {replace("plc-2", "PLC2"), []string{":6:41", "lower-case"}},
		"device twice":        {replace("plc-2]", "plc-2, plc-1]"), []string{"aggregator.yaml:6:", "device plc-1 is listed twice"}},
		"rank of no device":   {replace("plc-2]", "plc-2], ranks: {plc-9: 1}"), []string{"aggregator.yaml:6:", "none of gateway gw-north's devices"}},
		"rank of one's own":   {replace("plc-2]", "plc-2], ranks: {plc-2: 1}"), []string{"aggregator.yaml:6:", "granted to gateway gw-north alone"}},
		"snapshots too often": {minimal + "snapshots: {every: 1s}\n", []string{"aggregator.yaml:7:", "10s"}},
		"log too short":       {minimal + "retention: {age: 1m}\n", []string{"aggregator.yaml:7:", "1h"}},
		"gateway twice":       {minimal + "      - {id: gw-north, devices: [plc-3]}\n", []string{"gateway gw-north is listed twice"}},
		"venue twice":         {minimal + "  - id: dal-001\n    gateways: [{id: gw-2, devices: [d]}]\n", []string{"venue dal-001 stands at", "aggregator.yaml:4"}},
		"map is missing":      {replace("    gateways:", "    map: arena.geojson\n    gateways:"), []string{":5:", "arena.geojson", "no such file"}},
		"bucket out of range": {replace("    gateways:", "    bucket: 1ms\n    gateways:"), []string{"1s"}},
		"no venue":            {replace("venues:", "venues: []\nx:"), []string{"aggregator.yaml:3:9: no venue is listed"}},
		"venues of nothing":   {minimal[:strings.Index(minimal, "  - id")], []string{"no venue is listed"}},
		"no gateway":          {replace("    gateways:\n      - {id: gw-north, devices: [plc-1, plc-2]}\n", "    gateways:\n"), []string{"no gateway is listed"}},
		"no device":           {replace("[plc-1, plc-2]", "[]"), []string{"aggregator.yaml:6:33: no device is listed; name what gateway gw-north may report"}},
		"no folder":           {replace("data_dir: data", `data_dir: ""`), []string{"aggregator.yaml:1:11: data_dir is empty"}},
		"no trust domain":     {replace("trust_domain: courtside.test", `trust_domain: "spiffe://courtside.test"`), []string{"aggregator.yaml:2:26:", "not a trust domain"}},
		"no Workload API":     {replace("unix:///run/agent.sock", "/run/agent.sock"), []string{"unix:///path"}},
		"no port":             {minimal + "api: {listen: \"8080\"}\n", []string{"aggregator.yaml:7:15: listen: \"8080\" is not host:port; write host:port, such as 127.0.0.1:8080"}},
		"no such port":        {minimal + "broker: {listen: \"0.0.0.0:88830\"}\n", []string{"\"88830\" is not a port"}},
		"API nowhere":         {minimal + "api: {listen: \"\"}\n", []string{"api", "not host:port"}},
		"one port for two":    {minimal + "api: {listen: \"127.0.0.1:8883\"}\nbroker: {listen: \"0.0.0.0:8883\"}\n", []string{"aggregator.yaml:8:18: 0.0.0.0:8883 is what api.listen listens on already, 127.0.0.1:8883"}},
		"broker without TLS":  {minimal + "broker: {url: \"mqtt://b:1883\"}\n", []string{"aggregator.yaml:7:15:", "write mqtts://host:8883"}},
		"several at once":     {replace("dal-001", "Dal 001") + "brokr: {}\n", []string{"brokr", "lower-case"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, c.text)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in\n%v", want, err)
				}
			}
		})
	}
}

func TestEnrolment(t *testing.T) {
	const section = "enrol: {listen: \"0.0.0.0:8885\", address: \"cloud.example:8885\", authority_cert: ca/authority.pem, authority_key: ca/authority.key}\n"
	c, err := load(t, minimal+section)
	if err != nil || !c.Enrol.On() || c.Enrol.SVIDTTL != 24*time.Hour || c.Enrol.Grace != 720*time.Hour || !filepath.IsAbs(string(c.Enrol.AuthorityKey)) {
		t.Fatalf("%v, %+v", err, c)
	}
	if c, err = load(t, minimal); err != nil || c.Enrol.On() {
		t.Errorf("without the section: %v", err)
	}
	if _, err := load(t, strings.Replace(minimal, `, workload_api: "unix:///run/agent.sock"`, "", 1)+section); err != nil {
		t.Errorf("an identity from the authority: %v", err)
	}
	for change, want := range map[[2]string]string{
		{`listen: "0.0.0.0:8885", `, ""}:                           "listen is missing",
		{`"0.0.0.0:8885"`, `"8885"`}:                               "is not host:port",
		{`address: "cloud.example:8885", `, ""}:                    "nobody can dial",
		{`"cloud.example:8885"`, `"https://cloud:1"`}:              "not host:port",
		{`, authority_key: ca/authority.key`, ""}:                  "both needed",
		{`authority_cert: ca`, `svid_ttl: 1s, authority_cert: ca`}: "5m",
	} {
		if _, err := load(t, minimal+strings.Replace(section, change[0], change[1], 1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; it should say %q", change, err, want)
		}
	}
}
