// SPDX-License-Identifier: GPL-2.0-only
/*
 * analog-sim: converters on an I2C bus and on an SPI bus that exist in memory alone, for tests of drivers.
 *
 * I2C (plain transfers, no SMBus calls): ADS1115 at 0x48 and 0x49, ADS1015 at 0x4a. They know one-shot conversions, with the multiplexer, the
 * ranges and the time that the data sheet tells, and begin with its power-on settings.
 * SPI bus 0: MCP3208 at select 0, MCP3008 at select 1, nothing at select 2 (a line that is pulled up). They follow the clock bit by bit.
 *
 * Parameters (/sys/module/analog_sim/parameters), to be changed at any time:
 *   microvolts   of the inputs: 3 ADS × 4, then MCP3208 × 8, then MCP3008 × 8
 *   reference    of the MCPs, in microvolts
 *   nack         bits by I2C address − 0x48: the chip does not answer
 *   hold         bits by I2C address − 0x48: the chip pulls the clock down; the exchange ends with the bus's timeout
 *   gone         the bus has gone: every exchange fails with ENODEV
 *   slowness     conversions take that many times as long
 *   forget       bits by I2C address − 0x48: power-on settings again, once
 *   exchanges    how many exchanges there were on I2C
 */
#include <linux/delay.h>
#include <linux/i2c.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/spi/spi.h>

#define FIRST 0x48
#define CHIPS 3
#define MCPS 2
#define POWER_ON 0x8583
#define START 0x8000

static int microvolts[CHIPS * 4 + MCPS * 8];
module_param_array(microvolts, int, NULL, 0644);
static int reference = 3300000;
module_param(reference, int, 0644);
static uint nack, hold, forget;
module_param(nack, uint, 0644);
module_param(hold, uint, 0644);
module_param(forget, uint, 0644);
static bool gone;
module_param(gone, bool, 0644);
static uint slowness = 1;
module_param(slowness, uint, 0644);
static ulong exchanges;
module_param(exchanges, ulong, 0444);

struct ads {
	u8 pointer;
	u16 config, thresholds[2];
	s16 conversion, next;
	ktime_t ready;
	bool converting;
};

static struct ads chips[CHIPS];

static bool is_1015(int n) { return n == 2; }

/* The conversion that chip n makes with these settings, as its register holds it. */
static s16 ads_convert(int n, u16 config)
{
	static const int full[] = { 6144000, 4096000, 2048000, 1024000, 512000, 256000, 256000, 256000 };
	static const int pairs[][2] = { { 0, 1 }, { 0, 3 }, { 1, 3 }, { 2, 3 } };
	const int *volts = &microvolts[n * 4];
	int mux = config >> 12 & 7, bits = is_1015(n) ? 11 : 15;
	s64 in = mux >= 4 ? volts[mux - 4] : volts[pairs[mux][0]] - volts[pairs[mux][1]];
	s64 counts = div_s64(in << bits, full[config >> 9 & 7]);

	counts = clamp_t(s64, counts, -(1 << bits), (1 << bits) - 1);
	return counts << (15 - bits);
}

static void ads_settle(struct ads *c)
{
	if (c->converting && ktime_compare(ktime_get(), c->ready) >= 0) {
		c->conversion = c->next;
		c->converting = false;
	}
}

static void ads_configure(int n, u16 config)
{
	static const int slow[] = { 8, 16, 32, 64, 128, 250, 475, 860 };
	static const int fast[] = { 128, 250, 490, 920, 1600, 2400, 3300, 3300 };
	struct ads *c = &chips[n];
	int rate = (is_1015(n) ? fast : slow)[config >> 5 & 7];

	c->config = config & ~START;
	if (!(config & START))
		return;
	c->next = ads_convert(n, config);
	c->ready = ktime_add_ns(ktime_get(), NSEC_PER_SEC / rate * slowness);
	c->converting = true;
}

static u16 ads_register(struct ads *c)
{
	ads_settle(c);
	switch (c->pointer & 3) {
	case 0:
		return c->conversion;
	case 1:
		return c->config | (c->converting ? 0 : START);
	}
	return c->thresholds[(c->pointer & 3) - 2];
}

static void ads_write(int n, const u8 *buf, int len)
{
	struct ads *c = &chips[n];
	u16 word;

	if (len > 0)
		c->pointer = buf[0];
	if (len < 3)
		return;
	ads_settle(c);
	word = buf[1] << 8 | buf[2];
	if ((c->pointer & 3) == 1)
		ads_configure(n, word);
	else if (c->pointer & 2)
		c->thresholds[(c->pointer & 3) - 2] = word;
}

static void ads_reset(struct ads *c)
{
	*c = (struct ads){ .config = POWER_ON & ~START, .thresholds = { 0x8000, 0x7fff } };
}

