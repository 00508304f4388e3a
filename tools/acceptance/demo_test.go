//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// root is the repository as seen from this package.
const root = "../.."

// lockedBuffer collects a program's output.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// demo is one run of bin/demo.
type demo struct {
	t         *testing.T
	dir       string
	cmd       *exec.Cmd
	out       lockedBuffer
	done      chan error
	Endpoints struct{ API, Broker, Truth, Identities string }
}

// startDemo starts a demo and waits until all of its programs run.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	dir, err := os.MkdirTemp("", "cs-") // short: Unix sockets lie below it
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{t: t, dir: dir, done: make(chan error, 1)}
	d.cmd = exec.Command(filepath.Join(root, "bin", "demo"), append([]string{"-bin", filepath.Join(root, "bin"), "-plain", "-keep", dir, "-api", "127.0.0.1:0"}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.done <- d.cmd.Wait() }()
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-d.done:
		case <-time.After(30 * time.Second):
			_ = d.cmd.Process.Kill()
		}
		if t.Failed() {
			d.tails()
			t.Logf("demo said:\n%s", d.out.String()) // last: it names the reason
		}
		_ = os.RemoveAll(dir)
	})
	d.eventually(60*time.Second, "all programs run", func() error {
		raw, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &d.Endpoints)
	})
	return d
}

// tails shows the ends of the programs' logs.
func (d *demo) tails() {
	logs, _ := filepath.Glob(filepath.Join(d.dir, "*.log"))
	for _, l := range logs {
		raw, err := os.ReadFile(l)
		if err != nil {
			continue
		}
		d.t.Logf("%s:\n%s", filepath.Base(l), raw[max(0, len(raw)-3000):])
	}
}

// eventually asks until ask returns nil. It ends early when the demo does.
func (d *demo) eventually(patience time.Duration, what string, ask func() error) {
	d.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
		select {
		case end := <-d.done:
			d.done <- end
			d.t.Fatalf("waiting until %s: the demo ended: %v (%v)", what, end, err)
		default:
		}
	}
	d.t.Fatalf("not after %v: %s: %v", patience, what, err)
}

// verdict waits for the demo's end and wants its numbers to be equal.
func (d *demo) verdict() {
	d.t.Helper()
	select {
	case err := <-d.done:
		d.done <- err
		if err != nil {
			d.t.Fatalf("the demo ended with %v", err)
		}
	case <-time.After(5 * time.Minute):
		d.t.Fatal("the demo did not end within five minutes")
	}
	out := d.out.String()
	if !strings.Contains(out, "verdict: equal") {
		d.t.Fatal("there was no verdict")
	}
	d.t.Log(out[strings.Index(out, "truth      cloud")-23:])
}

func (d *demo) get(path string) ([]byte, error) {
	resp, err := http.Get("http://" + d.Endpoints.API + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.200s", path, resp.Status, body)
	}
	return body, err
}

// waitForCrowd waits until the cloud shows people seated.
func (d *demo) waitForCrowd(least int) {
	d.t.Helper()
	d.eventually(2*time.Minute, fmt.Sprintf("%d seats are taken", least), func() error {
		var s struct{ Occupied int }
		raw, err := d.get("/v1/venues/dal-001")
		if err == nil {
			err = json.Unmarshal(raw, &s)
		}
		if err == nil && s.Occupied < least {
			err = fmt.Errorf("%d are", s.Occupied)
		}
		return err
	})
}

func TestAggregatorKilledHalfway(t *testing.T) {
	d := startDemo(t, "-seconds", "60", "-speed", "120", "-seed", "3", "-kill-at", "0.4")
	d.verdict()
	if !strings.Contains(d.out.String(), "SIGKILL") {
		t.Error("the aggregator was not killed; the test proved nothing")
	}
}

func TestOverMosquitto(t *testing.T) {
	d := startDemo(t, "-seconds", "60", "-speed", "120", "-seed", "4", "-mosquitto", "/usr/sbin/mosquitto")
	subscribe(t, d)
	d.verdict()
}

func TestArmGatewaysUnderQemu(t *testing.T) {
	bin, err := os.MkdirTemp("", "cs-bin-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(bin)
	for name, from := range map[string]string{"aggregator": "bin/aggregator", "gateway": "bin/linux-armv7/gateway"} {
		abs, err := filepath.Abs(filepath.Join(root, from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(abs, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	d := startDemo(t, "-seconds", "90", "-speed", "60", "-seed", "5", "-bin", bin, "-gateway-runner", "/usr/bin/qemu-arm-static")
	d.eventually(60*time.Second, "the gateways say that they run on ARM", func() error {
		raw, err := d.get("/v1/gateways")
		if err == nil && strings.Count(string(raw), "linux/arm") != 2 {
			err = fmt.Errorf("they say %.300s", raw)
		}
		return err
	})
	d.verdict()
}

func TestInterruptLeavesNothingRunning(t *testing.T) {
	d := startDemo(t, "-speed", "60")
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := <-d.done
	d.done <- err
	if err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "pgrep", "-af", d.dir).Output() // nothing found is an error too
	if len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("still running:\n%s", out)
	}
}
