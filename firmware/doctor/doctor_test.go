package doctor

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/sync/point"
)

var now = time.Unix(1_800_000_000, 0)

func around(from, until time.Duration) Validity { return Validity{now.Add(from), now.Add(until)} }

// expect is what a finding has to say.
type expect struct {
	grade            diag.Grade
	saw, cause, next string
}

func (e expect) judge(t *testing.T, name string, f diag.Finding) {
	t.Helper()
	if f.Grade != e.grade || !strings.Contains(f.Saw, e.saw) || !strings.Contains(f.Cause, e.cause) || !strings.Contains(f.Next, e.next) {
		t.Errorf("%s: %+v, want %+v", name, f, e)
	}
	if bad := f.Grade == diag.Fail || f.Grade == diag.Warn; bad && (f.Cause == "" || f.Next == "") || !bad && f.Cause+f.Next != "" {
		t.Errorf("%s: %s with cause %q and next step %q", name, f.Grade, f.Cause, f.Next)
	}
}

func TestClock(t *testing.T) {
	good := around(-time.Hour, time.Hour)
	for name, c := range map[string]struct {
		clock Clock
		want  expect
	}{
		"in order":                  {Clock{Now: now, Source: "ntp", Own: good, Broker: good, Synced: true}, expect{grade: diag.OK, saw: "source ntp"}},
		"the cloud's time":          {Clock{Now: now, Own: good, Judged: true, Ahead: time.Second}, expect{grade: diag.OK, saw: "1s ahead of the cloud's time"}},
		"a day ahead of the cloud":  {Clock{Now: now, Own: good, Judged: true, Ahead: 24 * time.Hour}, expect{grade: diag.Fail, saw: "24h0m0s ahead", cause: "of this device is wrong"}},
		"a day behind the cloud":    {Clock{Now: now, Own: good, Judged: true, Ahead: -24 * time.Hour}, expect{grade: diag.Fail, saw: "24h0m0s behind", cause: "of this device is wrong"}},
		"both lapsed":               {Clock{Now: now, Own: around(-3*time.Hour, -2*time.Hour), Broker: around(-3*time.Hour, -time.Hour)}, expect{grade: diag.Fail, saw: "1h0m0s after both", cause: "two certificates"}},
		"both to come":              {Clock{Now: now, Own: around(time.Hour, 2*time.Hour), Broker: around(3*time.Hour, 4*time.Hour)}, expect{grade: diag.Fail, saw: "before both", cause: "of this device"}},
		"own to come":               {Clock{Now: now, Own: around(time.Hour, 2*time.Hour), Broker: good}, expect{grade: diag.Fail, cause: "behind"}},
		"broker's to come":          {Clock{Now: now, Own: good, Broker: around(time.Hour, 2*time.Hour)}, expect{grade: diag.Fail, cause: "whoever issued"}},
		"own lapsed, broker's good": {Clock{Now: now, Own: around(-2*time.Hour, -time.Hour), Broker: good, Synced: true}, expect{grade: diag.OK}}, // the identity's own fault
		"nobody vouches":            {Clock{Now: now, Own: good}, expect{grade: diag.Warn, cause: "NTP does not run"}},
	} {
		c.want.judge(t, name, JudgeClock(c.clock))
	}
}

func TestDisk(t *testing.T) {
	for name, c := range map[string]struct {
		disk Disk
		want expect
	}{
		"roomy":          {Disk{Dir: "/d", Free: 50 << 30, Size: 100 << 30, Least: 128 << 20}, expect{grade: diag.OK, saw: "50.0 GiB free of 100.0 GiB at /d"}},
		"full":           {Disk{Free: 100 << 20, Size: 100 << 30, Least: 128 << 20}, expect{grade: diag.Fail, cause: "the disk is full"}},
		"small and free": {Disk{Free: 90 << 20, Size: 96 << 20, Least: 32 << 20}, expect{grade: diag.OK}},
		"filling":        {Disk{Free: 50 << 30, Size: 100 << 30, TimeToFull: time.Hour}, expect{grade: diag.Warn, saw: "full in 1h0m0s", cause: "fills up"}},
		"store is full":  {Disk{Free: 50 << 30, Size: 100 << 30, Errors: []string{"telemetry: No space left on device"}}, expect{grade: diag.Fail, cause: "the disk is full"}},
		"store fails":    {Disk{Free: 50 << 30, Size: 100 << 30, Errors: []string{"critical: input/output error"}}, expect{grade: diag.Fail, saw: "input/output", cause: "read-only"}},
		"unknown":        {Disk{}, expect{grade: diag.Skip}},
	} {
		c.want.judge(t, name, JudgeDisk(c.disk))
	}
}

