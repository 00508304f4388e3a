package ctl

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// View implements tea.Model: one screen, never wider or higher than the terminal.
func (m *top) View() string {
	if m.now.at.IsZero() {
		if m.err != nil {
			return cut(m.err.Error(), m.width)
		}
		return "asking the gateway …"
	}
	lines := m.head()
	rows := m.rows()
	room := max(m.height-len(lines)-2, 1) // the column heads above, the keys below
	first := min(m.scroll, max(len(rows)-room, 0))
	last := min(first+room, len(rows))
	lines = append(lines, m.bold(cut(fmt.Sprintf("%-18s %-10s %7s %6s %9s %7s %9s %7s", "DEVICE / CLASS", "STATE", "POINTS", "BAD", "VALUES/s", "REP/s", "SCAN", "OVERRUN"), m.width)))
	lines = append(lines, rows[first:last]...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	foot := "q end  p pause  ↑↓ scroll"
	if hidden := len(rows) - (last - first); hidden > 0 {
		foot += fmt.Sprintf("  %d–%d of %d rows", first+1, last, len(rows))
	}
	if m.paused {
		foot += "  PAUSED"
	}
	if m.err != nil {
		foot = "NO ANSWER: " + m.err.Error()
	}
	lines = append(lines, cut(foot, m.width))
	return strings.Join(lines[:min(len(lines), m.height)], "\n")
}

// head is what stands above the devices.
func (m *top) head() []string {
	s, l, st := m.now.status, m.now.link, m.now.storage
	line := func(format string, args ...any) string { return cut(fmt.Sprintf(format, args...), m.width) }
	link := "LINK      " + strings.ToUpper(s.Link.State)
	if l.RoundTrip > 0 {
		link += "  acks in " + short(l.RoundTrip)
	}
	link += fmt.Sprintf("  under way %s of %s  %s", size(l.InFlight), size(l.Window), strings.TrimPrefix(s.Link.Broker, "mqtts://")) // the name last: it may be long
	if s.Link.Cause != "" {
		link = fmt.Sprintf("LINK      %s  %s", strings.ToUpper(s.Link.State), s.Link.Cause)
	}
	if s.Link.SetAside != "" {
		link = "LINK      SET ASIDE by the cloud: " + oneLine(s.Link.SetAside)
	}
	identity := "IDENTITY  NONE " + s.Identity.Error
	if s.Identity.ID != "" {
		identity = fmt.Sprintf("IDENTITY  %s  %s", validity(s.Identity.NotAfter), strings.TrimPrefix(s.Identity.ID, "spiffe://"))
	}
	oldest := "nothing held"
	if !st.Oldest.IsZero() {
		oldest = "oldest " + ago(m.now.at.Sub(st.Oldest))
	}
	out := []string{
		m.bold(line("%s/%s  %s  up %s  %s resident  %s", s.Venue, s.Gateway, s.Version, ago(m.now.at.Sub(s.Since)), size(s.RSSBytes), m.now.at.Format("15:04:05"))),
		line("%s", link), line("%s", identity),
		line("CLOCK     %s ± %s   SPOOL %s, disk %s free, full: %s", s.Clock.Source, short(s.Clock.Uncertainty), oldest, size(st.DiskFree), forecast(st.TimeToFull, "never")),
		"",
		m.bold(line("%-10s %9s %8s %7s %16s %16s %7s", "LANE", "SAMPLES/s", "BATCH/s", "B/s", "IN RAM", "BACKLOG", "LOST")),
	}
	for i, lane := range s.Lanes {
		var before diag.Lane
		if i < len(m.before.status.Lanes) {
			before = m.before.status.Lanes[i]
		}
		out = append(out, line("%-10s %9s %8s %7s %16s %16s %7d", lane.Lane, m.rate(lane.Samples, before.Samples), m.rate(lane.Batches, before.Batches),
			m.rate(lane.Bytes, before.Bytes), count(lane.RAM), count(lane.Backlog), lane.Lost))
	}
	return append(out, "")
}

// rows is one line a device and one a scan class, devices in trouble first.
func (m *top) rows() (rows []string) {
	devices := slices.Clone(m.now.status.Devices)
	slices.SortStableFunc(devices, func(a, b diag.Device) int { return rank(a) - rank(b) })
	for _, d := range devices {
		var before diag.Device
		for _, b := range m.before.status.Devices {
			if b.Device == d.Device {
				before = b
			}
		}
		rows = append(rows, cut(fmt.Sprintf("%-18s %-10s %7d %6d %9s %7s %9s %7d", cut(d.Device, 18), breaker(d), d.Points, d.Bad, m.rate(d.Values, before.Values),
			m.rate(d.Passed, before.Passed), short(d.Latency), d.Overruns), m.width))
		if d.Cause != "" {
			rows = append(rows, cut("  "+d.Cause, m.width))
		}
		if len(d.Classes) < 2 {
			continue
		}
		for _, c := range d.Classes {
			rows = append(rows, cut(fmt.Sprintf("  %-16s %-10s %7s %6s %9s %7s %9s %7d", cut(c.Name, 16), "every "+c.Period.String(), "", "", "", "", short(c.Latency), c.Overruns), m.width))
		}
	}
	return rows
}

func rank(d diag.Device) int {
	switch d.State {
	case "failed":
		return 0
	case "down":
		return 1
	case "connecting":
		return 2
	}
	if d.Bad > 0 {
		return 3
	}
	return 4
}

// breaker is a device's state; a connection that is retried shows how often it failed.
func breaker(d diag.Device) string {
	if d.State == "down" || d.State == "failed" {
		return fmt.Sprintf("%s %d×", strings.ToUpper(d.State), d.Failures)
	}
	return d.State
}

// rate is by how much a total grew a second between the two last sights.
func (m *top) rate(now, before uint64) string {
	span := m.now.at.Sub(m.before.at)
	if m.before.at.IsZero() || span < 10*time.Millisecond || now < before {
		return "–"
	}
	v := float64(now-before) / span.Seconds()
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// bold is how heads stand out, in every terminal and without colour.
func (m *top) bold(s string) string {
	if m.plain {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}
