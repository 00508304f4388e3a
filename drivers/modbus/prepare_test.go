package modbus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/drivers/modbus"
	"github.com/courtside-edge/courtside/sync/point"
)

const goodOptions = "address: 127.0.0.1:502"

func state(t point.Type) *point.Point { return &point.Point{Type: t, Class: point.State} }

func counter(bits uint8) *point.Point {
	return &point.Point{Type: point.Int, Class: point.Counter, Bits: bits}
}

// group returns n points of one source section.
func group(name, text string, n int, p *point.Point) drivers.Group {
	g := drivers.Group{Options: driverstest.Section(name, text)}
	for i := range n {
		g.Targets = append(g.Targets, drivers.Target{Index: uint32(i), Point: p})
	}
	return g
}

func prepare(options string, groups ...drivers.Group) (*modbus.Source, error) {
	s, err := modbus.Driver{}.Prepare(drivers.Device{ID: "plc", Options: driverstest.Section("options", options),
		Classes: []drivers.ScanClass{{Name: "fast", Period: 100 * time.Millisecond}}, Groups: groups, Clock: benchClock{time.Now()}})
	if err != nil {
		return nil, err
	}
	return s.(*modbus.Source), nil
}

func TestRefusesWrongOptions(t *testing.T) {
	for _, tc := range []struct{ options, key, says string }{
		{"unit: 1", "address", "missing"},
		{"address: plc-1", "address", "host:port"},
		{"address: ':502'", "address", "host:port"},
		{"address: plc-1:0", "address", "1 to 65535"},
		{"address: plc-1:modbus", "address", "1 to 65535"},
		{goodOptions + "\nunit: 256", "unit", "0 to 255"},
		{goodOptions + "\nunit: -1", "unit", "0 to 255"},
		{goodOptions + "\ndepth: 0", "depth", "1 to 16"},
		{goodOptions + "\ndepth: 17", "depth", "1 to 16"},
		{goodOptions + "\nmax_registers: 126", "max_registers", "1 to 125"},
		{goodOptions + "\nmax_registers: 0", "max_registers", "1 to 125"},
		{goodOptions + "\nmax_bits: 2001", "max_bits", "1 to 2000"},
		{goodOptions + "\nmax_gap: -1", "max_gap", "0 to 125"},
		{goodOptions + "\ntimeout: 0s", "timeout", "1ms to 1m0s"},
		{goodOptions + "\ntimeout: 2h", "timeout", "1ms to 1m0s"},
		{goodOptions + "\npause: -1s", "pause", "0s to 10s"},
		{goodOptions + "\npause: 5ms\ndepth: 2", "pause", "contradict"},
		{goodOptions + "\nspeed: 3", "", "speed"},
		{goodOptions + "\nframing: ascii", "framing", "tcp"},
		{goodOptions + "\nframing: rtu\ndepth: 2", "depth", "one request at a time"},
		{goodOptions + "\nserial: {port: /dev/ttyS0}", "address", "contradict"},
		{"serial: {baud: 9600}", "serial.port", "missing"},
		{"serial: {port: /dev/ttyS0}\nframing: tcp", "framing", "rtu"},
		{"serial: {port: /dev/ttyS0, baud: 1}", "serial.baud", "300"},
		{"serial: {port: /dev/ttyS0, parity: mark}", "serial.parity", "even"},
		{"serial: {port: /dev/ttyS0, stop_bits: 3}", "serial.stop_bits", "1 or 2"},
		{"serial: {port: /dev/ttyS0, data_bits: 7}", "serial.data_bits", "8 data bits"},
		{goodOptions + "\nproxy: '1502'", "proxy", "host:port"},
		{goodOptions + "\ntickets: clear", "tickets", "plain"},
	} {
		_, err := prepare(tc.options)
		expectFault(t, tc.options, err, "options", tc.key, tc.says)
	}
}