func TestMemoryAndFlash(t *testing.T) {
	expect{grade: diag.OK, saw: "1.0 GiB available"}.judge(t, "memory", JudgeMemory(Memory{2 << 30, 1 << 30, 40 << 20}))
	expect{grade: diag.Warn, cause: "nearly all"}.judge(t, "little memory", JudgeMemory(Memory{2 << 30, 10 << 20, 1 << 30}))
	expect{grade: diag.Skip}.judge(t, "no memory told", JudgeMemory(Memory{}))
	expect{grade: diag.OK, saw: "less than 20 %"}.judge(t, "flash", JudgeFlash(Flash{Name: "mmcblk0", Life: 2, Running: 2 * time.Hour}))
	expect{grade: diag.Warn, saw: "80 %", cause: "worn"}.judge(t, "worn flash", JudgeFlash(Flash{Name: "mmcblk0", Life: 9}))
	expect{grade: diag.OK, saw: "does not report"}.judge(t, "flash that says nothing", JudgeFlash(Flash{}))
}

func TestIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		id   Identity
		want expect
	}{
		"in order":              {Identity{Now: now, ID: "spiffe://x/g", Held: around(-time.Hour, time.Hour)}, expect{grade: diag.OK, saw: "valid for 1h0m0s"}},
		"none":                  {Identity{Now: now, Error: "no agent", From: "unix:///run/a"}, expect{grade: diag.Fail, saw: "no agent", cause: "agent does not run"}},
		"expired":               {Identity{Now: now, ID: "g", Held: around(-2*time.Hour, -time.Hour), Clock: diag.OK}, expect{grade: diag.Fail, saw: "expired 1h0m0s ago", cause: "the SVID has expired"}},
		"not enrolled":          {Identity{Now: now, Error: "no such file", Enrolment: "the aggregator refuses: lapsed-token", Next: "make a token", Clock: diag.OK}, expect{grade: diag.Fail, saw: "lapsed-token", cause: "has not enrolled", next: "make a token"}},
		"not renewed":           {Identity{Now: now, ID: "g", Held: around(-time.Hour, time.Hour), Enrolment: "not reached", Next: "look"}, expect{grade: diag.Warn, saw: "not reached", cause: "could not be renewed", next: "look"}},
		"expired, refused":      {Identity{Now: now, ID: "g", Held: around(-2*time.Hour, -time.Hour), Enrolment: "lapsed-svid", Next: "make a token", Clock: diag.OK}, expect{grade: diag.Fail, saw: "lapsed-svid", next: "make a token"}},
		"expired by a clock":    {Identity{Now: now, ID: "g", Held: around(-2*time.Hour, -time.Hour), Clock: diag.Fail}, expect{grade: diag.Fail, cause: "the clock, not the SVID"}},
		"files that do not fit": {Identity{Now: now, Error: "half a file", From: "/etc/courtside/svid.pem", Files: true}, expect{grade: diag.Fail, saw: "half a file", cause: "PEM files", next: "/etc/courtside/svid.pem"}},
		"somebody else's": {Identity{Now: now, ID: "spiffe://x/other", Want: "spiffe://x/g", Held: around(-time.Hour, time.Hour)},
			expect{grade: diag.Fail, saw: "the configuration that of spiffe://x/g", cause: "issued to somebody else", next: "issue one to spiffe://x/g"}},
		"not refreshed": {Identity{Now: now, ID: "g", Held: around(-time.Hour, time.Hour), Error: "half a file"}, expect{grade: diag.Warn, saw: "half a file", cause: "could not be refreshed"}},
	} {
		c.want.judge(t, name, JudgeIdentity(c.id))
	}
}

var refused = &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

