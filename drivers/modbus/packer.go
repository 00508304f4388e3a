package modbus

import (
	"encoding/binary"
	"fmt"

	goburrow "github.com/goburrow/modbus"
)

// packer packs requests as goburrow does: for Modbus TCP, or with a checksum for RTU lines.
type packer struct{ rtu bool }

// of returns goburrow's packager for a unit. Only its codec is used, never its transport.
func (p packer) of(unit uint8) goburrow.Packager {
	if p.rtu {
		h := goburrow.NewRTUClientHandler("")
		h.SlaveId = unit
		return h
	}
	h := goburrow.NewTCPClientHandler("")
	h.SlaveId = unit
	return h
}

// size returns the length of a packed read request.
func (p packer) size() int {
	if p.rtu {
		return 8
	}
	return requestSize
}

// read packs a read of quantity addresses of a table; in a Modbus TCP frame the transaction id is set when it is sent.
func (p packer) read(unit uint8, t Table, address, quantity uint16) ([]byte, error) {
	pdu := goburrow.ProtocolDataUnit{FunctionCode: t.function(), Data: make([]byte, 4)}
	binary.BigEndian.PutUint16(pdu.Data, address)
	binary.BigEndian.PutUint16(pdu.Data[2:], quantity)
	adu, err := p.of(unit).Encode(&pdu)
	if err != nil || len(adu) != p.size() {
		return nil, fmt.Errorf("packing the request for %d addresses of %s from %d on: %d bytes: %w", quantity, t, address, len(adu), err)
	}
	return adu, nil
}
