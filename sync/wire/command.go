package wire

import (
	"fmt"

	"github.com/courtside-edge/courtside/sync/contract"
)

const (
	// MaxCommandID bounds a command's id in bytes.
	MaxCommandID = 64
	// maxURLBytes and maxVersionBytes bound what an order of an update says.
	maxURLBytes, maxVersionBytes = 1024, 64
)

// Valid reports whether k is a known command.
func (k CommandKind) Valid() bool { return k >= TableWanted && k <= SetAside }

// String returns the command's name for logs.
func (k CommandKind) String() string {
	switch k {
	case TableWanted:
		return "table-wanted"
	case Rebirth:
		return "rebirth"
	case Update:
		return "update"
	case SetAside:
		return "set-aside"
	}
	return fmt.Sprintf("command(%d)", uint8(k))
}

// EncodeCommand returns the payload of c.
func EncodeCommand(c Command) []byte {
	m := &contract.Command{Id: text(c.ID), ExpiresUnix: unix(c.Expires), Kind: contract.CommandKind(c.Kind)}
	if c.Kind == TableWanted {
		m.Table = c.Table[:]
	}
	if c.Kind == Update {
		m.Url, m.Version, m.Force, m.Reboot = text(c.Order.URL), text(c.Order.Version), c.Order.Force, c.Order.Reboot
	}
	if c.Kind == SetAside {
		m.Reason, m.Detail = text(c.Notice.Reason), text(c.Notice.Detail)
	}
	return encodeControl(m)
}

// DecodeCommand reads a command. With an error about its kind or table the command's id is returned all the same, so that an old
// gateway can answer what a newer cloud asked.
func DecodeCommand(payload []byte) (Command, error) {
	var m contract.Command
	if err := decodeControl(payload, nil, &m); err != nil {
		return Command{}, fmt.Errorf("decoding a command: %w", err)
	}
	if err := checkCommandID(m.Id); err != nil {
		return Command{}, fmt.Errorf("decoding a command: %w", err)
	}
	c := Command{ID: m.Id, Expires: timeOf(m.ExpiresUnix)}
	kind, err := enumOf("command", int32(m.Kind), CommandKind.Valid)
	if err != nil {
		return c, fmt.Errorf("decoding command %s: %w", c.ID, err)
	}
	c.Kind = kind
	if kind == TableWanted {
		if c.Table, err = from16("table hash", m.Table); err != nil {
			return c, fmt.Errorf("decoding command %s: %w", c.ID, err)
		}
	}
	if kind == Update {
		if err := checkText("address", m.Url, maxURLBytes); err != nil {
			return c, fmt.Errorf("decoding command %s: %w", c.ID, err)
		}
		if err := checkText("version", m.Version, maxVersionBytes); err != nil {
			return c, fmt.Errorf("decoding command %s: %w", c.ID, err)
		}
		c.Order = UpdateOrder{URL: m.Url, Version: m.Version, Force: m.Force, Reboot: m.Reboot}
	}
	if kind == SetAside {
		for what, s := range map[string]string{"reason": m.Reason, "detail": m.Detail} {
			if err := checkText(what, s, MaxTextBytes); err != nil {
				return c, fmt.Errorf("decoding command %s: %w", c.ID, err)
			}
		}
		c.Notice = Notice{Reason: m.Reason, Detail: m.Detail}
	}
	return c, nil
}

// checkCommandID refuses an id that could not be logged and given back as it is.
func checkCommandID(id string) error {
	if id == "" || len(id) > MaxCommandID {
		return fmt.Errorf("%w: a command's id of %d bytes, 1 to %d are allowed", ErrInvalid, len(id), MaxCommandID)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fmt.Errorf("%w: a command's id holds 0x%02X", ErrInvalid, id[i])
		}
	}
	return nil
}

// EncodeReply returns the payload of r. Its error is cut to MaxTextBytes.
func EncodeReply(r Reply) []byte {
	return encodeControl(&contract.Reply{Id: text(r.ID), Error: text(r.Error)})
}

// DecodeReply reads a reply.
func DecodeReply(payload []byte) (Reply, error) {
	var m contract.Reply
	if err := decodeControl(payload, nil, &m); err != nil {
		return Reply{}, fmt.Errorf("decoding a reply: %w", err)
	}
	if err := checkCommandID(m.Id); err != nil {
		return Reply{}, fmt.Errorf("decoding a reply: %w", err)
	}
	if err := checkText("error", m.Error, MaxTextBytes); err != nil {
		return Reply{}, fmt.Errorf("decoding a reply: %w", err)
	}
	return Reply{ID: m.Id, Error: m.Error}, nil
}
