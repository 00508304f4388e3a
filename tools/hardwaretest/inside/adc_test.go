//go:build hardware

package inside

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/drivers/adc"
	"github.com/courtside-edge/courtside/sync/point"
)

// busOf returns the I2C bus of the adapter whose name begins so, such as i2c-1, and lets the gateway's user open it.
func busOf(t *testing.T, adapter string) string {
	t.Helper()
	names, err := filepath.Glob("/sys/bus/i2c/devices/i2c-*/name")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range names {
		name, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(name), adapter) {
			bus := filepath.Base(filepath.Dir(path))
			share(t, "/dev/"+bus)
			return bus
		}
	}
	t.Fatalf("no I2C bus is called %s: %v", adapter, names)
	return ""
}

// share lets the gateway's user open a device.
func share(t testing.TB, path string) {
	t.Helper()
	if err := errors.Join(os.Chown(path, 0, gatewayUser), os.Chmod(path, 0o660)); err != nil {
		t.Fatal(err)
	}
}

// sim sets a parameter of analog-sim until the test ends.
func sim(t testing.TB, name, value string) {
	t.Helper()
	path := filepath.Join("/sys/module/analog_sim/parameters", name)
	was, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(value), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(path, was, 0) })
}

// microvolts sets the inputs from the first on; the others are at ground.
func microvolts(t testing.TB, volts ...int) {
	t.Helper()
	all := make([]string, 28)
	for i := range all {
		all[i] = "0"
		if i < len(volts) {
			all[i] = fmt.Sprint(volts[i])
		}
	}
	sim(t, "microvolts", strings.Join(all, ","))
}

func volts(n int, source string) group  { return group{point.Float, point.State, n, source} }
func counts(n int, source string) group { return group{point.Int, point.State, n, source} }

// poll reads every point once, and returns the readings by index.
func poll(t *testing.T, conn drivers.Conn, n int) ([]drivers.Reading, error) {
	t.Helper()
	all := make([]drivers.Reading, n)
	err := conn.Poll(t.Context(), 0, func(b *drivers.Block) {
		for _, r := range b.Readings {
			all[r.Index] = r
		}
	})
	return all, err
}

// asGood tells the readings as numbers: floats, whole numbers by their size, bad ones as their quality.
func asText(all []drivers.Reading, floats int) string {
	var text []string
	for i, r := range all {
		switch {
		case r.Quality.IsBad():
			text = append(text, r.Quality.String())
		case i < floats:
			text = append(text, fmt.Sprintf("%.6f", math.Float64frombits(r.Bits)))
		default:
			text = append(text, fmt.Sprint(int64(r.Bits)))
		}
	}
	return strings.Join(text, ", ")
}

