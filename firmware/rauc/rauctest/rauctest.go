// Package rauctest is RAUC as far as a gateway sees it: the service on a D-Bus of its own. It verifies no signature and writes no slot, but reads
// the update as RAUC does: the first four bytes to learn whether the server knows ranges, then range after range over HTTP.
package rauctest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

const (
	name = "de.pengutronix.rauc"
	path = dbus.ObjectPath("/")
	intf = "de.pengutronix.rauc.Installer"
	// step is how much is read at once; RAUC reads at most 128 KiB.
	step = 64 << 10
)

// Bus starts a message bus and returns its address; the test's end stops it. Without dbus-daemon the test is skipped.
func Bus(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("no dbus-daemon here; Debian's package is dbus-daemon")
	}
	config := t.TempDir() + "/bus.conf"
	if err := os.WriteFile(config, []byte(`<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(program, "--nofork", "--nopidfile", "--config-file="+config, "--print-address=1")
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Process.Kill(); _ = run.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("starting a bus: %v", err)
	}
	return strings.TrimSpace(address)
}

// Update is what the fake takes an update to be.
type Update struct{ Compatible, Version string }

// Service is RAUC on a bus. Its fields may be changed with Set while it runs.
type Service struct {
	mu      sync.Mutex
	update  Update
	refusal string // of inspections
	failure string // of installs, at half
	block   chan struct{}
	busy    bool
	read    []byte
	marks   []string

	conn  *dbus.Conn
	props *prop.Properties
}

// Serve puts RAUC on the bus at address; the test's end takes it away.
func Serve(t testing.TB, address string, u Update) *Service {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{update: u, conn: conn}
	if err := s.offer(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *Service) offer() error {
	methods := map[string]any{"InspectBundle": s.inspect, "InstallBundle": s.install, "GetSlotStatus": s.slots, "GetPrimary": s.primary, "Mark": s.mark}
	if err := s.conn.ExportMethodTable(methods, path, intf); err != nil {
		return err
	}
	var err error
	s.props, err = prop.Export(s.conn, path, prop.Map{intf: {
		"Operation": {Value: "idle", Emit: prop.EmitTrue}, "LastError": {Value: "", Emit: prop.EmitTrue},
		"Progress": {Value: progress{0, "", 0}, Emit: prop.EmitTrue}, "Compatible": {Value: s.update.Compatible, Emit: prop.EmitTrue}, "BootSlot": {Value: "A", Emit: prop.EmitTrue},
	}})
	if err != nil {
		return err
	}
	reply, err := s.conn.RequestName(name, dbus.NameFlagDoNotQueue)
	if err == nil && reply != dbus.RequestNameReplyPrimaryOwner {
		err = errors.New("the bus has a RAUC already")
	}
	return err
}

// Close takes RAUC off the bus, as if it had died.
func (s *Service) Close() { _ = s.conn.Close() }

// Refuse makes inspections fail.
func (s *Service) Refuse(why string) { s.mu.Lock(); defer s.mu.Unlock(); s.refusal = why }

// Fail makes installs fail half-way.
func (s *Service) Fail(why string) { s.mu.Lock(); defer s.mu.Unlock(); s.failure = why }

// Hold makes installs wait half-way until release is called.
func (s *Service) Hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	block := make(chan struct{})
	s.block = block
	return sync.OnceFunc(func() { close(block) })
}

// Read returns what the last install read.
func (s *Service) Read() []byte { s.mu.Lock(); defer s.mu.Unlock(); return s.read }

// Marks returns what slots were marked as, oldest first.
func (s *Service) Marks() []string { s.mu.Lock(); defer s.mu.Unlock(); return s.marks }

func fail(format string, args ...any) *dbus.Error {
	return dbus.NewError("org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code30", []any{fmt.Sprintf(format, args...)})
}

func (s *Service) inspect(source string, args map[string]dbus.Variant) (map[string]dbus.Variant, *dbus.Error) {
	s.mu.Lock()
	u, refusal, busy := s.update, s.refusal, s.busy
	s.mu.Unlock()
	switch {
	case busy:
		return nil, fail("already processing a different method")
	case len(args) > 0:
		return nil, fail("Unsupported key")
	case refusal != "":
		return nil, fail("%s", refusal)
	}
	if _, err := size(source); err != nil {
		return nil, fail("%v", err)
	}
	return map[string]dbus.Variant{"manifest-hash": dbus.MakeVariant("x"),
		"update": dbus.MakeVariant(map[string]dbus.Variant{"compatible": dbus.MakeVariant(u.Compatible), "version": dbus.MakeVariant(u.Version)})}, nil
}

func (s *Service) install(source string, args map[string]dbus.Variant) *dbus.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return fail("Already processing a different method")
	}
	if len(args) > 0 {
		return fail("Unsupported key")
	}
	s.busy = true
	s.tell("Operation", "installing")
	go s.write(source) // ends with the install; the bus goes with the test
	return nil
}

// tell changes a property; on a bus that is gone it tells nobody.
func (s *Service) tell(property string, value any) {
	defer func() { _ = recover() }() // which is how the library says so
	s.props.SetMust(intf, property, value)
}

// write is an install.
func (s *Service) write(source string) {
	text, err := s.fetch(source)
	s.mu.Lock()
	s.read, s.busy = text, false
	s.mu.Unlock()
	code := int32(0)
	if err != nil {
		code = 1
		s.tell("LastError", err.Error())
	}
	s.tell("Operation", "idle")
	_ = s.conn.Emit(path, intf+".Completed", code)
}

// progress is RAUC's property of that name.
type progress struct {
	Percent int32
	Step    string
	Depth   int32
}

func (s *Service) fetch(source string) ([]byte, error) {
	total, err := size(source)
	if err != nil {
		return nil, err
	}
	var all []byte
	halted := false
	for at := int64(0); at < total; at += step {
		if at >= total/2 && !halted {
			halted = true
			s.mu.Lock()
			block, failure := s.block, s.failure
			s.mu.Unlock()
			if block != nil {
				<-block
			}
			if failure != "" {
				return all, errors.New(failure)
			}
		}
		part, err := read(source, at, min(step, total-at))
		if err != nil {
			return all, err
		}
		all = append(all, part...)
		s.tell("Progress", progress{int32(100 * at / total), "Copying image to rootfs.1", 3})
	}
	return all, nil
}

// size asks for the first bytes, as RAUC does.
func size(source string) (int64, error) {
	if !strings.HasPrefix(source, "http") {
		info, err := os.Stat(source)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	resp, err := get(source, 0, 4)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	whole, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes 0-3/")
	if resp.StatusCode == http.StatusOK {
		return 0, errors.New("range requests not supported by server")
	}
	if resp.StatusCode != http.StatusPartialContent || !ok {
		return 0, fmt.Errorf("unexpected HTTP error code %d", resp.StatusCode)
	}
	return strconv.ParseInt(whole, 10, 64)
}

// read reads a range, five times at most, as RAUC does.
func read(source string, at, n int64) (text []byte, err error) {
	if !strings.HasPrefix(source, "http") {
		f, err := os.Open(source)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.NewSectionReader(f, at, n))
	}
	for range 5 {
		var resp *http.Response
		if resp, err = get(source, at, n); err != nil {
			continue
		}
		text, err = io.ReadAll(resp.Body)
		err = errors.Join(err, resp.Body.Close())
		if err == nil && (resp.StatusCode != http.StatusPartialContent || int64(len(text)) != n) {
			err = fmt.Errorf("input/output error (status %d, %d of %d bytes)", resp.StatusCode, len(text), n)
		}
		if err == nil {
			return text, nil
		}
	}
	return nil, err
}

func get(source string, at, n int64) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+n-1))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &body{resp.Body, cancel}
	return resp, nil
}

// body ends the request's time with the body.
type body struct {
	io.ReadCloser
	cancel func()
}

func (b *body) Close() error { defer b.cancel(); return b.ReadCloser.Close() }

// row is one slot.
type row struct {
	Name string
	Dict map[string]dbus.Variant
}

func (s *Service) slots() ([]row, *dbus.Error) {
	one := func(name, boot, state string) row {
		return row{name, map[string]dbus.Variant{"class": dbus.MakeVariant("rootfs"), "device": dbus.MakeVariant("/dev/" + name), "bootname": dbus.MakeVariant(boot), "state": dbus.MakeVariant(state),
			"boot-status": dbus.MakeVariant("good"), "bundle.version": dbus.MakeVariant("20261101.1"), "status": dbus.MakeVariant("ok"), "size": dbus.MakeVariant(uint64(1))}}
	}
	return []row{one("rootfs.0", "A", "booted"), one("rootfs.1", "B", "inactive")}, nil
}

func (s *Service) primary() (string, *dbus.Error) { return "rootfs.0", nil }

func (s *Service) mark(state, which string) (string, string, *dbus.Error) {
	if state != "good" && state != "bad" && state != "active" {
		return "", "", fail("unknown subcommand %s", state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = append(s.marks, state+" "+which)
	return "rootfs.0", "marked slot rootfs.0 as " + state, nil
}