func TestWay(t *testing.T) {
	up := Way{Broker: "b:8883", Addresses: []string{"10.0.0.1"}, Identity: true, State: "up", RoundTrip: time.Millisecond}
	change := func(f func(*Way)) Way { w := up; f(&w); return w }
	for name, c := range map[string]struct {
		way   Way
		check string
		want  expect
	}{
		"up":               {up, "broker", expect{grade: diag.OK, saw: "acks take 1ms"}},
		"set aside":        {change(func(w *Way) { w.Aside, w.AsideDetail = "device-not-granted", "names device plc-9" }), "broker", expect{grade: diag.Fail, saw: "names device plc-9", cause: "not granted", next: "venues[].gateways[].devices"}},
		"no name":          {change(func(w *Way) { w.Resolve = errors.New("no such host") }), "dns", expect{grade: diag.Fail, cause: "cannot be resolved"}},
		"refused":          {change(func(w *Way) { w.Connect = refused }), "route", expect{grade: diag.Fail, cause: "nobody listens"}},
		"no route":         {change(func(w *Way) { w.Connect = errors.New("timeout") }), "route", expect{grade: diag.Fail, cause: "firewall"}},
		"no SVID":          {change(func(w *Way) { w.Identity = false }), "tls", expect{grade: diag.Skip}},
		"a stranger":       {change(func(w *Way) { w.Handshake = x509.UnknownAuthorityError{} }), "tls", expect{grade: diag.Fail, cause: "another trust domain"}},
		"expired":          {change(func(w *Way) { w.Handshake = x509.CertificateInvalidError{Reason: x509.Expired} }), "tls", expect{grade: diag.Fail, cause: "expired"}},
		"refuses our SVID": {change(func(w *Way) { w.Handshake = errors.New("remote error: tls: bad certificate") }), "tls", expect{grade: diag.Fail, cause: "refuses this gateway's SVID"}},
		"no TLS":           {change(func(w *Way) { w.Handshake = errors.New("first record does not look like") }), "tls", expect{grade: diag.Fail, cause: "does not speak mutual TLS"}},
		"the clock's TLS":  {change(func(w *Way) { w.Handshake, w.Clock = errors.New("x"), diag.Fail }), "tls", expect{grade: diag.Fail, cause: "the clock"}},
		"no acks":          {change(func(w *Way) { w.State = "down" }), "broker", expect{grade: diag.Fail, cause: "the aggregator does not run"}},
		"not permitted":    {change(func(w *Way) { w.State, w.Cause = "connecting", "subscribing: refused" }), "broker", expect{grade: diag.Fail, cause: "does not permit"}},
		"another's SVID":   {change(func(w *Way) { w.State, w.Stranger = "connecting", true }), "broker", expect{grade: diag.Skip, saw: "not this gateway's"}},
		"no session":       {change(func(w *Way) { w.State, w.Cause = "connecting", "EOF" }), "broker", expect{grade: diag.Fail, cause: "no session begins"}},
	} {
		found := false
		for _, f := range JudgeWay(c.way) {
			if f.Check == c.check {
				found = true
				c.want.judge(t, name, f)
			}
		}
		if !found {
			t.Errorf("%s: nothing is said of %s", name, c.check)
		}
	}
}