func TestRefusesWrongSources(t *testing.T) {
	const holding = "table: holding\naddress: 0\n"
	for _, tc := range []struct {
		source    string
		points    int
		point     *point.Point
		key, says string
	}{
		{"address: 1", 1, state(point.Int), "table", "missing"},
		{"table: holding", 1, state(point.Int), "address", "missing"},
		{"table: registers\naddress: 1", 1, state(point.Int), "table", "holding, input, coil or discrete"},
		{"table: holding\naddress: -1", 1, state(point.Int), "address", "0 to 65535"},
		{"table: holding\naddress: 65536", 1, state(point.Int), "address", "0 to 65535"},
		{"table: holding\naddress: 400001", 1, state(point.Int), "address", `reference: "400001"`},
		{holding + "reference: 40001", 1, state(point.Int), "address", "never both"},
		{"table: input\nreference: 40001", 1, state(point.Int), "table", "leave table out"},
		{"reference: 20001", 1, state(point.Int), "reference", "begins with 2"},
		{"reference: 40000", 1, state(point.Int), "reference", "the first is 40001"},
		{"reference: 400000", 1, state(point.Int), "reference", "the first is 400001"},
		{"reference: 465537", 1, state(point.Int), "reference", "65536"},
		{"reference: 4001", 1, state(point.Int), "reference", "five or six digits"},
		{"reference: 4x001", 1, state(point.Int), "reference", "five or six digits"},
		{"table: holding\naddress: 65500", 37, state(point.Int), "address", "would lie at address 65536"},
		{"table: holding\naddress: 65535\ntype: uint32", 1, state(point.Int), "address", "would lie at address 65536"},
		{"table: holding\naddress: 0\nstep: 40000", 3, state(point.Int), "address", "would lie at address 80000"},
		{"reference: 465536\ntype: float32", 1, state(point.Float), "reference", "would lie at address 65536"},
		{holding + "step: 0", 2, state(point.Int), "step", "1 to 65535"},
		{holding + "type: word", 1, state(point.Int), "type", "not a type"},
		{holding + "type: float32", 1, state(point.Int), "type", "make the point's type float"},
		{holding + "type: uint16", 1, state(point.Float), "type", "make the point's type int"},
		{holding + "type: int64", 1, state(point.Bool), "type", "make the point's type int"},
		{holding + "type: bool", 1, state(point.Int), "type", "make the point's type bool"},
		{holding, 1, state(point.Text), "length", "1 to 125"},
		{holding + "length: 126", 1, state(point.Text), "length", "1 to 125"},
		{holding + "length: 2", 1, state(point.Int), "length", "string only"},
		{holding + "length: 2\nword_order: little", 1, state(point.Text), "word_order", "no word order"},
		{holding + "type: string\nlength: 2", 1, state(point.Int), "type", "make the point's type text"},
		{holding + "type: uint16", 1, state(point.Text), "type", "make the point's type int"},
		{holding + "type: bcd16", 1, counter(16), "type", "unsigned"},
		{holding + "bit_step: 1", 2, state(point.Int), "bit_step", "type bit only"},
		{holding + "type: bit\nbit: 0\nbit_step: 1\nstep: 1", 2, state(point.Bool), "step", "contradict"},
		{holding + "type: bit\nbit: 0\nbit_step: 0", 2, state(point.Bool), "bit_step", "1 to 1024"},
		{"table: holding\naddress: 65535\ntype: bit\nbit: 0\nbit_step: 1", 17, state(point.Bool), "address", "would lie at address 65536"},
		{holding + "unit: 256", 1, state(point.Int), "unit", "0 to 255"},
		{holding + "unit: -2", 1, state(point.Int), "unit", "0 to 255"},
		{holding + "unit: 250\nunit_step: 1", 7, state(point.Int), "unit_step", "unit 256"},
		{holding + "type: bit", 1, state(point.Bool), "bit", "missing"},
		{holding + "type: bit\nbit: 16", 1, state(point.Bool), "bit", "0 (least significant) to 15"},
		{holding + "type: bit\nbit: -1", 1, state(point.Bool), "bit", "0 (least significant) to 15"},
		{holding + "bit: 3", 1, state(point.Int), "bit", "type bit only"},
		{holding + "word_order: small", 1, state(point.Int), "word_order", "big"},
		{holding + "type: uint32\nbyte_order: middle", 1, state(point.Int), "byte_order", "big"},
		{holding + "word_order: little", 1, state(point.Int), "word_order", "one register"},
		{"table: coil\naddress: 0", 1, state(point.Int), "type", "make the point's type bool"},
		{"table: coil\naddress: 0\ntype: uint16", 1, state(point.Bool), "type", "leave type out"},
		{"table: discrete\naddress: 0\nbit: 1", 1, state(point.Bool), "bit", "leave bit"},
		{"table: discrete\naddress: 0\nbyte_order: little", 1, state(point.Bool), "byte_order", "leave bit"},
		{holding + "type: int16", 1, counter(16), "type", "unsigned"},
		{holding + "type: uint32", 1, counter(16), "type", "bits"},
		{holding + "type: uint16", 1, counter(64), "type", "bits"},
		{holding, 1, &point.Point{Type: point.Int, Class: point.Event}, "", "ring"},
		{holding + "colour: red", 1, state(point.Int), "", "colour"},
	} {
		_, err := prepare(goodOptions, group("source", tc.source, tc.points, tc.point))
		expectFault(t, tc.source, err, "source", tc.key, tc.says)
	}
	_, err := prepare(goodOptions+"\nmax_registers: 3", group("source", holding+"type: float64", 1, state(point.Float)))
	expectFault(t, "float64 in requests of 3", err, "source", "type", "max_registers 3")
}