func mustOpen(t *testing.T, d drivers.Device) drivers.Conn {
	t.Helper()
	conn, err := open(t, adc.Driver{}, d)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// register is one call of SMBus: it writes a word of i2c-stub's, as a converter would have it.
func register(t *testing.T, bus string, address, command int, value int16) {
	t.Helper()
	f, err := os.OpenFile("/dev/"+bus, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := uint16(value)>>8 | uint16(value)<<8 // a converter sends the higher byte first, SMBus the lower
	call := struct {
		read, command uint8
		size          uint32
		data          unsafe.Pointer
	}{0, uint8(command), 3, unsafe.Pointer(&data)}
	for _, request := range [][2]uintptr{{0x0703, uintptr(address)}, {0x0720, uintptr(unsafe.Pointer(&call))}} {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request[0], request[1]); e != 0 {
			t.Fatal(e)
		}
	}
}

// TestSMBusStub reads the kernel's own i2c-stub: an adapter that knows SMBus's calls alone. It converts nothing; what its register of conversions
// holds is read.
func TestSMBusStub(t *testing.T) {
	bus := busOf(t, "SMBus stub driver")
	register(t, bus, 0x48, 0, 16384)
	register(t, bus, 0x49, 0, -8000)
	register(t, bus, 0x4a, 0, 1000<<4)
	conn := mustOpen(t, device(t, "bus: "+bus,
		volts(1, "chip: ads1115, address: 0x48, channel: 0"), counts(1, "chip: ads1115, address: 0x49, channel: 0, minus: 1"),
		counts(1, "chip: ads1015, address: 0x4a, channel: 3"), counts(1, "chip: ads1115, address: 0x4b, channel: 0")))
	for range 2 {
		all, err := poll(t, conn, 4)
		if err != nil {
			t.Fatal(err)
		}
		if got := asText(all, 1); got != "2.048000, -8000, 1000, "+point.BadCommunication.String() {
			t.Error(got)
		}
	}
	register(t, bus, 0x48, 0, -1)
	if all, err := poll(t, conn, 4); err != nil || asText(all, 1)[:9] != "-0.000125" {
		t.Errorf("%s, %v", asText(all, 1), err)
	}
	found, err := adc.Scan(t.Context(), bus)
	if err != nil || !slices.Equal(found, []int{0x48, 0x49, 0x4a}) {
		t.Errorf("found %#x, %v", found, err)
	}
}

// TestConverters reads converters that convert: every channel, pairs, ranges and rates, to the last count.
func TestConverters(t *testing.T) {
	bus := busOf(t, "analog-sim")
	microvolts(t, 1000000, 2000000, 3000000, 4000000, 125000, -250000, 500000, 256000, 1234500, 600000, 0, 3299000)
	conn := mustOpen(t, device(t, "bus: "+bus,
		volts(4, "chip: ads1115, address: 0x48, channel: 0, rate: 860"),
		volts(1, "chip: ads1115, address: 0x49, channel: 0, minus: 1, range: 0.512, rate: 475"),
		counts(1, "chip: ads1115, address: 0x49, channel: 1, range: 0.256"),
		counts(1, "chip: ads1115, address: 0x49, channel: 3, range: 6.144, rate: 250"),
		counts(4, "chip: ads1015, address: 0x4a, channel: 0, range: 2.048, rate: 3300")))
	const want = "1.000000, 2.000000, 3.000000, 4.000000, 0.375000, "
	for range 3 {
		all, err := poll(t, conn, 11)
		if err != nil {
			t.Fatal(err)
		}
		// 256 mV of ±6.144 V are 1365.3 counts; 1.2345 V of ±2.048 V in 12 bits 1234.5; 3.299 V are beyond it, and −250 mV of ±256 mV are −32000
		if got := asText(all, 5); got != want+"-32000, 1365, 1234, 600, 0, "+point.BadOutOfRange.String() {
			t.Error(got)
		}
	}
	microvolts(t, 3999875)
	if all, err := poll(t, conn, 11); err != nil || !strings.HasPrefix(asText(all, 5), "3.999875, 0.000000") {
		t.Errorf("changed: %s, %v", asText(all, 5), err)
	}
	found, err := adc.Scan(t.Context(), bus)
	if err != nil || !slices.Equal(found, []int{0x48, 0x49, 0x4a}) {
		t.Errorf("found %#x, %v", found, err)
	}
}

// TestConvertersThatFail takes one of two away in every way there is.
func TestConvertersThatFail(t *testing.T) {
	bus := busOf(t, "analog-sim")
	for _, x := range []struct {
		name, parameter, value string
		want                   point.Quality
	}{
		{"does not answer", "nack", "1", point.BadCommunication},
		{"holds the clock", "hold", "1", point.BadTimeout},
		{"converts for too long", "slowness", "100000", point.BadTimeout},
	} {
		t.Run(x.name, func(t *testing.T) {
			microvolts(t, 1000000, 0, 0, 0, 1500000)
			options := "bus: " + bus + ", timeout: 50ms"
			conn := mustOpen(t, device(t, options, volts(1, "chip: ads1115, address: 0x48, channel: 0"), volts(1, "chip: ads1115, address: 0x49, channel: 0")))
			if all, err := poll(t, conn, 2); err != nil || asText(all, 2) != "1.000000, 1.500000" {
				t.Fatalf("at first: %s, %v", asText(all, 2), err)
			}
			t.Run("fault", func(t *testing.T) {
				sim(t, x.parameter, x.value)
				all, err := poll(t, conn, 2)
				if all[0].Quality != x.want {
					t.Errorf("%s, %v", asText(all, 2), err)
				}
				if x.parameter != "slowness" && (err != nil || asText(all[1:], 1) != "1.500000") {
					t.Errorf("the other: %s, %v", asText(all, 2), err)
				}
			})
			conn.Close()
			again := mustOpen(t, device(t, options, volts(1, "chip: ads1115, address: 0x48, channel: 0")))
			if all, err := poll(t, again, 1); err != nil || asText(all, 1) != "1.000000" {
				t.Errorf("well again: %s, %v", asText(all, 1), err)
			}
		})
	}
}

// TestAConverterThatForgets was without power for a moment: it comes up with other settings, which each read finds.
func TestAConverterThatForgets(t *testing.T) {
	bus := busOf(t, "analog-sim")
	microvolts(t, 1000000)
	conn := mustOpen(t, device(t, "bus: "+bus, volts(1, "chip: ads1115, address: 0x48, channel: 0, rate: 8")))
	go func() {
		time.Sleep(60 * time.Millisecond) // within the 138 ms of the conversion; early or late it does no harm
		_ = os.WriteFile("/sys/module/analog_sim/parameters/forget", []byte("1"), 0)
	}()
	for range 5 {
		all, err := poll(t, conn, 1)
		if got := asText(all, 1); got != "1.000000" && got != point.BadDataEncodingInvalid.String() {
			t.Errorf("%s, %v", got, err)
		}
	}
}

// TestABusThatHasGone ends the connection, and a new one finds it again.
func TestABusThatHasGone(t *testing.T) {
	bus := busOf(t, "analog-sim")
	microvolts(t, 1000000)
	d := device(t, "bus: "+bus, volts(1, "chip: ads1115, address: 0x48, channel: 0"))
	conn := mustOpen(t, d)
	t.Run("gone", func(t *testing.T) {
		sim(t, "gone", "1")
		var known *drivers.Error
		if _, err := poll(t, conn, 1); !errors.As(err, &known) || known.Failure != drivers.Transient {
			t.Errorf("%v", err)
		}
		if _, err := open(t, adc.Driver{}, d); err == nil {
			t.Error("a bus that has gone can be opened")
		}
	})
	if all, err := poll(t, mustOpen(t, d), 1); err != nil || asText(all, 1) != "1.000000" {
		t.Errorf("%s, %v", asText(all, 1), err)
	}
}

// TestSPIConverters reads an MCP3208 and an MCP3008 over spidev, and a chip select with nobody behind it.
func TestSPIConverters(t *testing.T) {
	all := make([]int, 28)
	for channel := range 8 {
		all[12+channel] = 400000 * (channel + 1)
		all[20+channel] = 300000 * (channel + 1)
	}
	microvolts(t, all...)
	conn := mustOpen(t, device(t, "bus: spi0, speed: 1000000",
		counts(8, "chip: mcp3208, select: 0, channel: 0"), counts(8, "chip: mcp3008, select: 1, channel: 0"),
		counts(1, "chip: mcp3208, select: 0, channel: 5, minus: 4"), counts(1, "chip: mcp3204, select: 2, channel: 0")))
	readings, err := poll(t, conn, 18)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for channel := range 8 {
		want = append(want, fmt.Sprint(400000*(channel+1)*4096/3300000))
	}
	for channel := range 8 {
		want = append(want, fmt.Sprint(300000*(channel+1)*1024/3300000))
	}
	want = append(want, fmt.Sprint(400000*4096/3300000), point.BadDeviceFailure.String())
	if got := asText(readings, 0); got != strings.Join(want, ", ") {
		t.Errorf("read %s\nwant %s", got, strings.Join(want, ", "))
	}
}

// TestForbiddenBuses are a person's business: permanent.
func TestForbiddenBuses(t *testing.T) {
	const mark = "HARDWARE_FORBIDDEN"
	bus := os.Getenv(mark)
	if bus == "" {
		bus = busOf(t, "analog-sim")
		if err := os.Chmod("/dev/"+bus, 0o600); err != nil {
			t.Fatal(err)
		}
		again(t, "TestForbiddenBuses", mark+"="+bus)
		return
	}
	for _, d := range []drivers.Device{device(t, "bus: "+bus, volts(1, "chip: ads1115, address: 0x48, channel: 0")),
		device(t, "bus: spi0", volts(1, "chip: mcp3208, select: 0, channel: 0"))} {
		if _, err := open(t, adc.Driver{}, d); !drivers.IsPermanent(err) {
			t.Errorf("forbidden: %v", err)
		}
	}
}
