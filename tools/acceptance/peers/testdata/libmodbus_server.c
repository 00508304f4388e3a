// A Modbus server of libmodbus' making, for the acceptance tests.
//
//   libmodbus_server rows                print the rows of the register table and end
//   libmodbus_server tcp PORT GEN        serve on 127.0.0.1:PORT
//   libmodbus_server rtu DEVICE GEN      serve as unit 1 on a serial line
//
// Row n lies at address 8*n of the holding and of the input registers, encoded by libmodbus alone. Address 1000 holds GEN.
// Coils and discrete inputs 0 to 39 hold the bytes 0xA5 0x0F 0x81 0x00 0xFE, least significant bit first.
// Reads at 1100+4*N answer exception N. A read at 1200 takes 400 ms and gives 4711, 1210 holds 4242.
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 8, ROWS_MAX = 100, GENERATION = 1000, EXCEPTIONS = 1100, SLOW = 1200, SIZE = 1300, BITS = 40 };

static modbus_mapping_t *map;
static int count, printing;

// place begins the next row and returns where its registers go.
static uint16_t *place(void) { return map->tab_registers + STEP * count; }

// done ends a row: what the driver is told, what it has to read, the registers, and how they were encoded.
static void done(const char *type, const char *words, const char *bytes, const char *value, int width, const char *by) {
  uint16_t *r = place();
  if (printing) {
    printf("%s,%s,%s,%s,", type, words, bytes, value);
    for (int i = 0; i < width; i++) printf("%s%04X", i ? " " : "", r[i]);
    printf(",%s\n", by);
  }
  memcpy(map->tab_input_registers + STEP * count, r, width * sizeof *r);
  if (++count > ROWS_MAX) exit(3);
}

// word returns w with its bytes as libmodbus tells them apart, the low one first.
static uint16_t swapped(uint16_t w) {
  uint8_t b[2];
  MODBUS_SET_INT16_TO_INT8(b, 0, w);
  uint8_t turned[2] = {b[1], b[0]};
  return (uint16_t)MODBUS_GET_INT16_FROM_INT8(turned, 0);
}

// reordered turns the registers of a row from the order that libmodbus' macros write, which is big, into another.
static void reordered(int width, int littleWords, int littleBytes) {
  uint16_t *r = place(), old[4];
  memcpy(old, r, width * sizeof *r);
  for (int i = 0; i < width; i++) {
    r[i] = old[littleWords ? width - 1 - i : i];
    if (littleBytes) r[i] = swapped(r[i]);
  }
}

// reals is read back by libmodbus' own functions. Its modbus_set_float_… are not asked: those of 3.1.6, which Debian 12 has,
// contradict them (modbus_set_float_badc writes what modbus_get_float_abcd reads).
static void reals(float f) {
  static const struct {
    const char *words, *bytes, *by;
    float (*get)(const uint16_t *);
  } orders[] = {
      {"big", "big", "modbus_get_float_abcd", modbus_get_float_abcd},
      {"little", "big", "modbus_get_float_cdab", modbus_get_float_cdab},
      {"big", "little", "modbus_get_float_badc", modbus_get_float_badc},
      {"little", "little", "modbus_get_float_dcba", modbus_get_float_dcba},
  };
  uint32_t v;
  memcpy(&v, &f, sizeof v);
  for (int i = 0; i < 4; i++) {
    char value[40];
    MODBUS_SET_INT32_TO_INT16(place(), 0, (int32_t)v);
    reordered(2, i & 1, i >> 1);
    float back = orders[i].get(place());
    if (memcmp(&back, &f, sizeof f)) {
      fprintf(stderr, "%s reads %g, not %g\n", orders[i].by, back, f);
      exit(3);
    }
    snprintf(value, sizeof value, "%.9g", (double)f);
    done("float32", orders[i].words, orders[i].bytes, value, 2, orders[i].by);
  }
}

