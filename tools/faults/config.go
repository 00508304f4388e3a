package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/devca"
)

const (
	trustDomain = "courtside.test"
	venue       = point.ID("soak-001")
)

func gatewayID(n int) point.ID { return point.ID(fmt.Sprintf("gw-%d", n)) }
func deviceID(n int) point.ID  { return point.ID(fmt.Sprintf("plc-%d", n)) }

// place names what the map and the points share.
func seatPlace(gateway, seat int) string    { return fmt.Sprintf("%d/a/%d", gateway+1, seat+1) }
func gatePlace(gateway, counter int) string { return fmt.Sprintf("gate-%d-%d", gateway, counter/2) }

func identityBlock(e devca.Endpoint) string {
	return fmt.Sprintf("identity: {trust_domain: %s, cert_file: %q, key_file: %q, bundle_file: %q}\n", trustDomain, e.CertFile, e.KeyFile, e.BundleFile)
}

// gatewayConfig is what an integrator would have written for one gateway.
func gatewayConfig(n int, id, dataDir, broker, device string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "venue: %s\ngateway: %s\ndata_dir: %q\n%s", venue, gatewayID(n), dataDir, id)
	fmt.Fprintf(&b, "uplink: {broker: \"mqtts://%s\"}\ndiag: {listen: \"\"}\nscan_classes: {fast: 100ms}\nlog: {level: info}\n", broker)
	fmt.Fprintf(&b, "devices:\n  - id: %s\n    driver: modbus\n    options: {address: %q, unit: 1, timeout: 500ms}\n    points:\n", deviceID(n), device)
	fmt.Fprintf(&b, "      - {range: \"seat/%d/a/{seat:1..%d}\", place: \"%d/a/{seat}\", type: int, kind: seat, scan: fast, scale: 0.1, occupied: {above: 20, below: 15}, source: {table: holding, address: 0, type: uint16}}\n", n+1, seats, n+1)
	fmt.Fprintf(&b, "      - {range: \"beat/{n:1..%d}\", type: int, scan: fast, source: {table: holding, address: %d, type: uint16}}\n", beats, beatsAt)
	for i := range counters {
		direction := [...]string{"in", "out"}[i%2]
		fmt.Fprintf(&b, "      - {name: gate/%d/%s, type: int, kind: gate, class: counter, direction: %s, place: %s, bits: 16, max_rate: %d, scan: fast, source: {table: input, address: %d, type: uint16}}\n",
			i/2, direction, direction, gatePlace(n, i), maxRate, i)
	}
	return b.String()
}

func aggregatorConfig(id, dataDir, api, broker, venueMap string, gateways int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir: %q\n%sapi: {listen: %q}\nbroker: {listen: %q}\nlog: {level: info}\nsnapshots: {every: 10s, records: 1000}\n", dataDir, id, api, broker)
	fmt.Fprintf(&b, "venues:\n  - id: %s\n    map: %q\n    gateways:\n", venue, venueMap)
	for n := range gateways {
		fmt.Fprintf(&b, "      - {id: %s, devices: [%s]}\n", gatewayID(n), deviceID(n))
	}
	return b.String()
}

// mapFile draws the venue: rows of seats, and gates along one side.
func mapFile(gateways int) ([]byte, error) {
	type feature map[string]any
	var all []feature
	spot := func(x, y int, properties feature) {
		all = append(all, feature{"type": "Feature", "properties": properties, "geometry": feature{"type": "Point", "coordinates": [2]int{x, y}}})
	}
	for g := range gateways {
		for s := range seats {
			spot(s, 2*g, feature{"kind": "seat", "place": seatPlace(g, s), "section": fmt.Sprint(g + 1), "row": "a", "seat": fmt.Sprint(s + 1)})
		}
		for c := 0; c < counters; c += 2 {
			spot(10*c, -5-g, feature{"kind": "gate", "place": gatePlace(g, c), "name": gatePlace(g, c)})
		}
	}
	return json.Marshal(feature{"type": "FeatureCollection", "crs": "local-metres", "features": all})
}

// writeConfig issues the identities and writes every file. The data directories lie below dir unless disks names another.
func (r *Rig) writeConfig(disks map[int]string) error {
	authority, err := devca.Open(devca.Config{Dir: filepath.Join(r.dir, "ca"), TrustDomain: trustDomain, Life: r.life})
	if err != nil {
		return err
	}
	r.authority = authority
	at := func(name string) string { return filepath.Join(r.dir, name) }
	end, err := authority.Add(identity.ID{TrustDomain: trustDomain, Role: identity.Aggregator})
	if err != nil {
		return err
	}
	drawn, err := mapFile(len(r.plants))
	if err != nil {
		return err
	}
	files := map[string]string{"map.geojson": string(drawn),
		"aggregator.yaml": aggregatorConfig(identityBlock(end), at("aggregator"), r.api, r.broker, at("map.geojson"), len(r.plants))}
	for n := range r.plants {
		end, err := authority.Add(identity.ID{TrustDomain: trustDomain, Role: identity.Gateway, Venue: venue, Name: gatewayID(n)})
		if err != nil {
			return err
		}
		data := disks[n]
		if data == "" {
			data = at(string(gatewayID(n)))
		}
		files[string(gatewayID(n))+".yaml"] = gatewayConfig(n, identityBlock(end), data, r.links[n].Addr(), r.lines[n].Addr())
	}
	for name, text := range files {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
