package enrol

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

func TestAGatewayEnrolsAndRenews(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, "no join token") || !strings.Contains(s.Next, "aggregator token create dal-001/gw-north") {
		t.Errorf("without a token: %+v", s)
	}
	g.put(cloud.token(nil) + "\n")
	if s := g.round(); !s.Enrolled || s.Cause != "" || s.Address != cloud.address {
		t.Fatalf("%+v", s)
	}
	g.inUse()
	if id, err := g.source.ID(); err != nil || id != own {
		t.Errorf("%v, %v", id, err)
	}
	for range 3 { // nothing is due
		g.round()
	}
	if err := os.Remove(g.tokenFile); err != nil {
		t.Fatal(err)
	}
	if s := g.round(); s.Cause != "" {
		t.Errorf("the token is needed no more, but: %s", s)
	}
	g.boot() // nor after a start
	g.inUse()
	if s := g.round(); s.Cause != "" || !s.Enrolled {
		t.Errorf("after a start: %s", s)
	}
	if e, r := cloud.asked(); e != 1 || r != 0 {
		t.Fatalf("asked %d and %d times", e, r)
	}
	first, end := g.source.Life()
	g.clock = identity.Clock{Now: func() time.Time { return first.Add(end.Sub(first)/2 + time.Minute) }}
	g.boot()
	g.inUse()
	cloud.mu.Lock()
	cloud.life = 3 * time.Hour // so that the next is not due at that time
	cloud.mu.Unlock()
	if s := g.round(); s.Cause != "" {
		t.Errorf("%s", s)
	}
	g.inUse()
	g.round()
	if e, r := cloud.asked(); e != 1 || r != 1 {
		t.Errorf("asked %d and %d times", e, r)
	}
	if now, _ := g.source.Life(); now.Before(first) || cloud.keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(cloud.keys[1]) {
		t.Error("it was not renewed with a new key")
	}
	for _, name := range []string{g.dir, filepath.Join(g.dir, svidFile), filepath.Join(g.dir, bundleFile)} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Stat(filepath.Join(g.dir, pendingFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key of the enrolment is still there: %v", err)
	}
}

// TestAnotherTokenEnrolsAgain while the SVID before stays in use.
func TestAnotherTokenEnrolsAgain(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	g.round()
	g.inUse()
	before, _ := g.e.files.held()
	cloud.refuses(join.LapsedToken)
	g.put(cloud.token(nil))
	if s := g.round(); !s.Enrolled || s.Token != before.Token || !strings.Contains(s.Cause, "lapsed-token") || !strings.Contains(s.Next, "token create") {
		t.Errorf("%+v", s)
	}
	if _, err := g.source.ID(); err != nil {
		t.Error(err)
	}
	cloud.says(nil)
	if s := g.round(); s.Token == before.Token || s.Cause != "" {
		t.Errorf("%+v", s)
	}
	g.inUse()
}

func TestTokensThatAskNobody(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	for name, c := range map[string]struct{ text, want string }{
		"empty":                {"", "no join token"},
		"garbled":              {"courtside-join-1.xx", "slip"},
		"too long":             {strings.Repeat("x", 1<<20), "more than"},
		"another gateway's":    {cloud.token(func(k *join.Token) { k.Gateway = "gw-south" }), "dal-001/gw-south"},
		"another trust domain": {cloud.token(func(k *join.Token) { k.TrustDomain = "elsewhere.test" }), "elsewhere.test"},
	} {
		g.put(c.text)
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, c.want) || s.Next == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if e, _ := cloud.asked(); e != 0 {
		t.Errorf("the aggregator was asked %d times", e)
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	for reason, want := range map[join.Reason]string{join.UsedToken: "another device", join.Superseded: "another device", join.NotGranted: "configuration",
		join.UnknownToken: "token create", join.RevokedToken: "token create", join.Failed: "aggregator's log"} {
		cloud.refuses(reason)
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, string(reason)) || !strings.Contains(s.Next, want) {
			t.Errorf("%s: %+v", reason, s)
		}
	}
	if !errors.As(g.e.joining.err, new(*refused)) || g.e.joining.failures != 6 {
		t.Errorf("%d failures, %v", g.e.joining.failures, g.e.joining.err)
	}
	cloud.says(nil)
	if s := g.round(); !s.Enrolled {
		t.Errorf("%+v", s)
	}
}

// TestWhoIsAskedIsKnown: the secret goes to nobody else.
func TestWhoIsAskedIsKnown(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	other := authority(t)
	g.put(cloud.token(func(k *join.Token) { k.Authority = other.Hash() }))
	if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, "authority") || !strings.Contains(s.Next, "not the aggregator that the token names") {
		t.Errorf("%+v", s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	g.put(cloud.token(func(k *join.Token) { k.Address = l.Addr().String() }))
	if s := g.round(); s.Enrolled || !strings.Contains(s.Next, l.Addr().String()) {
		t.Errorf("nobody listens: %+v", s)
	}
	if e, _ := cloud.asked(); e != 0 {
		t.Error("the secret was sent")
	}
}

func TestAnswersThatAreNotUsed(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	write := func(a join.Answer) func(http.ResponseWriter, join.Answer) {
		return func(w http.ResponseWriter, _ join.Answer) { _ = json.NewEncoder(w).Encode(a) }
	}
	issue := func(a *identity.Authority, id identity.ID) join.Answer {
		key, err := newKey()
		if err != nil {
			t.Fatal(err)
		}
		der, err := a.Issue(id, key.Public(), time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return join.Answer{SVID: [][]byte{der}, Bundle: cloud.authority.Bundle(), Address: cloud.address}
	}
	south := own
	south.Name = "gw-south"
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, join.Answer)
		want   string
	}{
		"another key":       {write(issue(cloud.authority, own)), "another key"},
		"another gateway":   {write(issue(cloud.authority, south)), "gw-south"},
		"another authority": {write(issue(authority(t), own)), "not used"},
		"nothing":           {write(join.Answer{}), "not used"},
		"rubbish":           {func(w http.ResponseWriter, _ join.Answer) { fmt.Fprint(w, "rubbish") }, "reading"},
		"endless":           {func(w http.ResponseWriter, _ join.Answer) { fmt.Fprint(w, strings.Repeat(" ", 1<<20)) }, "more than"},
		"elsewhere": {func(w http.ResponseWriter, _ join.Answer) {
			w.Header().Set("Location", "https://elsewhere.test/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "307"},
		"a page": {func(w http.ResponseWriter, _ join.Answer) { http.Error(w, "<html>", http.StatusBadGateway) }, "502"},
	} {
		cloud.says(c.answer)
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, c.want) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	cloud.says(func(w http.ResponseWriter, a join.Answer) { // a strange address is passed over
		a.Address = "not an address"
		_ = json.NewEncoder(w).Encode(a)
	})
	if s := g.round(); !s.Enrolled || s.Address != cloud.address {
		t.Errorf("%+v", s)
	}
	for i := 1; i < len(cloud.keys); i++ {
		if !cloud.keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(cloud.keys[i]) {
			t.Errorf("request %d has another key: the token would be refused", i)
		}
	}
}

// TestRunEnds while a server never answers.
func TestRunEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(func(k *join.Token) { k.Address = l.Addr().String() }))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); g.e.Run(ctx) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Run did not end")
	}
}
