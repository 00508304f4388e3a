package gateway

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
)

var _ diag.Gateway = (*Gateway)(nil)

// stores returns the stores that there are.
func (g *Gateway) stores() (all []*segment.Store) {
	for _, s := range []*segment.Store{g.critical, g.telemetry} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// measure takes what the meter remembers.
func (g *Gateway) measure() moment {
	m := moment{at: time.Now()}
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		c := g.keeper.Counts(l)
		m.held += c.RAM.Bytes + c.Stored.Bytes
		m.stored += c.Stored.Bytes
	}
	for _, s := range g.stores() {
		m.written += s.Stats().WrittenBytes
	}
	return m
}

// Storage implements diag.Gateway.
func (g *Gateway) Storage() diag.Storage {
	now := g.measure()
	c, _ := g.configured()
	out := diag.Storage{Spool: g.spoolStatus(), Epoch: g.keeper.Epoch().String(), Gaps: g.keeper.Undeclared(), LimitBytes: c.Spool.Limit, WrittenBytes: now.written}
	for _, l := range []point.Lane{point.Telemetry, point.Critical} {
		out.Lanes = append(out.Lanes, g.laneStatus(l))
		if err := g.keeper.StoreErr(l); err != nil {
			out.Errors = append(out.Errors, fmt.Sprintf("%s: %v", l, err))
		}
	}
	if g.telemetry == nil {
		out.Errors = append(out.Errors, "telemetry: its store could not be opened; telemetry is kept in RAM alone")
	}
	if at, held := g.keeper.Oldest(); held {
		out.Oldest = at
	}
	out.DiskFree, out.DiskSize = disk(c.DataDir)
	if up := now.at.Sub(g.since); up > time.Second {
		out.WrittenADay = uint64(float64(now.written) / up.Seconds() * 86400)
	}
	if then, ok := g.meter.since(now.at); ok {
		span := now.at.Sub(then.at)
		out.TimeToFull = until(min(c.Spool.Limit-now.stored, out.DiskFree), now.stored-then.stored, span)
		out.TimeToDrain = until(now.held, then.held-now.held, span)
	}
	return out
}

// disk returns the free and all bytes of the file system of dir, 0 when the kernel does not say.
func disk(dir string) (free, size int64) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize)
}

// Connection implements diag.Gateway.
func (g *Gateway) Connection() diag.Connection {
	n, f := g.uplink.Stats(), g.uplink.Flight()
	return diag.Connection{Link: g.linkStatus(), Identity: g.identityStatus(), Window: f.Window, InFlight: f.Bytes, Batches: f.Batches, RoundTrip: f.RoundTrip, Timeout: f.Timeout,
		Live: n.Live, Replay: n.Replay, Critical: n.Critical, SentBytes: n.Bytes, Probes: n.Probes, Rotations: n.Rotations, Ahead: f.Ahead, Judged: f.Judged}
}

// Logs implements diag.Gateway.
func (g *Gateway) Logs() []diag.Record { return g.logs.Records() }

// explain calls a method of source that returns something to be printed, if there is one of that name.
func explain(source any, method string) (string, bool) {
	f := reflect.ValueOf(source).MethodByName(method)
	if !f.IsValid() || f.Type().NumIn() != 0 || f.Type().NumOut() != 1 {
		return "", false
	}
	return fmt.Sprint(f.Call(nil)[0].Interface()), true
}

// Plan implements diag.Gateway.
func (g *Gateway) Plan(device string) (diag.Plan, error) {
	m := g.crew.find(point.ID(device))
	if m == nil {
		return diag.Plan{}, fmt.Errorf("device %q: %w; the devices are %s", device, diag.ErrNotFound, strings.Join(g.deviceNames(), ", "))
	}
	p := diag.Plan{Device: device, Driver: m.described().Driver, Scans: classes(m.described(), m.worker.Status())}
	if text, ok := explain(m.source, "Plan"); ok {
		p.Lines = lines(text)
	}
	if s, ok := m.source.(interface{ Stats() []drivers.Stat }); ok {
		p.Stats = statLines(s.Stats())
	}
	return p, nil
}

// statLines writes what happened on a connection for people; counts of nothing are left out.
func statLines(all []drivers.Stat) (out []string) {
	for _, s := range all {
		if s.Value == 0 && strings.HasSuffix(s.Name, "_total") {
			continue
		}
		line := fmt.Sprintf("%s %s", strings.TrimSuffix(s.Name, "_total"), strconv.FormatFloat(s.Value, 'f', -1, 64))
		if s.Part != "" {
			line = s.Part + ": " + line
		}
		out = append(out, "  "+line+"  ("+s.Meaning+")")
	}
	return out
}

func lines(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }

func (g *Gateway) deviceNames() (names []string) {
	for _, m := range g.crew.list() {
		names = append(names, string(m.described().ID))
	}
	slices.Sort(names)
	return names
}

// Configuration implements diag.Gateway.
func (g *Gateway) Configuration() ([]byte, error) {
	if g.d.File == "" {
		return nil, fmt.Errorf("the configuration's file: %w: this gateway was not started from one", diag.ErrNotFound)
	}
	text, err := os.ReadFile(g.d.File)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return redact(text), nil
}

// redact takes out values of keys that sound like secrets, join tokens, and users in addresses. Paths of files stay.
func redact(text []byte) []byte {
	const key = `["']?[\w-]*(?:password|passphrase|secret|token|community|private_key)["']?\s*:`
	secretLine := regexp.MustCompile(`(?i)^(\s*(?:- )*` + key + `)\s*\S.*$`)
	secretInline := regexp.MustCompile(`(?i)([{,]\s*` + key + `\s*)(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^,}\n]+)`) // commas are in quotes alone
	userInURL := regexp.MustCompile(`(://)[^/@\s"']+@`)
	joinToken := regexp.MustCompile(`courtside-join-\d+\.[\w-]+`)
	var out []string
	within := -1 // the column of a secret's key, while its value goes on
	for line := range strings.Lines(string(text)) {
		bare := strings.TrimRight(line, "\r\n")
		indent := len(bare) - len(strings.TrimLeft(bare, " \t"))
		if within >= 0 && (strings.TrimSpace(bare) == "" || indent > within) {
			continue
		}
		within = -1
		if m := secretLine.FindStringSubmatch(bare); m != nil {
			within = len(m[1]) - len(strings.TrimLeft(m[1], " -\t"))
			line = m[1] + " REMOVED\n"
		}
		out = append(out, line)
	}
	clean := secretInline.ReplaceAllString(strings.Join(out, ""), "${1}REMOVED")
	clean = joinToken.ReplaceAllString(clean, "REMOVED")
	return []byte(userInURL.ReplaceAllString(clean, "${1}REMOVED@"))
}

var errNoReload = errors.New("this gateway was not started from a file")
