package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/doctor"
	"github.com/courtside-edge/courtside/firmware/scan"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/point"
)

const (
	// doctorLooks is how long the doctor looks at what devices give.
	doctorLooks = 1500 * time.Millisecond
	// stepPatience bounds each step of the way to the broker.
	stepPatience = 3 * time.Second
	// alertPatience is how long a broker may take to refuse an SVID after the handshake.
	alertPatience = 300 * time.Millisecond
)

// Doctor implements diag.Gateway: it gathers the facts and lets package doctor judge them.
func (g *Gateway) Doctor(ctx context.Context) []diag.Finding {
	var way doctor.Way
	var broker doctor.Validity
	var looks []*look
	for _, m := range g.crew.list() {
		looks = append(looks, newLook(g, m, ""))
	}
	var trying sync.WaitGroup
	trying.Go(func() { way, broker = g.tryWay(ctx) })
	watchAll(ctx, looks, doctorLooks)
	trying.Wait()

	clock := doctor.JudgeClock(g.clockFacts(broker))
	storage := g.Storage()
	c, _ := g.configured()
	way.Clock = clock.Grade
	findings := []diag.Finding{clock,
		doctor.JudgeDisk(doctor.Disk{Dir: c.DataDir, Free: storage.DiskFree, Size: storage.DiskSize, Least: c.Spool.MinFree, Errors: storage.Errors, TimeToFull: storage.TimeToFull}),
		doctor.JudgeMemory(memory()), doctor.JudgeFlash(flash(storage.WrittenADay, time.Since(g.since)))}
	if g.identity != nil {
		findings = append(findings, doctor.JudgeIdentity(g.identityFacts(c, clock.Grade)))
	}
	if u := g.updating(); u != nil {
		findings = append(findings, doctor.JudgeUpdate(*u))
	}
	findings = append(findings, doctor.JudgeWay(way)...)
	for _, l := range looks {
		d := l.facts()
		findings = append(findings, doctor.JudgeDevice(d))
		if f, strange := doctor.JudgeValues(d); strange {
			findings = append(findings, f)
		}
		if f, jumps := doctor.JudgeCounters(d); jumps {
			findings = append(findings, f)
		}
	}
	return findings
}

func (g *Gateway) clockFacts(broker doctor.Validity) doctor.Clock {
	m, f := g.clock.Map(), g.uplink.Flight()
	out := doctor.Clock{Now: time.Now(), Source: m.Source.String(), Ahead: f.Ahead, Judged: f.Judged, Broker: broker, Own: g.validity()}
	var tx unix.Timex
	state, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx)
	out.Synced = err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
	return out
}

// validity returns when the own SVID holds; without a beginning when it has expired.
func (g *Gateway) validity() (v doctor.Validity) {
	if g.identity == nil {
		return v
	}
	v.Until = g.identity.NotAfter()
	if own, err := g.identity.ClientTLS().GetClientCertificate(&tls.CertificateRequestInfo{}); err == nil && own.Leaf != nil {
		v.From = own.Leaf.NotBefore
	}
	return v
}

func (g *Gateway) identityFacts(c *config.Config, clock diag.Grade) doctor.Identity {
	s := g.identityStatus()
	i := doctor.Identity{Now: time.Now(), ID: s.ID, Held: g.validity(), Error: s.Error, From: c.Identity.WorkloadAPI, Clock: clock}
	if i.From == "" {
		i.From, i.Files = c.Identity.CertFile, true
	}
	i.Want = g.wanted(c).String()
	if g.enrolment != nil {
		e := g.enrolment.Status()
		i.From, i.Files, i.Enrolment, i.Next = c.Identity.JoinTokenFile, false, e.Cause, e.Next
		if e.Enrolled {
			i.From = e.Address
		}
	}
	if err := g.identity.Err(); err != nil && i.Error == "" {
		i.Error = err.Error()
	}
	return i
}

// wanted is who the configuration says that the gateway is.
func (g *Gateway) wanted(c *config.Config) identity.ID {
	return identity.ID{TrustDomain: c.Identity.TrustDomain, Role: identity.Gateway, Venue: c.Venue, Name: c.Gateway}
}

// tryWay goes the way to the broker step by step, on a connection of its own, and returns the validity of the broker's certificate too.
func (g *Gateway) tryWay(ctx context.Context) (way doctor.Way, broker doctor.Validity) {
	state, cause := g.uplink.State()
	way = doctor.Way{State: state.String(), RoundTrip: g.uplink.Flight().RoundTrip}
	if cause != nil {
		way.Cause = cause.Error()
	}
	aside := g.uplink.SetAside()
	way.Aside, way.AsideDetail = aside.Reason, aside.Detail
	c, _ := g.configured()
	u, err := url.Parse(c.Uplink.Broker)
	if err != nil || g.identity == nil {
		way.Broker = c.Uplink.Broker
		return way, broker
	}
	way.Broker = u.Host
	resolving, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	if way.Addresses, way.Resolve = net.DefaultResolver.LookupHost(resolving, u.Hostname()); way.Resolve != nil {
		return way, broker
	}
	d := net.Dialer{Timeout: stepPatience}
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		way.Connect = err
		return way, broker
	}
	defer conn.Close()
	id, err := g.identity.ID()
	if err != nil {
		return way, broker
	}
	way.Identity, way.Stranger = true, id != g.wanted(c)
	broker, way.Handshake = g.shakeHands(ctx, conn)
	return way, broker
}

