package adc

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/driverstest"
	"github.com/courtside-edge/courtside/sync/point"
)

// wish is one entry of a device's point list.
type wish struct {
	source string
	points int
	point  point.Point
}

func device(options string, wishes ...wish) drivers.Device {
	d := drivers.Device{ID: "seats", Options: driverstest.Section("options", options), Classes: []drivers.ScanClass{{Name: "fast", Period: time.Second}},
		Log: slog.New(slog.DiscardHandler), Clock: driverstest.Clock{Start: time.Now()}}
	next := uint32(0)
	for _, w := range wishes {
		if w.point.Type == 0 {
			w.point.Type = point.Float
		}
		if w.point.Class == 0 {
			w.point.Class = point.State
		}
		g := drivers.Group{Options: driverstest.Section("source", w.source)}
		for range max(w.points, 1) {
			g.Targets = append(g.Targets, drivers.Target{Index: next, Point: &w.point})
			next++
		}
		d.Groups = append(d.Groups, g)
	}
	return d
}

// playback plays a recording back instead of a bus.
type playback struct{ *i2ctest.Playback }

func (p playback) openI2C(options) (i2c.BusCloser, error) { return p.Playback, nil }
func (p playback) openSPI(options, int) (spiChip, error)  { return nil, errors.New("no SPI here") }

// poll opens the device and polls it once.
func poll(t *testing.T, o opener, d drivers.Device) (readings []drivers.Reading, err error) {
	t.Helper()
	source, err := Driver{opener: o}.Prepare(d)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := source.Open(t.Context())
	if err != nil {
		return nil, err
	}
	err = conn.Poll(t.Context(), 0, func(b *drivers.Block) {
		if b.Asked == 0 || b.Asked > b.Time {
			t.Errorf("a block asked for at %d and answered at %d", b.Asked, b.Time)
		}
		readings = append(readings, b.Readings...)
	})
	return readings, errors.Join(err, conn.Close())
}

