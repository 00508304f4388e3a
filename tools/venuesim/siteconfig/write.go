package siteconfig

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

// Files are the paths of what was written.
type Files struct {
	Gateways   []GatewayFile
	Aggregator string
	Map        string
}

// GatewayFile is the configuration of one gateway.
type GatewayFile struct {
	ID      point.ID
	Path    string
	Devices []string // their ids
}

// Site is a venue whose devices have addresses.
type Site struct {
	Plan      *field.Plan
	Addresses []string // host:port of each device of the plan
}

// Write writes all files into dir, which is made when it is absent. Existing files are replaced.
func Write(dir string, s Site, o Options) (Files, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Files{}, err
	}
	if len(s.Addresses) != len(s.Plan.Devices) {
		return Files{}, fmt.Errorf("write the configuration of %d devices: %d addresses were given", len(s.Plan.Devices), len(s.Addresses))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Files{}, fmt.Errorf("write the configuration: %w", err)
	}
	if o.TicketKey == "" {
		o.TicketKey = filepath.Join(dir, "tickets.key")
		if err := s.writeTicketKey(o.TicketKey); err != nil {
			return Files{}, err
		}
	}
	files := Files{Aggregator: filepath.Join(dir, "aggregator.yaml"), Map: filepath.Join(dir, "arena.geojson")}
	shares := s.divide(o.Gateways)
	for i, id := range GatewayIDs(o.Gateways) {
		file := GatewayFile{ID: id, Path: filepath.Join(dir, string(id)+".yaml")}
		for _, d := range shares[i] {
			file.Devices = append(file.Devices, d.ID)
		}
		var out bytes.Buffer
		writeGateway(&out, s.Plan.Arena.Venue, id, i, shares[i], o)
		if err := os.WriteFile(file.Path, out.Bytes(), 0o644); err != nil {
			return Files{}, fmt.Errorf("write the configuration of %s: %w", id, err)
		}
		files.Gateways = append(files.Gateways, file)
	}
	var out bytes.Buffer
	writeAggregator(&out, s.Plan.Arena.Venue, files, o)
	if err := os.WriteFile(files.Aggregator, out.Bytes(), 0o644); err != nil {
		return Files{}, fmt.Errorf("write the aggregator's configuration: %w", err)
	}
	return files, writeMap(files.Map, s.Plan)
}

// writeTicketKey makes a key for a site whose gates have rings, unless there is one: another would make other keys of the same events.
func (s Site) writeTicketKey(path string) error {
	if !slices.ContainsFunc(s.Plan.Devices, func(d field.Device) bool { return d.Ring != nil }) {
		return nil
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.WriteFile(path, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the key that hashes tickets: %w", err)
	}
	return nil
}

func writeMap(path string, p *field.Plan) error {
	var out bytes.Buffer
	if err := p.Arena.WriteGeoJSON(&out); err != nil {
		return err
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the venue map: %w", err)
	}
	return nil
}

// located is a device with its address.
type located struct {
	field.Device
	address string
}

// divide gives each device to one gateway, by sector.
func (s Site) divide(gateways int) [][]located {
	const sectors = 24
	shares := make([][]located, gateways)
	for i, d := range s.Plan.Devices {
		g := d.Sector * gateways / sectors
		shares[g] = append(shares[g], located{d, s.Addresses[i]})
	}
	return shares
}
