// Package rauc asks RAUC, over D-Bus, to inspect and to write updates. It is the product's only user of a D-Bus library and implements
// slot.Installer.
//
// Debian's policy for RAUC lets every local user call it; RAUC itself verifies each update against its keyring before it writes a byte. A connection is made for
// each call, so that a bus or a service that was restarted is no state to be repaired.
//
//	what fails                                  what the caller gets
//	no system bus, or no RAUC on it             slot.ErrNoRAUC
//	RAUC is busy                                slot.ErrBusy
//	the signature, the keyring, the compatible  what RAUC says, as it says it
//	an install that fails half-way              RAUC's last error; the slot is left marked bad, the running one is booted next
//	RAUC ends while it installs                 an error that says so
//	the caller goes                             its context's error; RAUC goes on by itself and cannot be stopped
package rauc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/courtside-edge/courtside/firmware/slot"
)

// The names by which RAUC is known on a bus.
const (
	busName   = "de.pengutronix.rauc"
	busPath   = dbus.ObjectPath("/")
	installer = "de.pengutronix.rauc.Installer"
)

// Client asks RAUC. The zero Client asks on the system bus; it is safe for concurrent use.
type Client struct {
	// Address is the bus, in D-Bus' own form; empty for the system bus.
	Address string
}

// dial connects, and fails when nobody on the bus is or could be started as RAUC.
func (c *Client) dial(ctx context.Context) (*dbus.Conn, dbus.BusObject, error) {
	options := []dbus.ConnOption{dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler())}
	var conn *dbus.Conn
	var err error
	if c.Address == "" {
		conn, err = dbus.ConnectSystemBus(options...)
	} else {
		conn, err = dbus.Connect(c.Address, options...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", slot.ErrNoRAUC, err)
	}
	return conn, conn.Object(busName, busPath), nil
}

// call calls a method and stores what it returns.
func (c *Client) call(ctx context.Context, method string, args []any, into ...any) error {
	conn, rauc, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := rauc.CallWithContext(ctx, installer+"."+method, 0, args...).Store(into...); err != nil {
		return explain(ctx, err)
	}
	return nil
}

// explain gives an error of the bus its kind.
func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("RAUC has not answered: %w", ctx.Err())
	}
	e, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return fmt.Errorf("%w: %w", slot.ErrNoRAUC, err)
	}
	text := e.Error()
	switch {
	case e.Name == "org.freedesktop.DBus.Error.ServiceUnknown", e.Name == "org.freedesktop.DBus.Error.NameHasNoOwner",
		strings.HasPrefix(e.Name, "org.freedesktop.DBus.Error.Spawn"):
		return fmt.Errorf("%w: %s", slot.ErrNoRAUC, text)
	case strings.EqualFold(text, "already processing a different method"):
		return fmt.Errorf("%w: RAUC says: %s", slot.ErrBusy, text)
	}
	return fmt.Errorf("RAUC: %s", text)
}

// Inspect implements slot.Installer.
func (c *Client) Inspect(ctx context.Context, source string) (slot.Bundle, error) {
	var info map[string]dbus.Variant
	if err := c.call(ctx, "InspectBundle", []any{source, map[string]dbus.Variant{}}, &info); err != nil {
		return slot.Bundle{}, fmt.Errorf("inspecting the update: %w", err)
	}
	update, _ := info["update"].Value().(map[string]dbus.Variant)
	return slot.Bundle{Compatible: text(update, "compatible"), Version: text(update, "version")}, nil
}

// text returns a text of a dictionary, empty without one.
func text(d map[string]dbus.Variant, key string) string {
	s, _ := d[key].Value().(string)
	return s
}

// row is one slot as GetSlotStatus gives it.
type row struct {
	Name string
	Dict map[string]dbus.Variant
}

// Slots implements slot.Installer.
func (c *Client) Slots(ctx context.Context) ([]slot.State, error) {
	var rows []row
	if err := c.call(ctx, "GetSlotStatus", nil, &rows); err != nil {
		return nil, fmt.Errorf("asking for the slots: %w", err)
	}
	out := make([]slot.State, 0, len(rows))
	for _, r := range rows {
		out = append(out, slot.State{Slot: r.Name, Name: slot.Name(text(r.Dict, "bootname")), Device: text(r.Dict, "device"), Booted: text(r.Dict, "state") == "booted",
			Good: text(r.Dict, "boot-status") == "good", Version: text(r.Dict, "bundle.version"), Status: text(r.Dict, "status")})
	}
	return out, nil
}

// Primary implements slot.Installer.
func (c *Client) Primary(ctx context.Context) (name string, err error) {
	if err := c.call(ctx, "GetPrimary", nil, &name); err != nil {
		return "", fmt.Errorf("asking for the slot that is booted next: %w", err)
	}
	return name, nil
}

// Mark implements slot.Installer.
func (c *Client) Mark(ctx context.Context, state, name string) (message string, err error) {
	var marked string
	if err := c.call(ctx, "Mark", []any{state, name}, &marked, &message); err != nil {
		return "", fmt.Errorf("marking slot %s as %s: %w", name, state, err)
	}
	return message, nil
}
