package console

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode/utf8"
)

// Facts is who this is.
type Facts struct {
	Board   string
	Image   string // with its version and slot
	Gateway string // with its venue
	Network []string
}

func (c *console) banner(ctx context.Context) {
	c.ask(ctx)
	f := c.o.Facts()
	known := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	fmt.Fprintf(c.out, "\nCourtside gateway\n\nboard     %s\nimage     %s\ngateway   %s\n",
		known(f.Board, "unknown"), known(f.Image, "none: this is no image of Courtside"), known(f.Gateway, "not configured, or not running"))
	fmt.Fprintf(c.out, "network   %s\n", known(strings.Join(f.Network, "\n          "), "no address yet"))
	fmt.Fprintf(c.out, "state     %s\n\nType help for what can be asked here.\n", c.state)
}

// Addresses lists the machine's interfaces and their addresses, but for those of itself.
func Addresses() (lines []string) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return []string{"cannot be told: " + err.Error()}
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		var texts []string
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); !ok || !n.IP.IsLinkLocalUnicast() { // which nobody types
				texts = append(texts, a.String())
			}
		}
		if len(texts) == 0 {
			texts = []string{"no address yet"}
		}
		lines = append(lines, i.Name+": "+strings.Join(texts, ", "))
	}
	return lines
}

// plain writes text and line ends, and '?' for whatever a terminal would obey.
type plain struct {
	w    io.Writer
	rest []byte // the beginning of a character whose end is still to come
}

// Write implements io.Writer.
func (p *plain) Write(b []byte) (int, error) {
	text := append(p.rest, b...)
	p.rest = nil
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1 && !utf8.FullRune(text):
			p.rest = append(p.rest, text...)
			size = len(text)
		case r == '\n', r == '\t':
			out = append(out, byte(r))
		case r < ' ', r >= 0x7f && r < 0xa0, r == utf8.RuneError:
			out = append(out, '?')
		default:
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
