package gateway_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/gateway"
	"github.com/courtside-edge/courtside/sync/clock"
	"github.com/courtside-edge/courtside/sync/notify"
)

// A healthy gateway's parts answer, look after look; a status that stands somewhere on its way leaves the watchdog without an answer.
func TestAStatusThatHangsIsNoAnswer(t *testing.T) {
	r := newRig(t, t.TempDir())
	cfg, err := config.Load(r.file, r.drivers)
	if err != nil {
		t.Fatal(err)
	}
	var hung atomic.Bool
	host, err := clock.OpenHost()
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	g, err := gateway.Start(context.Background(), cfg, gateway.Deps{Version: "test", Log: r.log, Dial: r.c.dial, Clocks: func() clock.Reading {
		if hung.Load() {
			<-release
		}
		return host.Read()
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.sees()
	var status *notify.Part
	parts := g.Parts()
	for range 3 {
		for i, p := range parts {
			if err := p.Alive(t.Context()); err != nil {
				t.Errorf("%s of a healthy gateway: %v", p.Name, err)
			}
			if p.Name == "status" {
				status = &parts[i]
			}
		}
	}
	eventually(t, func() string {
		if s := g.Summary(); s != "g of v: 1 of 1 devices answer, link up, 0 batches wait" {
			return s
		}
		return ""
	})
	hung.Store(true)
	answered := make(chan error, 1)
	go func() { answered <- status.Alive(t.Context()) }()
	eventually(t, func() string { // the question is on its way
		all := make([]byte, 4<<20)
		if !strings.Contains(string(all[:runtime.Stack(all, true)]), "gateway.(*Gateway).Status(") {
			return "nobody asks for the status"
		}
		return ""
	})
	select {
	case err := <-answered:
		t.Errorf("a status was given without a clock: %v", err)
	default:
	}
	hung.Store(false)
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("after the hang: %v", err)
	}
	r.close(g)
}
