// Package adc reads analog sensors behind converters on the board's own I2C and SPI buses: ADS1115 and ADS1015 on I2C, MCP3004, MCP3008, MCP3204 and
// MCP3208 on SPI.
//
// A device is one bus with all its chips, read by one goroutine: the bus carries one exchange at a time. Chips of an I2C bus convert at the same time.
//
// An I2C adapter that makes SMBus's calls alone, as those of PCs do, serves an ADS as well.
//
//	options:
//	  bus: i2c-1             # or spi0: bus 0, whose chip selects are the chips
//	  timeout: 100ms         # of one exchange; 10ms to 2s; rounded up to 10ms by the kernel, for everybody who uses the bus
//	  speed: 1000000         # SPI clock, Hz; 10000 to 4000000
//	source:
//	  chip: ads1115          # ads1115, ads1015, mcp3004, mcp3008, mcp3204, mcp3208
//	  address: 0x48          # I2C: 0x48 to 0x4b
//	  select: 0              # SPI: the chip select
//	  channel: 0             # of the first point; those of a range follow by step (1)
//	  minus: 1               # measure against this channel instead of ground
//	  range: 4.096           # ADS: full scale, volts: 6.144, 4.096 (default), 2.048, 1.024, 0.512, 0.256
//	  rate: 128              # ADS: conversions a second: 8 to 860; 128 to 3300 for ads1015
//	  reference: 3.3         # MCP: volts of the full scale
//	  valid: {from: 0.2, to: 4.8}                       # volts; beyond, the sensor is broken or its wire is
//	  calibration: {points: [[0.5, 0], [4.5, 120]]}     # volts and values: straight lines between, the outer two go on
//	  calibration: {polynomial: [-12.5, 31.2, 0.4]}     # or coefficients by rising power of the volts
//
// A float point holds the calibrated value, volts without a calibration. An int point holds the calibrated value by its scale and offset, or without
// a calibration the converter's own counts. Whether a seat is taken the filter says, by occupied {above, below}.
//
//	what fails                                     what happens
//	there is no bus                                Open fails, transient; permanent when it is forbidden
//	a chip does not answer                         its points bad (communication error, timeout); the others are read on
//	it fails three times in a row                  it is left alone for 1 s, then twice as long each time, up to 30 s
//	no chip answers                                the connection ends, or Open fails: transient
//	a conversion is not ready in twice its time    bad (timeout)
//	a chip lost its settings, or lies              bad (data encoding invalid): its settings are read back with each value
//	an MCP is not there                            bad (device failure): it does not pull the null bit low. A line that is tied low reads 0
//	the input is beyond the range, or not valid    bad (out of range), bad (sensor failure)
//	the bus is stuck                               each exchange ends with the kernel's timeout; the context is looked at between two
package adc