static int analog_xfer(struct i2c_adapter *adap, struct i2c_msg *msgs, int num)
{
	int i, k;

	exchanges++;
	if (gone)
		return -ENODEV;
	for (i = 0; i < num; i++) {
		int n = msgs[i].addr - FIRST;

		if (n < 0 || n >= CHIPS || nack >> n & 1)
			return -ENXIO;
		if (hold >> n & 1) {
			msleep(jiffies_to_msecs(adap->timeout));
			return -ETIMEDOUT;
		}
		if (forget >> n & 1) {
			forget &= ~(1u << n);
			ads_reset(&chips[n]);
		}
		if (!(msgs[i].flags & I2C_M_RD)) {
			ads_write(n, msgs[i].buf, msgs[i].len);
			continue;
		}
		for (k = 0; k < msgs[i].len; k++) {
			u16 word = ads_register(&chips[n]);

			msgs[i].buf[k] = k % 2 ? word : word >> 8;
		}
	}
	return num;
}

static u32 analog_functions(struct i2c_adapter *adap) { return I2C_FUNC_I2C; }

static const struct i2c_algorithm analog_algorithm = {
	.master_xfer = analog_xfer,
	.functionality = analog_functions,
};

static struct i2c_adapter analog_bus = {
	.owner = THIS_MODULE,
	.name = "analog-sim",
	.algo = &analog_algorithm,
};

/* An MCP follows the clock: start bit, single or pair, three bits of channel, a clock to sample, a null bit, the conversion, highest bit first. */
static void mcp_clock(int select, const u8 *tx, u8 *rx, int len)
{
	int bits = select == 0 ? 12 : 10, clock, since = -1, channel = 0, value = 0;
	bool single = false;

	for (clock = 0; clock < len * 8; clock++) {
		int in = tx ? tx[clock / 8] >> (7 - clock % 8) & 1 : 0, out = 1; /* nobody drives the line: pulled up */

		if (select < MCPS && since >= 0) {
			since++;
			if (since == 1)
				single = in;
			else if (since <= 4)
				channel = channel << 1 | in;
			if (since == 5) {
				const int *volts = &microvolts[CHIPS * 4 + select * 8];
				s64 uv = single ? volts[channel] : volts[channel] - volts[channel ^ 1];

				value = clamp_t(s64, div_s64(uv << bits, reference), 0, (1 << bits) - 1);
			}
			if (since == 6)
				out = 0;
			if (since > 6 && since <= 6 + bits)
				out = value >> (bits - (since - 6)) & 1;
		} else if (select < MCPS && in) {
			since = 0;
		}
		if (rx)
			rx[clock / 8] = (rx[clock / 8] & ~(1 << (7 - clock % 8))) | out << (7 - clock % 8);
	}
}

static int mcp_transfer(struct spi_controller *ctlr, struct spi_device *spi, struct spi_transfer *t)
{
	mcp_clock(spi_get_chipselect(spi, 0), t->tx_buf, t->rx_buf, t->len);
	return 0; /* done */
}

static void mcp_select(struct spi_device *spi, bool high) { }

static struct platform_device *board;

static int mcp_register(struct device *parent)
{
	struct spi_controller *ctlr = devm_spi_alloc_host(parent, 0);
	int i, err;

	if (!ctlr)
		return -ENOMEM;
	ctlr->bus_num = 0;
	ctlr->num_chipselect = MCPS + 1;
	ctlr->mode_bits = SPI_MODE_X_MASK;
	ctlr->bits_per_word_mask = SPI_BPW_MASK(8);
	ctlr->max_speed_hz = 4000000;
	ctlr->transfer_one = mcp_transfer;
	ctlr->set_cs = mcp_select;
	err = devm_spi_register_controller(parent, ctlr);
	for (i = 0; !err && i <= MCPS; i++) {
		/* a name that spidev knows; the chips are nobody else's */
		struct spi_board_info info = { .modalias = "dh2228fv", .max_speed_hz = 4000000, .chip_select = i };

		if (!spi_new_device(ctlr, &info))
			err = -ENODEV;
	}
	return err;
}

static int __init analog_init(void)
{
	int i, err;

	for (i = 0; i < CHIPS; i++)
		ads_reset(&chips[i]);
	board = platform_device_register_simple("analog-sim", -1, NULL, 0);
	if (IS_ERR(board))
		return PTR_ERR(board);
	analog_bus.dev.parent = &board->dev;
	err = i2c_add_adapter(&analog_bus);
	if (!err) {
		err = mcp_register(&board->dev);
		if (err)
			i2c_del_adapter(&analog_bus);
	}
	if (err)
		platform_device_unregister(board);
	return err;
}

static void __exit analog_exit(void)
{
	i2c_del_adapter(&analog_bus);
	platform_device_unregister(board);
}

module_init(analog_init);
module_exit(analog_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("converters that exist in memory alone, for tests of drivers");