// TestRecordedADS1115 replays byte for byte what a bus with two chips carries; the words are those of the data sheet (SBAS444D, table 8).
func TestRecordedADS1115(t *testing.T) {
	recording := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{
		{Addr: 0x48, W: []byte{1}, R: []byte{0x85, 0x83}}, // the settings after power-on: somebody answers
		{Addr: 0x48, W: []byte{1, 0xc3, 0x83}},            // AIN0 to ground, 4.096 V, once, 128 a second
		{Addr: 0x4b, W: []byte{1, 0xb5, 0xe3}},            // AIN2 to AIN3, 2.048 V, once, 860 a second
		{Addr: 0x48, W: []byte{1}, R: []byte{0xc3, 0x83}},
		{Addr: 0x48, W: []byte{0}, R: []byte{0x27, 0x10}}, // 10,000 × 125 µV
		{Addr: 0x4b, W: []byte{1}, R: []byte{0x35, 0xe3}}, // not ready yet
		{Addr: 0x4b, W: []byte{1}, R: []byte{0xb5, 0xe3}},
		{Addr: 0x4b, W: []byte{0}, R: []byte{0xff, 0x9c}}, // −100 × 62.5 µV
		{Addr: 0x48, W: []byte{1, 0xd3, 0x83}},            // AIN1
		{Addr: 0x48, W: []byte{1}, R: []byte{0xd3, 0x83}},
		{Addr: 0x48, W: []byte{0}, R: []byte{0x7f, 0xff}}, // beyond the range
	}}
	got, err := poll(t, playback{recording}, device("bus: i2c-1",
		wish{source: "chip: ads1115\naddress: 0x48\nchannel: 0", points: 2},
		wish{source: "chip: ads1115\naddress: 0x4b\nchannel: 2\nminus: 3\nrange: 2.048\nrate: 860"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Bits != point.FloatBits(1.25) || got[1].Index != 2 || math.Abs(math.Float64frombits(got[1].Bits)+0.00625) > 1e-12 ||
		got[2].Index != 1 || got[2].Quality != point.BadOutOfRange {
		t.Errorf("%+v", got)
	}
}

// recordedSPI plays back what each exchange of an MCP carries, both ways.
type recordedSPI struct {
	t   *testing.T
	ops [][2][3]byte
}

func (r *recordedSPI) openI2C(options) (i2c.BusCloser, error) { return nil, errors.New("no I2C here") }
func (r *recordedSPI) openSPI(options, int) (spiChip, error)  { return r, nil }
func (r *recordedSPI) Close() error                           { return nil }

func (r *recordedSPI) Tx(w, into []byte) error {
	if len(r.ops) == 0 || len(w) != 3 || len(into) != 3 || [3]byte(w) != r.ops[0][0] {
		r.t.Errorf("an exchange of % x, the recording goes on with % x", w, r.ops)
		return os.ErrClosed
	}
	copy(into, r.ops[0][1][:])
	r.ops = r.ops[1:]
	return nil
}

// TestRecordedMCP replays the exchanges of the data sheets (DS21295D figure 6-1, DS21298E figure 6-1).
func TestRecordedMCP(t *testing.T) {
	for chip, c := range map[string]struct {
		source string
		ops    [][2][3]byte
		want   []uint64
	}{
		"mcp3008": {"channel: 0\nstep: 5", [][2][3]byte{
			{{1, 0x80, 0}, {0xff, 0x00, 0x00}}, // the probe
			{{1, 0x80, 0}, {0xff, 0xfa, 0x01}}, // the bits before the null bit are nobody's
			{{1, 0xd0, 0}, {0x00, 0x03, 0xff}},
		}, []uint64{513, 1023}},
		"mcp3208": {"channel: 2\nstep: 5", [][2][3]byte{
			{{6, 0, 0}, {0, 0, 0}},
			{{6, 0x80, 0}, {0xff, 0xe8, 0x01}},
			{{7, 0xc0, 0}, {0x00, 0x0f, 0xff}},
		}, []uint64{2049, 4095}},
		"mcp3004": {"channel: 3\nminus: 2", [][2][3]byte{
			{{1, 0x80, 0}, {0, 0, 0}},
			{{1, 0x30, 0}, {0, 1, 0}},
		}, []uint64{256}},
	} {
		r := &recordedSPI{t: t, ops: c.ops}
		got, err := poll(t, r, device("bus: spi0", wish{source: "chip: " + chip + "\nselect: 0\n" + c.source, points: len(c.want), point: point.Point{Type: point.Int}}))
		if err != nil || len(got) != len(c.want) || len(r.ops) != 0 {
			t.Errorf("%s: %v, %v, %d exchanges left", chip, got, err, len(r.ops))
			continue
		}
		for i, want := range c.want {
			if got[i].Bits != want || !got[i].Quality.IsGood() {
				t.Errorf("%s: reading %d is %+v, want %d", chip, i, got[i], want)
			}
		}
	}
}

func TestAnMCPThatIsNotThere(t *testing.T) {
	bus := newFakeBus(0, 1)
	bus.chips[1].absent = true
	bus.chips[0].input[0] = 512
	got, err := poll(t, bus, device("bus: spi0", wish{source: "chip: mcp3008\nselect: 1\nchannel: 0"}, wish{source: "chip: mcp3008\nselect: 0\nchannel: 0"}))
	if err != nil || len(got) != 2 || got[0].Quality != point.BadDeviceFailure || got[1].Bits != point.FloatBits(1.65) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestValues(t *testing.T) {
	const at = "chip: ads1115\naddress: 0x48\nchannel: 0\n" // 125 µV a count
	for what, c := range map[string]struct {
		source string
		point  point.Point
		counts int
		want   drivers.Reading
	}{
		"volts":                {"", point.Point{}, 8000, drivers.Reading{Bits: point.FloatBits(1)}},
		"counts":               {"", point.Point{Type: point.Int, Scale: 0.5}, -8000, drivers.Reading{Bits: point.IntBits(-8000)}},
		"between points":       {"calibration: {points: [[4, 40], [1, 10], [2, 30]]}", point.Point{}, 12000, drivers.Reading{Bits: point.FloatBits(20)}},
		"before the points":    {"calibration: {points: [[1, 10], [2, 30], [3, 30]]}", point.Point{}, 4000, drivers.Reading{Bits: point.FloatBits(0)}},
		"behind the points":    {"calibration: {points: [[0, 10], [1, 30], [2, 20]]}", point.Point{}, 24000, drivers.Reading{Bits: point.FloatBits(10)}},
		"polynomial":           {"calibration: {polynomial: [1, 2, 3]}", point.Point{}, 16000, drivers.Reading{Bits: point.FloatBits(17)}},
		"calibrated int":       {"calibration: {polynomial: [0, 10]}", point.Point{Type: point.Int, Scale: 0.1, Offset: -5}, 8000, drivers.Reading{Bits: point.IntBits(150)}},
		"a broken wire":        {"valid: {from: 0.2, to: 4}", point.Point{}, 800, drivers.Reading{Quality: point.BadSensorFailure}},
		"a short circuit":      {"valid: {from: 0.2, to: 4}", point.Point{}, 32700, drivers.Reading{Quality: point.BadSensorFailure}},
		"the end of the range": {"", point.Point{}, -32768, drivers.Reading{Quality: point.BadOutOfRange}},
		"too much":             {"calibration: {polynomial: [1e308, 1e308]}", point.Point{}, 16000, drivers.Reading{Quality: point.BadOutOfRange}},
		"too much for an int":  {"calibration: {polynomial: [1e30]}", point.Point{Type: point.Int}, 16000, drivers.Reading{Quality: point.BadOutOfRange}},
	} {
		bus := newFakeBus(0x48)
		bus.chips[0x48].input[0] = c.counts
		got, err := poll(t, bus, device("bus: i2c-1", wish{source: at + c.source, point: c.point}))
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, c.want)
		}
	}
}

func TestTheCoarserADS1015(t *testing.T) {
	bus := newFakeBus(0x49)
	bus.chips[0x49].input[1] = 500 << 4
	got, err := poll(t, bus, device("bus: i2c-0", wish{source: "chip: ads1015\naddress: 0x49\nchannel: 1\nrate: 3300"}))
	if err != nil || len(got) != 1 || got[0].Bits != point.FloatBits(1) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestOneChipCostsTheOthersNothing: a chip that does not answer is bad alone, and left alone for longer and longer.
func TestOneChipCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(0x48, 0x49)
		source, err := Driver{opener: bus}.Prepare(device("bus: i2c-1", wish{source: "chip: ads1115\naddress: 0x48\nchannel: 0"}, wish{source: "chip: ads1115\naddress: 0x49\nchannel: 0"}))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := source.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		bus.chips[0x48].absent = true
		bus.keep = true
		scan := func() (first, second point.Quality) {
			err := opened.Poll(t.Context(), 0, func(b *drivers.Block) { first, second = b.Readings[0].Quality, b.Readings[1].Quality })
			if err != nil {
				t.Fatal(err)
			}
			return first, second
		}
		for n := range 600 { // a minute
			if first, second := scan(); first != point.BadCommunication || !second.IsGood() {
				t.Fatalf("scan %d: %v, %v", n, first, second)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if c := opened.(*conn); c.chips[0].failures > 10 {
			t.Errorf("the absent chip was asked %d times in a minute", c.chips[0].failures)
		}
		bus.chips[0x48].absent = false
		time.Sleep(longestPause)
		if first, second := scan(); !first.IsGood() || !second.IsGood() {
			t.Errorf("it is back: %v, %v", first, second)
		}
		bus.chips[0x48].config = 0 // it loses its settings between start and read
		bus.change(func() { bus.garbage = true })
		if err := opened.Poll(t.Context(), 0, func(b *drivers.Block) {
			if b.Readings[0].Quality != point.BadDataEncodingInvalid {
				t.Errorf("garbage is %v", b.Readings[0].Quality)
			}
		}); !errors.Is(err, errNobody) || drivers.IsPermanent(err) {
			t.Errorf("nobody answers well: %v", err)
		}
	})
}

func TestOpening(t *testing.T) {
	d := device("bus: i2c-1", wish{source: "chip: ads1115\naddress: 0x48\nchannel: 0"})
	bus := newFakeBus(0x48)
	open := func() error {
		source, err := Driver{opener: bus}.Prepare(d)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := source.Open(t.Context())
		if err == nil {
			conn.Close()
		}
		return err
	}
	bus.chips[0x48].absent = true
	if err := open(); !errors.Is(err, errNobody) || drivers.IsPermanent(err) {
		t.Errorf("no chip: %v", err)
	}
	bus.away = true
	if err := open(); err == nil || drivers.IsPermanent(err) {
		t.Errorf("no bus: %v", err)
	}
	bus.denied = true
	if err := open(); !drivers.IsPermanent(err) {
		t.Errorf("no permission: %v", err)
	}
}

// TestThisMachine opens buses that no board has.
func TestThisMachine(t *testing.T) {
	for _, d := range []drivers.Device{
		device("bus: i2c-987", wish{source: "chip: ads1115\naddress: 0x48\nchannel: 0"}),
		device("bus: spi987", wish{source: "chip: mcp3008\nselect: 0\nchannel: 0"}),
	} {
		source, err := Driver{}.Prepare(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Open(t.Context()); err == nil || drivers.IsPermanent(err) || !strings.Contains(err.Error(), "the board's") {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := source.Open(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	const chip, ads, mcp = "chip: ads1115\n", "chip: ads1115\naddress: 0x48\n", "chip: mcp3008\nselect: 0\n"
	for says, d := range map[string]drivers.Device{
		"bus is missing":                    device(""),
		"\"usb\" is not a bus":              device("bus: usb"),
		"timeout 1m0s is out":               device("bus: i2c-1\ntimeout: 1m"),
		"speed 1 Hz is out":                 device("bus: spi0\nspeed: 1"),
		"\"ad7\" is not a chip":             device("bus: i2c-1", wish{source: "chip: ad7"}),
		"is no chip of bus spi0":            device("bus: spi0", wish{source: ads + "channel: 0"}),
		"address is missing or out":         device("bus: i2c-1", wish{source: chip + "channel: 0"}),
		"address is for chips on I2C":       device("bus: spi0", wish{source: mcp + "address: 1\nchannel: 0"}),
		"select is for chips on SPI":        device("bus: i2c-1", wish{source: ads + "select: 1\nchannel: 0"}),
		"select is missing or out of range": device("bus: spi0", wish{source: "chip: mcp3008\nchannel: 0"}),
		"channel is missing":                device("bus: i2c-1", wish{source: ads}),
		"channels 2 to 4 are out":           device("bus: i2c-1", wish{source: ads + "channel: 2", points: 3}),
		"channels 0 to 0 are out":           device("bus: i2c-1", wish{source: ads + "channel: 0\nstep: 0"}),
		"minus goes with a single":          device("bus: i2c-1", wish{source: ads + "channel: 0\nminus: 1", points: 2}),
		"cannot measure channel 3 against":  device("bus: i2c-1", wish{source: ads + "channel: 3\nminus: 1"}),
		"measures channel 4 against 5 only": device("bus: spi0", wish{source: mcp + "channel: 4\nminus: 3"}),
		"no range of 5 V":                   device("bus: i2c-1", wish{source: ads + "channel: 0\nrange: 5"}),
		"does not convert 100 times":        device("bus: i2c-1", wish{source: ads + "channel: 0\nrate: 100"}),
		"reference 50 V is out":             device("bus: spi0", wish{source: mcp + "channel: 0\nreference: 50"}),
		"keep one":                          device("bus: i2c-1", wish{source: ads + "channel: 0\ncalibration: {points: [[0, 0], [1, 1]], polynomial: [1]}"}),
		"1 points; give 2":                  device("bus: i2c-1", wish{source: ads + "channel: 0\ncalibration: {points: [[0, 0]]}"}),
		"is not a point; write":             device("bus: i2c-1", wish{source: ads + "channel: 0\ncalibration: {points: [[0, 0], [1]]}"}),
		"two points at 1 V":                 device("bus: i2c-1", wish{source: ads + "channel: 0\ncalibration: {points: [[1, 0], [1, 2]]}"}),
		"9 coefficients":                    device("bus: i2c-1", wish{source: ads + "channel: 0\ncalibration: {polynomial: [1, 2, 3, 4, 5, 6, 7, 8, 9]}"}),
		"holds nothing":                     device("bus: i2c-1", wish{source: ads + "channel: 0\nvalid: {from: 2, to: 1}"}),
		"cannot fill a point of type bool":  device("bus: i2c-1", wish{source: ads + "channel: 0", point: point.Point{Type: point.Bool}}),
		"a voltage is a state":              device("bus: i2c-1", wish{source: ads + "channel: 0", point: point.Point{Class: point.Counter}}),
		"already fills another point":       device("bus: i2c-1", wish{source: ads + "channel: 0"}, wish{source: ads + "channel: 0"}),
		"is an ads1115 already":             device("bus: i2c-1", wish{source: ads + "channel: 0"}, wish{source: "chip: ads1015\naddress: 0x48\nchannel: 1"}),
	} {
		_, err := Driver{opener: newFakeBus()}.Prepare(d)
		if err == nil || !strings.Contains(err.Error(), says) || len(driverstest.Faults(err)) == 0 {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}

// FuzzAnswers: whatever a chip answers, a conversion lies within what its bits can hold, or is refused.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0xc3, 0x83, 0x27, 0x10}, uint16(0xc383))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint16(0xffff))
	f.Fuzz(func(t *testing.T, raw []byte, written uint16) {
		if len(raw) < 4 {
			return
		}
		if adsReady(raw[:2], written) == nil && (uint16(raw[0])<<8|uint16(raw[1]))&^configStart != written&^configStart {
			t.Fatal("settings that were never written are taken")
		}
		for _, name := range []string{"ads1115", "ads1015", "mcp3008", "mcp3208"} {
			k, _ := kindOf(name)
			limit := 1 << k.bits
			if k.family == ads {
				if n, within := k.adsCounts(raw[2:4]); within && (n <= -limit || n >= limit-1) {
					t.Fatalf("%s: %d counts", name, n)
				}
			} else if n, err := k.mcpCounts(raw[:3]); err == nil && (n < 0 || n >= limit) {
				t.Fatalf("%s: %d counts", name, n)
			}
		}
	})
}
