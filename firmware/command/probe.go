package command

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/probe"
)

func probeCommand(registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "probe", Short: "Ask a device by hand, through the gateway's own driver; reads only"}
	c.AddCommand(probeModbus(registry), probeOPCUA(registry), probeGPIO(registry), probeI2C(registry))
	return c
}

func probeModbus(registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "modbus ADDRESS", Short: "Read registers, search for units and addresses, show one value in all word orders", Args: cobra.ExactArgs(1),
		Example: "  gateway probe modbus 192.168.1.10:502 --address 0 --count 10\n" +
			"  gateway probe modbus 192.168.1.10:502 --units 1-20\n" +
			"  gateway probe modbus 192.168.1.10:502 --scan 0-999 --table input\n" +
			"  gateway probe modbus 192.168.1.10:502 --value 100\n" +
			"  gateway probe modbus /dev/ttyUSB0 --bauds 9600,19200,38400"}
	m := probe.Modbus{}
	f := c.Flags()
	f.IntVar(&m.Unit, "unit", 1, "unit id")
	f.StringVar(&m.Table, "table", "holding", "holding, input, coil or discrete")
	f.DurationVar(&m.Timeout, "timeout", 500*time.Millisecond, "how long an answer may take")
	f.DurationVar(&m.Pause, "pause", 50*time.Millisecond, "between the questions of a search")
	f.IntVar(&m.Baud, "baud", 0, "speed of a serial port; 0 for 19200")
	f.StringVar(&m.Parity, "parity", "", "of a serial port: even, odd or none")
	f.StringVar(&m.Framing, "framing", "", "rtu for a serial server behind TCP")
	address := f.Int("address", 0, "first address, zero-based: the manual's 40001 is 0")
	count := f.Int("count", 10, "how many")
	units := f.String("units", "", "search unit ids, such as 1-20 or 1,5,10-15")
	scan := f.String("scan", "", "search addresses, such as 0-999")
	value := f.Int("value", -1, "show the value at this address in all word orders")
	bauds := f.String("bauds", "", "search speeds of a serial port, such as 9600,19200,38400")
	c.RunE = func(c *cobra.Command, args []string) error {
		m.Address = args[0]
		driver := registry["modbus"]
		ctx, w := c.Context(), c.OutOrStdout()
		switch {
		case *units != "":
			list, err := numbers("units", *units, 0, 255)
			if err != nil {
				return err
			}
			return m.Units(ctx, w, driver, list)
		case *bauds != "":
			list, err := numbers("bauds", *bauds, 50, 4_000_000)
			if err != nil {
				return err
			}
			return m.Bauds(ctx, w, driver, list)
		case *scan != "":
			list, err := numbers("scan", *scan, 0, 65535)
			if err != nil {
				return err
			}
			return m.Scan(ctx, w, driver, list[0], list[len(list)-1])
		case *value >= 0:
			return m.Value(ctx, w, driver, *value)
		case *count < 1 || *count > 2000:
			return diag.Usage("--count %d: 1 to 2000 are read at once; --scan searches more", *count)
		}
		return m.Read(ctx, w, driver, *address, *count)
	}
	return c
}

func probeOPCUA(registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "opcua ENDPOINT [NODE…]", Short: "Read nodes, or browse when none is named", Args: cobra.MinimumNArgs(1),
		Example: "  gateway probe opcua opc.tcp://192.168.1.20:4840\n" +
			"  gateway probe opcua opc.tcp://192.168.1.20:4840 --browse 'ns=2;s=Hall'\n" +
			"  gateway probe opcua opc.tcp://192.168.1.20:4840 'ns=2;s=Hall.Temperature'"}
	from := c.Flags().String("browse", "", "the node below which to browse; the Objects folder unless given")
	options := c.Flags().StringArray("option", nil, "an option of the driver, such as 'security={policy: Basic256Sha256, …}' or timeout=5s; repeatable")
	c.RunE = func(c *cobra.Command, args []string) error {
		pairs, err := probe.Pairs(*options)
		if err != nil {
			return diag.Usage("--option: %v", err)
		}
		o := probe.OPCUA{Endpoint: args[0], Options: pairs}
		if len(args) == 1 {
			return o.Browse(c.Context(), c.OutOrStdout(), *from)
		}
		return o.Read(c.Context(), c.OutOrStdout(), registry["opcua"], args[1:])
	}
	return c
}

func probeGPIO(registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "gpio LINE…", Short: "Read the levels of the board's own lines, by number or by name", Args: cobra.MinimumNArgs(1),
		Long: "gpio takes each line as an input for a moment, reads it and gives it back. A line that a program uses is left alone. Name no line that drives\n" +
			"something and is not in use: taking it makes it an input.",
		Example: "  gateway probe gpio GPIO17 GPIO27 --bias up --active-low\n  gateway probe gpio --chip gpiochip0 17 27"}
	g := probe.GPIO{}
	f := c.Flags()
	f.StringVar(&g.Chip, "chip", "", "gpiochip0, a label or a path; needed for numbers on a board with several")
	f.StringVar(&g.Bias, "bias", "as-is", "up, down, none or as-is: the board's resistors")
	f.BoolVar(&g.ActiveLow, "active-low", false, "a contact to ground reads 1")
	c.RunE = func(c *cobra.Command, lines []string) error {
		g.Lines = lines
		return g.Read(c.Context(), c.OutOrStdout(), registry["gpio"])
	}
	return c
}

func probeI2C(registry drivers.Registry) *cobra.Command {
	c := &cobra.Command{Use: "i2c BUS", Short: "Search a bus for chips, or read a converter's inputs", Args: cobra.ExactArgs(1),
		Long: "i2c reads one byte at each address and lists those that answer; nothing is written. With --chip it reads the inputs of the converter at --address, and\n" +
			"writes that converter's settings to do so.",
		Example: "  gateway probe i2c i2c-1\n  gateway probe i2c i2c-1 --chip ads1115 --address 0x48"}
	b := probe.I2C{}
	f := c.Flags()
	f.StringVar(&b.Chip, "chip", "", "ads1115 or ads1015; empty to search")
	address := f.String("address", "0x48", "of the chip")
	f.Float64Var(&b.Range, "range", 4.096, "full scale, volts: 6.144, 4.096, 2.048, 1.024, 0.512 or 0.256")
	c.RunE = func(c *cobra.Command, args []string) error {
		b.Bus = args[0]
		at, err := strconv.ParseUint(*address, 0, 7)
		if err != nil {
			return diag.Usage("--address %q is no address of a chip, such as 0x48", *address)
		}
		if b.Address = int(at); b.Chip == "" {
			return b.Scan(c.Context(), c.OutOrStdout())
		}
		return b.Read(c.Context(), c.OutOrStdout(), registry["adc"])
	}
	return c
}

// numbers reads a list such as 1,5,10-15.
func numbers(flag, s string, least, most int) (list []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		first, last, span := strings.Cut(strings.TrimSpace(part), "-")
		if !span {
			last = first
		}
		lo, err := strconv.Atoi(first)
		if err != nil {
			return nil, diag.Usage("--%s %q: %q is no number", flag, s, first)
		}
		hi, err := strconv.Atoi(last)
		if err != nil {
			return nil, diag.Usage("--%s %q: %q is no number", flag, s, last)
		}
		if lo < least || hi > most || hi < lo {
			return nil, diag.Usage("--%s %q: %d to %d is not within %d to %d", flag, s, lo, hi, least, most)
		}
		for n := lo; n <= hi; n++ {
			list = append(list, n)
		}
	}
	return list, nil
}
