"""A Modbus server of pymodbus' making, for the acceptance tests.

    pymodbus_server.py rows                 print the rows of its register table and end
    pymodbus_server.py tcp|rtutcp PORT GEN  serve on 127.0.0.1:PORT, TCP frames or RTU frames
    pymodbus_server.py rtu DEVICE GEN       serve as unit 1 on a serial line

The addresses are those of libmodbus_server.c; the rows are encoded by pymodbus alone.
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

STEP, GENERATION, EXCEPTIONS, SLOW, SIZE = 8, 1000, 1100, 1200, 1300
BITS = [0xA5, 0x0F, 0x81, 0x00, 0xFE]


def rows():
    """Yield the type that the driver is told, the word order, the value as text, and the registers."""
    kinds = ModbusTcpClient.DATATYPE
    encode = ModbusTcpClient.convert_to_registers
    numbers = [
        ("uint16", kinds.UINT16, 65244), ("int16", kinds.INT16, -32767),
        ("uint32", kinds.UINT32, 4275878552), ("int32", kinds.INT32, -305419896),
        ("uint64", kinds.UINT64, 81985529216486895), ("int64", kinds.INT64, -81985529216486896),
        ("float32", kinds.FLOAT32, -12.75), ("float32", kinds.FLOAT32, 123456.789),
        ("float64", kinds.FLOAT64, -3.141592653589793),
    ]
    for name, kind, value in numbers:
        for order in ("big", "little") if name[-2:] != "16" else ("big",):
            yield name, "" if name[-2:] == "16" else order, str(value), encode(value, kind, word_order=order)
    for bit in range(0, 16, 5):
        flags = [n == bit for n in range(16)]
        yield f"bit {bit}", "", "true", encode(flags, kinds.BITS)
        yield f"bit {bit}", "", "false", encode([not f for f in flags], kinds.BITS)
    for text in ("Gate 3 open", "Tür 7"):
        registers = encode(text, kinds.STRING)
        yield f"string {len(registers)}", "", text, registers


def registers(generation):
    """Return the holding registers."""
    all_of_them = [0] * SIZE
    for n, (_, _, _, regs) in enumerate(rows()):
        all_of_them[STEP * n : STEP * n + len(regs)] = regs
    all_of_them[GENERATION], all_of_them[SLOW], all_of_them[SLOW + 10] = generation, 4711, 4242
    return all_of_them


async def action(function, _start, address, _count, _registers, _values):
    """Answer the addresses that stand for trouble."""
    if function == 3 and EXCEPTIONS < address < SLOW:
        return ExcCodes((address - EXCEPTIONS) // 4)
    if function == 3 and address == SLOW:
        await asyncio.sleep(0.4)
    return None


async def main(kind, where, generation):
    """Serve for ever."""
    regs = registers(generation)
    flags = [bool(b >> n & 1) for b in BITS for n in range(8)]

    def bits():
        return [SimData(0, values=list(flags), datatype=DataType.BITS)]

    def words():
        return [SimData(0, values=list(regs), datatype=DataType.REGISTERS)]

    device = SimDevice(1, simdata=(bits(), bits(), words(), words()), action=action)
    if kind == "rtu":
        server = ModbusSerialServer(device, framer=FramerType.RTU, port=where, baudrate=19200, parity="N")  # a pseudo-terminal has none
    else:
        framer = FramerType.RTU if kind == "rtutcp" else FramerType.SOCKET
        server = ModbusTcpServer(device, framer=framer, address=("127.0.0.1", int(where)))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


if sys.argv[1] == "rows":
    for typ, words_order, value, encoded in rows():
        # pymodbus packs the bits of a register as those of coils: the first eight into the byte that is sent first.
        byte_order = "little" if typ.startswith("bit") else "big"
        print(f"{typ},{words_order},{byte_order},{value},{' '.join(f'{r:04X}' for r in encoded)},pymodbus")
else:
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