static void whole(const char *type, int width, int is_signed, uint64_t v) {
  for (int order = 0; order < 4; order++) {
    int lw = order & 1, lb = order >> 1;
    if (lw && width == 1) continue;
    uint16_t *r = place();
    const char *by = "MODBUS_SET_INT64_TO_INT16";
    if (width == 1) r[0] = (uint16_t)v, by = "the register itself";
    if (width == 2) { MODBUS_SET_INT32_TO_INT16(r, 0, (int32_t)v); by = "MODBUS_SET_INT32_TO_INT16"; }
    if (width == 4) MODBUS_SET_INT64_TO_INT16(r, 0, (int64_t)v);
    reordered(width, lw, lb);
    char value[40], how[60];
    if (is_signed) snprintf(value, sizeof value, "%" PRId64, (int64_t)v);
    else snprintf(value, sizeof value, "%" PRIu64, v);
    snprintf(how, sizeof how, "%s%s%s", by, lw ? "; words turned" : "", lb ? "; bytes turned" : "");
    done(type, width == 1 ? "" : lw ? "little" : "big", lb ? "little" : "big", value, width, how);
  }
}

static void doubles(double d) {
  uint64_t v;
  memcpy(&v, &d, sizeof v);
  for (int order = 0; order < 4; order++) {
    int lw = order & 1, lb = order >> 1;
    char value[40], how[60];
    MODBUS_SET_INT64_TO_INT16(place(), 0, (int64_t)v);
    reordered(4, lw, lb);
    snprintf(value, sizeof value, "%.17g", d);
    snprintf(how, sizeof how, "MODBUS_SET_INT64_TO_INT16%s%s", lw ? "; words turned" : "", lb ? "; bytes turned" : "");
    done("float64", lw ? "little" : "big", lb ? "little" : "big", value, 4, how);
  }
}

static void decimals(const char *type, int width, uint32_t v) {
  uint32_t digits = 0, rest = v;
  for (int shift = 0; shift < 16 * width; shift += 4, rest /= 10) digits |= rest % 10 << shift;
  for (int order = 0; order < (width == 1 ? 1 : 2); order++) {
    char value[40];
    if (width == 1) place()[0] = (uint16_t)digits;
    else MODBUS_SET_INT32_TO_INT16(place(), 0, (int32_t)digits);
    reordered(width, order, 0);
    snprintf(value, sizeof value, "%" PRIu32, v);
    done(type, width == 1 ? "" : order ? "little" : "big", "big", value, width,
         width == 1 ? "the register itself" : order ? "MODBUS_SET_INT32_TO_INT16; words turned" : "MODBUS_SET_INT32_TO_INT16");
  }
}

static void bits(void) {
  for (int bit = 0; bit < 16; bit += 5) {
    char type[16];
    uint8_t flags[16] = {0};
    snprintf(type, sizeof type, "bit %d", bit);
    flags[bit] = 1;
    uint8_t low = modbus_get_byte_from_bits(flags, 0, 8), high = modbus_get_byte_from_bits(flags, 8, 8);
    uint8_t pair[2] = {high, low};
    place()[0] = (uint16_t)MODBUS_GET_INT16_FROM_INT8(pair, 0);
    done(type, "", "big", "true", 1, "modbus_get_byte_from_bits");
    place()[0] = (uint16_t)~MODBUS_GET_INT16_FROM_INT8(pair, 0);
    done(type, "", "big", "false", 1, "modbus_get_byte_from_bits; inverted");
  }
  place()[0] = 0x0100;
  done("bool", "", "big", "true", 1, "the register itself");
  place()[0] = 0;
  done("bool", "", "big", "false", 1, "the register itself");
}

