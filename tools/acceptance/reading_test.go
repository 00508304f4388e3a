//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestWholePath runs the main job with everything that reads it looking on: mosquitto_sub, REST and Chromium.
func TestWholePath(t *testing.T) {
	d := startDemo(t, "-seconds", "60", "-speed", "120")
	subscribe(t, d)
	d.waitForCrowd(15500)
	lookAtPage(t, d)
	for path, want := range map[string]string{"/readyz": "ready", "/openapi.json": `"openapi":"3.1`, "/v1/venues/dal-001/heatmaps/occupancy": `"layer":"occupancy"`,
		"/metrics": `arena_metrics_event_rate_total{arena="dal-001"}`} {
		if body, err := d.get(path); err != nil || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s: %v, no %s", path, err, want)
		}
	}
	if body, err := d.get("/metrics"); err != nil || !regexp.MustCompile(`heatmap_update_latency_seconds_count\{arena="dal-001"\} [1-9]`).Match(body) {
		t.Errorf("no latency was measured: %v", err)
	}
	raw, err := d.get("/v1/venues/dal-001/heatmaps/occupancy?format=png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
		t.Errorf("the heatmap's picture: %v", err)
	}
	d.verdict()
}

// mosquittoSub runs mosquitto_sub as an identity, "" for none, for a few seconds.
func mosquittoSub(d *demo, as string, count int, topic string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(d.Endpoints.Broker)
	if err != nil {
		return "", err
	}
	ca := filepath.Join(d.Endpoints.Identities, "aggregator", "bundle.pem")
	args := []string{"-V", "mqttv311", "-h", host, "-p", port, "--cafile", ca, "--insecure", "--tls-version", "tlsv1.3", "-q", "1", "-t", topic, "-C", strconv.Itoa(count), "-W", "15", "-F", "%t %l"}
	if as != "" {
		dir := filepath.Join(d.Endpoints.Identities, as)
		id := "dal-001:" + as
		if as == "dashboard" {
			id = "dal-001:sub:dashboard"
		}
		args = append(args, "--cert", filepath.Join(dir, "svid.pem"), "--key", filepath.Join(dir, "svid.key"), "-i", id)
	}
	out, err := exec.CommandContext(ctx, "mosquitto_sub", args...).CombinedOutput()
	return string(out), err
}

// subscribe proves who may read what over MQTT.
func subscribe(t *testing.T, d *demo) {
	t.Helper()
	out, err := mosquittoSub(d, "dashboard", 3, "courtside/1/dal-001/state/+")
	for _, want := range []string{"state/occupancy", "state/gates", "state/panels"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("a subscriber with an SVID: %v, no %s in:\n%s", err, want, out)
		}
	}
	if out, err := mosquittoSub(d, "dashboard", 2, "courtside/1/dal-001/gw/+/live"); err != nil || !strings.Contains(out, "/live ") {
		t.Errorf("live batches: %v:\n%s", err, out)
	}
	if out, err := mosquittoSub(d, "", 1, "courtside/1/dal-001/state/+"); err == nil || strings.Contains(out, "/state/") {
		t.Errorf("without an SVID it read:\n%s", out)
	}
	if out, _ := mosquittoSub(d, "dashboard", 1, "courtside/1/dal-001/gw/gw-north/ack"); strings.Contains(out, "/ack ") || !strings.Contains(out, "denied") && !strings.Contains(out, "Timed out") {
		t.Errorf("a subscriber read a gateway's acks:\n%s", out)
	}
}

// TestAnotherGatewaysTopicsAreClosed subscribes as one gateway to what belongs to the other.
func TestAnotherGatewaysTopicsAreClosed(t *testing.T) {
	d := startDemo(t, "-speed", "60")
	for _, topic := range []string{"courtside/1/dal-001/gw/gw-south/live", "courtside/1/dal-001/gw/gw-south/ack", "courtside/1/dal-001/state/+"} {
		out, _ := mosquittoSub(d, "gw-north", 1, topic) // its exit code is 0 when a subscription is denied
		if strings.Contains(out, "courtside/1/dal-001/") || !strings.Contains(out, "denied") && !strings.Contains(out, "refused") && !strings.Contains(out, "lost") {
			t.Errorf("gw-north was not refused %s:\n%s", topic, out)
		}
	}
}

// lookAtPage opens the page in Chromium, asserts on what it shows and keeps a picture of it.
func lookAtPage(t *testing.T, d *demo) {
	t.Helper()
	profile, err := os.MkdirTemp("", "cs-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(profile)
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.UserDataDir(profile), chromedp.WindowSize(1600, 1000),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	defer stop()
	page, end := chromedp.NewContext(alloc)
	defer end()
	if err := chromedp.Do(page, chromedp.Navigate("http://"+d.Endpoints.API+"/")); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	ctx, cancel := context.WithTimeout(page, 90*time.Second)
	defer cancel()
	see(t, ctx, chromedp.Poll[bool](`document.getElementById("link").dataset.state === "live" && Number(document.getElementById("occupied").textContent.replaceAll(",", "")) > 500`,
		chromedp.WithPollingTimeout(40*time.Second)))
	see(t, ctx, chromedp.Sleep(3*time.Second))
	text := func(id string) string {
		return see(t, ctx, chromedp.Evaluate[string](`document.getElementById("`+id+`").innerText`))
	}
	occupied, link, gates, gateways := text("occupied"), text("link"), text("gates"), text("gateways")
	drawn := see(t, ctx, chromedp.Evaluate[float64](countOccupiedPixels))
	picture := see(t, ctx, chromedp.FullScreenshot(100))
	see(t, ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)))
	see(t, ctx, chromedp.Sleep(time.Second))
	phone := see(t, ctx, chromedp.FullScreenshot(100))
	n, err := strconv.Atoi(strings.ReplaceAll(occupied, ",", ""))
	if err != nil || n < 500 || link != "live" {
		t.Errorf("the page says %q seated and is %q", occupied, link)
	}
	if drawn < 1000 {
		t.Errorf("only %.0f pixels have the colour of a taken seat", drawn)
	}
	if !strings.Contains(gates, "Gate") || !strings.Contains(gateways, "gw-north") || !strings.Contains(gateways, "gw-south") {
		t.Errorf("gates %q, gateways %q", gates, gateways)
	}
	keep(t, "page.png", picture)
	keep(t, "phone.png", phone)
}

// see runs one action in the page and ends the test if it fails.
func see[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return v
}

// countOccupiedPixels counts the pixels of the bowl that have the colour of an occupied seat in the browser's scheme.
const countOccupiedPixels = `(() => { const c = document.getElementById("map"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let n = 0;
const hex = getComputedStyle(document.documentElement).getPropertyValue("--occupied").trim(), want = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
for (let i = 0; i < d.length; i += 4) if (want.every((v, k) => Math.abs(d[i + k] - v) < 12)) n++; return n; })()`

// keep writes a picture below tmp/acceptance for people to look at.
func keep(t *testing.T, name string, picture []byte) {
	t.Helper()
	dir := filepath.Join(root, "tmp", "acceptance")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Println("picture:", filepath.Join(dir, name))
}