func expectFault(t *testing.T, what string, err error, section, key, says string) {
	t.Helper()
	faults := driverstest.Faults(err)
	for _, f := range faults {
		if f.Section == section && f.Key == key && strings.Contains(f.Text, says) {
			return
		}
	}
	t.Errorf("%s:\nfaults %v\nwant one at %s.%s that says %q", strings.ReplaceAll(what, "\n", "; "), faults, section, key, says)
}

// Every fault of the device and of each of its points comes in one go.
func TestReportsAllFaultsAtOnce(t *testing.T) {
	_, err := prepare("unit: 300\ndepth: 99",
		group("first", "table: nowhere\naddress: -5\ntype: word", 1, state(point.Int)),
		group("second", "table: holding\naddress: 0", 1, state(point.Int)),
		group("third", "reference: 99999\ntype: bit", 1, state(point.Bool)))
	var got []string
	for _, f := range driverstest.Faults(err) {
		got = append(got, f.Section+"."+f.Key)
	}
	want := "[options.address options.unit options.depth first.table first.address first.type third.reference third.bit]"
	if fmt.Sprint(got) != want {
		t.Errorf("faults at %v\nwant      %v", got, want)
	}
}

func TestReferencesAndAddressesAgree(t *testing.T) {
	for reference, want := range map[string]modbus.Request{
		"'00001'":  {Table: modbus.Coil, Address: 0},
		"10017":    {Table: modbus.Discrete, Address: 16},
		"30001":    {Table: modbus.Input, Address: 0},
		"40108":    {Table: modbus.Holding, Address: 107},
		"49999":    {Table: modbus.Holding, Address: 9998},
		"400001":   {Table: modbus.Holding, Address: 0},
		"'465536'": {Table: modbus.Holding, Address: 65535},
		"'065536'": {Table: modbus.Coil, Address: 65535},
	} {
		p := state(point.Int)
		if want.Table == modbus.Coil || want.Table == modbus.Discrete {
			p = state(point.Bool)
		}
		s, err := prepare(goodOptions, group("source", "reference: "+reference, 1, p))
		if err != nil {
			t.Errorf("%s: %v", reference, err)
			continue
		}
		want.Unit, want.Quantity, want.Points = 1, 1, 1
		if got := s.Plan().Classes[0].Requests[0]; got != want {
			t.Errorf("reference %s is %+v, want %+v", reference, got, want)
		}
	}
}

func TestPlanPrints(t *testing.T) {
	s, err := prepare(goodOptions+"\nunit: 3\ndepth: 2\nmax_gap: 4",
		group("seats", "table: holding\naddress: 0", 300, state(point.Int)),
		group("far", "table: holding\naddress: 304", 1, state(point.Int)),
		group("farther", "table: holding\naddress: 310", 1, state(point.Int)),
		group("doors", "table: coil\naddress: 7", 3, state(point.Bool)))
	if err != nil {
		t.Fatal(err)
	}
	want := `device plc: unit 3 at 127.0.0.1:502, depth 2
  scan class fast every 100ms: 305 points in 5 requests, 4 addresses wasted; 15ms when each is answered in 5ms
    coil         7 to     9: 3 points
    holding      0 to   124: 125 points
    holding    125 to   249: 125 points
    holding    250 to   304: 51 points, 4 wasted
    holding    310 to   310: 1 points
`
	if got := s.Plan().String(); got != want {
		t.Errorf("the plan prints\n%s\nwant\n%s", got, want)
	}
}