// shakeHands does the handshake that a session would do.
func (g *Gateway) shakeHands(ctx context.Context, conn net.Conn) (broker doctor.Validity, err error) {
	options := g.identity.ClientTLS(identity.Aggregator, identity.Broker)
	verify := options.VerifyConnection
	options.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) > 0 {
			broker = doctor.Validity{From: s.PeerCertificates[0].NotBefore, Until: s.PeerCertificates[0].NotAfter}
		}
		return verify(s)
	}
	secure := tls.Client(conn, options)
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return broker, err
	}
	_ = secure.SetReadDeadline(time.Now().Add(alertPatience)) // a refusal of the own SVID comes after the handshake
	if _, err := secure.Read(make([]byte, 1)); err != nil && strings.Contains(err.Error(), "remote error") {
		return broker, err
	}
	return broker, nil
}

// memory reads the machine's memory; zeros where the kernel does not say.
func memory() (m doctor.Memory) {
	m.Resident = residentBytes()
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			m.Total = kib << 10
		case "MemAvailable:":
			m.Available = kib << 10
		}
	}
	return m
}

// flash asks eMMC devices how much of their life is used.
func flash(aDay uint64, running time.Duration) doctor.Flash {
	f := doctor.Flash{ADay: aDay, Running: running}
	reports, _ := filepath.Glob("/sys/block/mmcblk*/device/life_time") // a fixed pattern never fails
	for _, name := range reports {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(raw)) {
			if n, err := strconv.ParseUint(word, 0, 8); err == nil && int(n) > f.Life {
				f.Life, f.Name = int(n), strings.Split(name, "/")[3]
			}
		}
	}
	return f
}

// facts is what is known of the device.
func (l *look) facts() doctor.Device {
	s, described := l.member.worker.Status(), l.member.described()
	d := doctor.Device{ID: string(described.ID), Driver: described.Driver, State: s.State.String(), Cause: s.Cause, Err: s.Err, Points: len(described.Own),
		Overruns: s.Overruns(), Bad: make(map[point.Quality]int), Lost: s.Lost, Answered: s.LastAnswer != 0, Since: time.Duration(l.g.clock.Mono() - s.Since)}
	l.traffic(&d)
	l.address(described, &d)
	slowest(described, s, &d)
	for _, st := range l.member.worker.Look(nil, nil) {
		r, seen := l.last(st.Index)
		if !seen && st.Started {
			r, seen = reading{bits: st.Bits, quality: st.Quality}, true
		}
		if !seen {
			continue
		}
		p := &l.table[st.Index]
		if st.Resets >= doctor.ManyResets {
			d.Jumps = append(d.Jumps, doctor.Jump{Name: string(p.Name), Resets: st.Resets, MaxRate: p.MaxRate})
		}
		if r.quality.IsBad() {
			if d.Bad[r.quality]++; d.Example == "" {
				d.Example = string(p.Name)
			}
			continue
		}
		if described.Driver == "modbus" && p.Class == point.State && (p.Type == point.Float || p.Type == point.Int) {
			l.doubt(&d, p, r)
		}
	}
	return d
}

// traffic takes over what the driver counted.
func (l *look) traffic(d *doctor.Device) {
	source, ok := l.member.source.(drivers.Statser)
	if !ok {
		return
	}
	for _, s := range source.Stats() {
		switch s.Name {
		case "strays_total":
			d.Strays = uint64(s.Value)
		case "malformed_total":
			d.Malformed = uint64(s.Value)
		}
	}
}

// doubt notes a value that makes no sense as it is.
func (l *look) doubt(d *doctor.Device, p *point.Point, r reading) {
	v, whole := float64(int64(r.bits)), true
	if p.Type == point.Float {
		v, whole = p.Number(r.bits), false
	}
	if other, strange := doctor.Turned(v, whole); strange {
		if whole {
			v, other = p.Number(r.bits), p.Number(point.IntBits(int64(other)))
		}
		d.Strange = append(d.Strange, doctor.Strange{Name: string(p.Name), Value: v, Turned: other})
	}
}

func slowest(described *config.Device, s scan.Status, d *doctor.Device) {
	for i, c := range s.Classes {
		d.Scans += c.Scans
		if c.Latency >= d.Latency {
			d.Latency, d.Period = c.Latency, described.Classes[i].Period
		}
	}
}

// address reads where a device is out of its options, as far as they say it in the way of this product's drivers.
func (l *look) address(described *config.Device, d *doctor.Device) {
	options, ok := described.Options.(interface{ Get(string, any) error })
	if !ok {
		return
	}
	text := func(key string) (s string) {
		_ = options.Get(key, &s) // a key of another form says nothing here; the driver has judged it
		return s
	}
	for _, key := range []string{"address", "endpoint", "target", "bus"} {
		if d.Address == "" {
			d.Address = text(key)
		}
	}
	if port := text("serial.port"); port != "" {
		d.Address, d.Serial, d.Baud = port, true, 19200
		_ = options.Get("serial.baud", &d.Baud)
	}
	if text("framing") == "rtu" {
		d.Server = !d.Serial
	}
	if described.Driver == "modbus" {
		unit := 1
		_ = options.Get("unit", &unit)
		d.Unit = fmt.Sprint(unit)
		d.Timeout = 500 * time.Millisecond // the driver's default
		if t, err := time.ParseDuration(text("timeout")); err == nil {
			d.Timeout = t
		}
	}
}
