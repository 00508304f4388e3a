package siteconfig

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

// seatDeadband, in kilograms, is above twice field.NoisePeak: what a seat reports is people, never noise.
const seatDeadband = 4

// positionDeadband, in metres, is a fraction of the grid's cells.
const positionDeadband = 0.1

// rateMargin is how far above a lane's highest rate max_rate stands. Two polls that are stamped
// closer together than they were read would otherwise look like a reset; a 16-bit counter still wraps many seconds apart.
const rateMargin = 10

// publishInterval is that of subscriptions: a change is told within twice as long, well before a truth is final.
const publishInterval = 250 * time.Millisecond

func writeGateway(out *bytes.Buffer, venue string, id point.ID, position int, devices []located, o Options) {
	fmt.Fprintf(out, "# Gateway %s of the simulated venue %s. Written by venuesim.\n", id, venue)
	fmt.Fprintf(out, "venue: %s\ngateway: %s\n", venue, id)
	fmt.Fprintf(out, "data_dir: %q\n", filepath.Join(o.DataDir, string(id)))
	fmt.Fprintf(out, "identity: %s\n", o.identity(string(id)))
	fmt.Fprintf(out, "uplink: {broker: %q}\n", o.brokerURL())
	if o.DiagPort != 0 {
		fmt.Fprintf(out, "diag: {listen: \"127.0.0.1:%d\"}\n", o.DiagPort+position)
	} else {
		fmt.Fprint(out, "diag: {listen: \"\"}\n")
	}
	fmt.Fprintf(out, "scan_classes: {gates: %s, seats: %s, panels: %s, court: %s}\n", o.GateScan, o.SeatScan, o.PanelScan, field.TrackPeriod)
	fmt.Fprint(out, "devices:\n")
	for _, d := range devices {
		fmt.Fprintf(out, "  - id: %s\n    driver: %s\n", d.ID, d.Protocol)
		switch d.Protocol {
		case field.Tracking:
			fmt.Fprintf(out, "    options: {address: %q}\n", d.address)
		case field.OPCUA:
			fmt.Fprintf(out, "    options: {endpoint: %q, publish_interval: %s}\n", "opc.tcp://"+d.address, publishInterval)
		default:
			fmt.Fprintf(out, "    options: {address: %q, unit: %d, timeout: 1s, depth: 4%s}\n", d.address, field.Unit, o.tickets(d.Device))
		}
		fmt.Fprint(out, "    points:\n")
		for _, e := range d.Entries {
			o.writeEntry(out, d.Device, e)
		}
	}
}

// identity returns the flow mapping of an identity section.
func (o Options) identity(name string) string {
	if o.CertFile == "" {
		return fmt.Sprintf("{trust_domain: %s, workload_api: %q}", o.TrustDomain, named(o.WorkloadAPI, name))
	}
	return fmt.Sprintf("{trust_domain: %s, cert_file: %q, key_file: %q, bundle_file: %q}",
		o.TrustDomain, named(o.CertFile, name), named(o.KeyFile, name), named(o.BundleFile, name))
}

// tickets returns the options of a device whose slots hold tickets.
func (o Options) tickets(d field.Device) string {
	if d.Ring == nil {
		return ""
	}
	return fmt.Sprintf(", ticket_key_file: %q", o.TicketKey)
}

func (o Options) writeEntry(out *bytes.Buffer, d field.Device, e field.Entry) {
	key := "name"
	if strings.Contains(e.Name, "{") {
		key = "range"
	}
	fmt.Fprintf(out, "      - %s: %q\n", key, e.Name)
	if e.Place != "" && !e.Witness {
		fmt.Fprintf(out, "        place: %q\n", e.Place)
	}
	for _, line := range o.meaning(e) {
		fmt.Fprintf(out, "        %s\n", line)
	}
	if d.Ring != nil {
		writeRing(out, *d.Ring)
		return
	}
	if e.Role == field.PlayerAt {
		fmt.Fprintf(out, "        source: {player: %d}\n", e.Player)
		return
	}
	if e.Node != "" {
		fmt.Fprintf(out, "        source: {node: %q}\n", e.Node)
		return
	}
	fmt.Fprintf(out, "        source: {table: %s, address: %d, type: uint16}\n", e.Table, e.Address)
}

// writeRing writes where a gate's ring lies, and what its slots hold.
func writeRing(out *bytes.Buffer, r field.Ring) {
	fmt.Fprintf(out, "        source:\n          table: holding\n          address: %d\n          ring:\n", field.RingFirstSlot)
	fmt.Fprintf(out, "            count: %d\n            size: %d\n", r.Slots, field.RingSlotSize)
	fmt.Fprintf(out, "            head: {address: %d, type: uint32}\n            generation: {address: %d}\n", field.RingHead, field.RingGeneration)
	fmt.Fprintf(out, "            clock: {address: %d, type: uint32}\n            cursor: {address: %d, type: uint32}\n", field.RingClock, field.RingCursor)
	fmt.Fprintf(out, "            id: {offset: 0, type: uint32, first: %d}\n            time: {offset: 2, type: uint32, unit: ms, epoch: none}\n", field.RingFirstID)
	fmt.Fprintf(out, "            direction: {offset: 4, in: %d, out: %d}\n            ticket: {offset: 5, type: uint32}\n", field.CodeIn, field.CodeOut)
}

// meaning returns the lines that say what a role's points are.
func (o Options) meaning(e field.Entry) []string {
	counter := func(direction point.Direction) []string {
		lines := []string{"type: int", "class: counter", "bits: 16", "max_rate: " + number(math.Ceil(o.MaxLaneRate*rateMargin)), "scan: gates"}
		if e.Witness {
			return lines
		}
		return append(lines, "kind: gate", "direction: "+direction.String())
	}
	event := func(direction point.Direction) []string {
		return []string{"type: int", "kind: gate", "class: event", "direction: " + direction.String(), "scan: gates"}
	}
	air := func(unit string, deadband float64) []string {
		return []string{"type: float", "unit: " + strconv.Quote(unit), "deadband: " + number(deadband), "max_silence: 10m", "scan: panels"}
	}
	switch e.Role {
	case field.SeatPressure:
		return []string{
			"type: int", "kind: seat", "unit: kg", "scale: 0.1", "deadband: " + number(seatDeadband),
			"occupied: {above: 20, below: 15}", "max_silence: 10m", "scan: seats",
		}
	case field.PassagesIn:
		return counter(point.In)
	case field.PassagesOut:
		return counter(point.Out)
	case field.RingIn:
		return event(point.In)
	case field.RingOut:
		return event(point.Out)
	case field.PanelStatus:
		return []string{"type: int", "kind: panel", "max_silence: 10m", "scan: panels"}
	case field.PlayerAt:
		return []string{"type: float", "kind: position", "unit: m", "deadband: " + number(positionDeadband), "max_silence: 5s", "scan: court"}
	case field.Brightness:
		return air("%", 1)
	case field.Temperature:
		return air("Cel", 0.1)
	case field.Humidity:
		return air("%", 0.5)
	case field.CO2:
		return air("ppm", 5)
	}
	panic(fmt.Sprintf("siteconfig: unknown role %d", e.Role))
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