static void texts(const char *s) {
  int width = ((int)strlen(s) + 1) / 2;
  for (int little = 0; little < 2; little++) {
    for (int i = 0; i < width; i++) {
      uint8_t pair[2] = {(uint8_t)s[2 * i], 2 * i + 1 < (int)strlen(s) ? (uint8_t)s[2 * i + 1] : 0};
      place()[i] = (uint16_t)MODBUS_GET_INT16_FROM_INT8(pair, 0);
      if (little) place()[i] = swapped(place()[i]);
    }
    char type[16];
    snprintf(type, sizeof type, "string %d", width);
    done(type, "", little ? "little" : "big", s, width, little ? "MODBUS_GET_INT16_FROM_INT8; bytes turned" : "MODBUS_GET_INT16_FROM_INT8");
  }
}

static void rows(void) {
  whole("uint16", 1, 0, 0xFEDC);
  whole("int16", 1, 1, (uint64_t)-32767);
  whole("uint32", 2, 0, 0xFEDCBA98);
  whole("int32", 2, 1, (uint64_t)-305419896);
  whole("int32", 2, 1, 0x12345678);
  whole("uint64", 4, 0, 0x0123456789ABCDEF);
  whole("int64", 4, 1, (uint64_t)-81985529216486896);
  reals(-12.75f);
  reals(123456.789f);
  doubles(-3.141592653589793);
  decimals("bcd16", 1, 9075);
  decimals("bcd32", 2, 12345678);
  bits();
  texts("Gate 3 open");
}

// special answers a read that this server treats otherwise than libmodbus would, and reports whether it did.
static int special(modbus_t *ctx, const uint8_t *query) {
  const uint8_t *pdu = query + modbus_get_header_length(ctx);
  if (pdu[0] != MODBUS_FC_READ_HOLDING_REGISTERS) return 0;
  int address = MODBUS_GET_INT16_FROM_INT8(pdu, 1);
  if (address > EXCEPTIONS && address < SLOW) {
    modbus_reply_exception(ctx, query, (address - EXCEPTIONS) / 4);
    return 1;
  }
  if (address == SLOW) usleep(400 * 1000);
  return 0;
}

static void serve(modbus_t *ctx) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  for (;;) {
    int n = modbus_receive(ctx, query);
    if (n == -1 && errno == ECONNRESET) return;
    if (n == -1 && (errno == EBADF || errno == EIO)) return;
    if (n > 0 && !special(ctx, query)) modbus_reply(ctx, query, n, map);
  }
}

int main(int argc, char **argv) {
  map = modbus_mapping_new(BITS, BITS, SIZE, SIZE);
  if (!map) return 2;
  printing = argc == 2 && !strcmp(argv[1], "rows");
  rows();
  if (printing) return 0;
  if (argc != 4) return 2;
  map->tab_registers[GENERATION] = (uint16_t)atoi(argv[3]);
  map->tab_registers[SLOW] = 4711;
  map->tab_registers[SLOW + 10] = 4242;
  const uint8_t pattern[] = {0xA5, 0x0F, 0x81, 0x00, 0xFE};
  modbus_set_bits_from_bytes(map->tab_bits, 0, BITS, pattern);
  modbus_set_bits_from_bytes(map->tab_input_bits, 0, BITS, pattern);
  if (!strcmp(argv[1], "rtu")) {
    modbus_t *ctx = modbus_new_rtu(argv[2], 19200, 'N', 8, 1); // a pseudo-terminal has no parity
    if (!ctx || modbus_set_slave(ctx, 1) || modbus_connect(ctx)) {
      fprintf(stderr, "%s: %s\n", argv[2], modbus_strerror(errno));
      return 2;
    }
    puts("ready");
    fflush(stdout);
    for (;;) serve(ctx);
  }
  modbus_t *ctx = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
  int s = ctx ? modbus_tcp_listen(ctx, 1) : -1;
  if (s == -1) {
    fprintf(stderr, "port %s: %s\n", argv[2], modbus_strerror(errno));
    return 2;
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    if (modbus_tcp_accept(ctx, &s) == -1) return 2;
    serve(ctx);
    modbus_close(ctx);
  }
}