func TestDevices(t *testing.T) {
	base := Device{ID: "plc-1", Driver: "modbus", Address: "10.0.0.5:502", Unit: "1", State: "up", Points: 4}
	serial := base
	serial.Serial, serial.Baud, serial.Address = true, 9600, "/dev/ttyUSB0"
	down := func(d Device, err error) Device {
		d.State, d.Err, d.Cause = "down", err, err.Error()
		return d
	}
	bad := func(d Device, q point.Quality, n int) Device {
		d.Bad = map[point.Quality]int{q: n}
		return d
	}
	strayed, malformed, unsteady := down(base, os.ErrDeadlineExceeded), bad(base, point.BadDataEncodingInvalid, 4), base
	strayed.Strays, strayed.Timeout, malformed.Malformed = 7, 500*time.Millisecond, 12
	unsteady.Lost, unsteady.Since = 5, time.Minute
	mended := unsteady
	mended.Since = time.Hour
	behind := base
	behind.Server, behind.Address = true, "10.0.0.7:4001"
	answered := base
	answered.Answered = true
	server := base
	server.Driver, server.Address = "opcua", "opc.tcp://10.0.0.5:4840"
	slow := base
	slow.Scans, slow.Overruns, slow.Period, slow.Latency = 100, 50, time.Second, 2*time.Second
	for name, c := range map[string]struct {
		device Device
		want   expect
	}{
		"up":                   {base, expect{grade: diag.OK, saw: "up, 4 points"}},
		"refused":              {down(base, refused), expect{grade: diag.Fail, cause: "nobody listens on the port"}},
		"absent":               {down(base, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), expect{grade: diag.Fail, cause: "device absent"}},
		"unit":                 {down(base, os.ErrDeadlineExceeded), expect{grade: diag.Fail, cause: "wrong unit id"}},
		"unit's points":        {bad(base, point.BadTimeout, 4), expect{grade: diag.Fail, cause: "wrong unit id"}},
		"baud":                 {down(serial, errors.New("x: the line is never silent")), expect{grade: diag.Fail, cause: "wrong baud rate"}},
		"silent line":          {bad(serial, point.BadTimeout, 4), expect{grade: diag.Fail, cause: "wrong baud rate (9600)"}},
		"one silent of a line": {bad(serial, point.BadTimeout, 1), expect{grade: diag.Warn, cause: "wrong unit id"}},
		"no port":              {down(serial, os.ErrNotExist), expect{grade: diag.Fail, cause: "no such serial port"}},
		"port forbidden":       {down(serial, os.ErrPermission), expect{grade: diag.Fail, cause: "may not open"}},
		"addresses":            {bad(base, point.BadNodeIDUnknown, 1), expect{grade: diag.Warn, cause: "does not have these addresses"}},
		"unit or slow":         {down(base, os.ErrDeadlineExceeded), expect{grade: diag.Fail, cause: "needs longer than its timeout", next: "--timeout 10s"}},
		"late answers":         {strayed, expect{grade: diag.Fail, cause: "slower than its timeout (500ms): 7 answers", next: "raise timeout"}},
		"no Modbus":            {down(base, errors.New("poll 10.0.0.5:502: not a Modbus frame: protocol id 21584")), expect{grade: diag.Fail, cause: "does not speak Modbus TCP", next: "framing: rtu"}},
		"no such name":         {down(base, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "plc", Err: "no such host"}}), expect{grade: diag.Fail, cause: "the name plc cannot be resolved"}},
		"answers of others":    {malformed, expect{grade: diag.Fail, cause: "another unit, function or length", next: "--units 1-247"}},
		"busy":                 {bad(base, point.BadResourceUnavailable, 4), expect{grade: diag.Fail, cause: "busy", next: "pause"}},
		"serial server off":    {down(behind, refused), expect{grade: diag.Fail, cause: "nobody listens on the port"}},
		"silence behind it":    {down(behind, os.ErrDeadlineExceeded), expect{grade: diag.Fail, cause: "nothing that is understood comes from behind it", next: "--framing rtu --units 1-247"}},
		"noise behind it":      {bad(behind, point.BadDataEncodingInvalid, 4), expect{grade: diag.Fail, cause: "wrong baud rate or parity"}},
		"a unit behind it":     {bad(behind, point.BadTimeout, 1), expect{grade: diag.Warn, cause: "wrong unit id", next: "--framing rtu"}},
		"another protocol":     {down(base, errors.New("poll: the device closed the connection")), expect{grade: diag.Fail, cause: "does not speak Modbus"}},
		"too many clients":     {down(answered, errors.New("poll: the device closed the connection")), expect{grade: diag.Fail, cause: "too many clients"}},
		"no OPC UA":            {down(server, errors.New("wait for the server's acknowledgement: EOF")), expect{grade: diag.Fail, cause: "does not speak OPC UA"}},
		"another type":         {bad(server, point.BadDataEncodingInvalid, 1), expect{grade: diag.Warn, cause: "another type", next: " NODE"}},
		"no such nodes":        {bad(server, point.BadNodeIDUnknown, 1), expect{grade: diag.Warn, cause: "namespace"}},
		"unsteady":             {unsteady, expect{grade: diag.Warn, saw: "lost 5 times", cause: "the device ends it"}},
		"steady again":         {mended, expect{grade: diag.OK}},
		"slow":                 {slow, expect{grade: diag.Warn, saw: "50 of 150 slots missed", cause: "slower than its scan class"}},
	} {
		c.want.judge(t, name, JudgeDevice(c.device))
	}
}

func TestWordOrder(t *testing.T) {
	if _, strange := JudgeValues(Device{}); strange {
		t.Error("nothing is strange")
	}
	f, strange := JudgeValues(Device{ID: "plc-1", Strange: []Strange{{"t", 2.3e-41, 21.5}}})
	if !strange {
		t.Fatal("a strange value is not told")
	}
	expect{grade: diag.Warn, saw: "with its words exchanged it were 21.5", cause: "wrong word order"}.judge(t, "word order", f)
	for _, c := range []struct {
		v     float64
		whole bool
		want  bool
	}{{2.355863e-41, false, true}, {21.5, false, false}, {0, false, false}, {5 << 16, true, true}, {5, true, false}, {5<<16 + 1, true, false}} {
		if _, strange := Turned(c.v, c.whole); strange != c.want {
			t.Errorf("%v, whole %v: strange %v", c.v, c.whole, strange)
		}
	}
}

func TestCounters(t *testing.T) {
	if _, jumps := JudgeCounters(Device{}); jumps {
		t.Error("nothing jumps")
	}
	f, jumps := JudgeCounters(Device{ID: "plc-1", Jumps: []Jump{{"gate/1/in", 3, 5}, {"gate/2/in", 40, 0.5}}})
	if !jumps {
		t.Fatal("counters that begin anew are not told")
	}
	expect{grade: diag.Warn, saw: "2 counters keep beginning anew, such as gate/2/in: 40 times", cause: "max_rate is too small", next: "gwctl watch plc-1/gate/2/in"}.judge(t, "counters", f)
}
