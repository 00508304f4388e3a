package rauc

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/courtside-edge/courtside/firmware/slot"
)

// signalsKept is how many signals may wait; RAUC sends some forty in an install.
const signalsKept = 64

// Install implements slot.Installer.
func (c *Client) Install(ctx context.Context, source string, progress func(slot.Progress)) error {
	conn, rauc, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, signalsKept)
	conn.Signal(signals)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(busName), dbus.WithMatchObjectPath(busPath)},
		{dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)},
	} {
		if err := conn.AddMatchSignalContext(ctx, match...); err != nil {
			return fmt.Errorf("installing the update: %w", explain(ctx, err))
		}
	}
	if err := rauc.CallWithContext(ctx, installer+".InstallBundle", 0, source, map[string]dbus.Variant{}).Err; err != nil {
		return fmt.Errorf("installing the update: %w", explain(ctx, err))
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("installing the update: %w; RAUC may go on by itself", ctx.Err())
		case s, open := <-signals:
			if !open {
				return errors.New("installing the update: the bus closed the connection")
			}
			done, err := follow(ctx, rauc, s, progress)
			if err != nil {
				return fmt.Errorf("installing the update: %w", err)
			}
			if done {
				return nil
			}
		}
	}
}

// follow takes in one signal.
func follow(ctx context.Context, rauc dbus.BusObject, s *dbus.Signal, progress func(slot.Progress)) (done bool, err error) {
	switch s.Name {
	case "org.freedesktop.DBus.NameOwnerChanged":
		if len(s.Body) == 3 && s.Body[0] == busName && s.Body[1] != "" {
			return false, errors.New("RAUC ended while it installed; its journal says why: journalctl -u rauc")
		}
	case "org.freedesktop.DBus.Properties.PropertiesChanged":
		if len(s.Body) < 2 {
			return false, nil
		}
		changed, _ := s.Body[1].(map[string]dbus.Variant)
		if v, ok := changed["Progress"]; ok {
			var p struct {
				Percent int32
				Step    string
				Depth   int32
			}
			if dbus.Store([]any{v.Value()}, &p) == nil {
				progress(slot.Progress{Percent: int(p.Percent), Step: p.Step})
			}
		}
	case installer + ".Completed":
		if property(ctx, rauc, "Operation") == "installing" {
			return false, nil // it is of an install before this one
		}
		code, _ := s.Body[0].(int32)
		if code == 0 {
			return true, nil
		}
		return false, fmt.Errorf("RAUC: %s", property(ctx, rauc, "LastError"))
	}
	return false, nil
}

// property returns a text of RAUC's, empty when it cannot be had.
func property(ctx context.Context, rauc dbus.BusObject, name string) string {
	var v dbus.Variant
	if err := rauc.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, installer, name).Store(&v); err != nil {
		return ""
	}
	s, _ := v.Value().(string)
	return s
}
