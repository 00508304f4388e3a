package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/log"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/cloud/venue/venuetest"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/wire"
)

// run runs the program and returns what it wrote.
func run(args ...string) (string, error) {
	var out bytes.Buffer
	c := root()
	c.SetArgs(args)
	c.SetOut(&out)
	err := c.ExecuteContext(context.Background())
	return out.String(), err
}

// serve serves a venue with two frames that are set aside: one of a device that is granted since, and one that is no frame.
func serve(t *testing.T) (addr string, v *venue.Venue) {
	t.Helper()
	r := venuetest.New(t)
	r.V = r.NewVenue(venuetest.Map(t), []point.ID{"plc-gates"})
	r.DeliverTable()
	r.Deliver(log.Batch, r.Frame(point.BatchID{Epoch: point.Epoch{7}, Lane: point.Telemetry}, wire.Batch{Samples: []point.Sample{{Index: 2, Time: int64(55 * time.Minute), Bits: 1}}}))
	r.Deliver(log.Batch, []byte("hello"))
	var state bytes.Buffer
	if _, _, err := r.V.Save(&state); err != nil {
		t.Fatal(err)
	}
	v, err := venue.Load(r.Options(venuetest.Map(t), venuetest.Devices()), state.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(api.New(api.Options{Houses: []api.House{{Venue: v}}}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), v
}

func TestFramesListShowReprocess(t *testing.T) {
	addr, v := serve(t)
	out, err := run("frames", "list", "--api", addr)
	if err != nil || !strings.Contains(out, "device-not-granted") || !strings.Contains(out, "truncated") && !strings.Contains(out, "not-frame") {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"1 of gw-north: device-not-granted: ", "next  add the device to this gateway in the aggregator's configuration"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	offset := fmt.Sprint(v.SetAside()[0].Offset)
	if out, err = run("frames", "show", offset, "--api", addr); err != nil || !strings.Contains(out, "plc-seats/seat/101/a/3 = true") || !strings.Contains(out, "51 2a 4d 18") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run("frames", "reprocess", "--all", "--api", addr)
	if err == nil || !strings.Contains(err.Error(), "1 of 2") || !strings.Contains(out, offset+": applied") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, seats := v.Seats(); seats[2].State != venue.Occupied {
		t.Errorf("the seat is %v after its frame was tried again", seats[2].State)
	}
	if n := len(v.SetAside()); n != 1 {
		t.Errorf("%d frames are still set aside, want 1", n)
	}
}

func TestFramesRefusals(t *testing.T) {
	addr, _ := serve(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"show", "x", "--api", addr}, "not an offset"},
		{[]string{"show", "99", "--api", addr}, "no frame is set aside"},
		{[]string{"list", "--api", addr, "--venue", "nowhere"}, "there is no venue"},
		{[]string{"reprocess", "--api", addr}, "--all"},
		{[]string{"reprocess", "1", "--all", "--api", addr}, "--all"},
		{[]string{"list", "--api", "127.0.0.1:1"}, "has to run"},
		{[]string{"list", "-c", "/nowhere/aggregator.yaml"}, "--api"},
	} {
		if _, err := run(append([]string{"frames"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v; the error should say %q", c.args, err, c.want)
		}
	}
}

func TestLocalAddress(t *testing.T) {
	for listen, want := range map[string]string{"127.0.0.1:8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "0.0.0.0:8080": "127.0.0.1:8080", "[::]:8080": "127.0.0.1:8080", "10.0.0.1:80": "10.0.0.1:80"} {
		if got := local(listen); got != want {
			t.Errorf("%s is asked at %s, want %s", listen, got, want)
		}
	}
}
