package enrol

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

// TestAWrongClockIsNamed as what is wrong, and not the server.
func TestAWrongClockIsNamed(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.clock = identity.Clock{Now: func() time.Time { return time.Now().Add(72 * time.Hour) }}
	g.boot()
	g.put(cloud.token(nil))
	if s := g.round(); s.Enrolled || !strings.Contains(s.Next, "clock") {
		t.Errorf("%+v", s)
	}
}

var errCut = errors.New("power was cut")

// cut makes the n-th write fail, before or after it happened, and all later ones.
func (d *device) cut(n int, after bool) {
	writes := 0
	d.e.files.write = func(path string, content []byte) error {
		if writes++; writes < n || writes == n && after {
			if err := identity.WriteFile(path, content); err != nil {
				return err
			}
		}
		if writes >= n {
			return errCut
		}
		return nil
	}
}

// TestPowerIsCutAtEachWrite of an enrolment and of a renewal: the gateway always gets there with the key that the token knows, or renews again.
func TestPowerIsCutAtEachWrite(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, after := range []bool{false, true} {
			cloud, g := newDesk(t), newDevice(t)
			g.put(cloud.token(nil))
			g.cut(n, after)
			if s := g.round(); !strings.Contains(s.Cause, errCut.Error()) {
				t.Fatalf("write %d, %v: %+v", n, after, s)
			}
			if e, _ := cloud.asked(); (e == 0) != (n == 1) {
				t.Errorf("write %d, %v: asked %d times", n, after, e)
			}
			g.boot()
			if s := g.round(); !s.Enrolled || s.Cause != "" {
				t.Fatalf("write %d, %v: %+v", n, after, s)
			}
			g.inUse()
			for _, key := range cloud.keys[1:] {
				if !cloud.keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(key) {
					t.Errorf("write %d, %v: the token was used with two keys", n, after)
				}
			}
		}
	}
	for n := 1; n <= 2; n++ {
		for _, after := range []bool{false, true} {
			cloud, g := newDesk(t), newDevice(t)
			g.put(cloud.token(nil))
			g.round()
			g.inUse()
			_, end := g.source.Life()
			g.clock = identity.Clock{Now: func() time.Time { return end.Add(-time.Minute) }}
			cloud.life = 24 * time.Hour
			g.boot()
			g.inUse()
			g.cut(n, after)
			g.round()
			g.boot()
			g.inUse() // the old one or the new one
			if s := g.round(); s.Cause != "" {
				t.Errorf("renewal, write %d, %v: %+v", n, after, s)
			}
			g.inUse()
			if _, now := g.source.Life(); !now.After(end) {
				t.Errorf("renewal, write %d, %v: it was not renewed", n, after)
			}
		}
	}
}

// TestAGatewayThatWasOffRenews with an SVID that has expired.
func TestAGatewayThatWasOffRenews(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	g.put(cloud.token(nil))
	g.round()
	g.inUse()
	_, end := g.source.Life()
	g.clock = identity.Clock{Now: func() time.Time { return end.Add(2 * time.Hour) }}
	g.boot()
	g.inUse()
	cloud.refuses(join.LapsedSVID)
	if s := g.round(); !s.Enrolled || !strings.Contains(s.Next, "token create") {
		t.Errorf("%+v", s)
	}
	cloud.says(nil)
	cloud.life = 24 * time.Hour
	if s := g.round(); s.Cause != "" {
		t.Errorf("%+v", s)
	}
	if _, r := cloud.asked(); r != 2 || !cloud.renewed[1].NotAfter.Equal(end) {
		t.Errorf("%d renewals", r)
	}
}

// TestClocks says when a renewal is due.
func TestClocks(t *testing.T) {
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &held{begin: begin, end: begin.Add(24 * time.Hour)}
	at := func(now time.Time, trusted bool) identity.Clock {
		return identity.Clock{Now: func() time.Time { return now }, Synchronised: func() bool { return trusted }}
	}
	long := time.Now().Add(-3 * time.Hour)
	for name, c := range map[string]struct {
		clock identity.Clock
		since time.Time // when it was first seen
		fresh bool
		due   bool
	}{
		"young":                                {at(begin.Add(11*time.Hour), true), long, false, false},
		"past its half":                        {at(begin.Add(13*time.Hour), true), long, false, true},
		"expired":                              {at(begin.Add(1000*time.Hour), true), long, false, true},
		"not valid yet, and the clock is sure": {at(begin.Add(-time.Hour), true), long, false, true},
		"unset clock, just started":            {at(time.Unix(0, 0), false), time.Now(), false, false},
		"unset clock, for two minutes":         {at(time.Unix(0, 0), false), time.Now().Add(-undated), false, true},
		"unset clock, issued since":            {at(time.Unix(0, 0), false), long, true, false},
		"unset clock, issued long since":       {at(time.Unix(0, 0), false), time.Now().Add(-12 * time.Hour), true, true},
	} {
		e := &Enrolment{o: Options{Clock: c.clock}, since: c.since, seen: h.end, fresh: c.fresh}
		if got := e.renewalDue(h); got != c.due {
			t.Errorf("%s: due %v", name, got)
		}
	}
}

// TestAWrongClockDoesNotWearTheFlash: an SVID that seems expired as it comes is not renewed at once again.
func TestAWrongClockDoesNotWearTheFlash(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	ahead := 5 * time.Minute // the server's SVID is still good then, the gateway's own is not
	cloud.life = 4 * time.Minute
	g.clock = identity.Clock{Now: func() time.Time { return time.Now().Add(ahead) }}
	g.boot()
	g.put(cloud.token(nil))
	for range 5 {
		g.e.round(t.Context())
	}
	if e, r := cloud.asked(); e != 1 || r != 0 {
		t.Errorf("asked %d and %d times", e, r)
	}
	if wait := time.Until(g.e.renewing.next); wait < 30*time.Second {
		t.Errorf("it is renewed again in %s", wait)
	}
}

// TestAFileThatIsGarbled is told, and a token enrols anew.
func TestAFileThatIsGarbled(t *testing.T) {
	cloud, g := newDesk(t), newDevice(t)
	svid, _ := Files(g.dir)
	for name, text := range map[string][]byte{"rubbish": []byte("rubbish"), "no record": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), "huge": bytes.Repeat([]byte("x"), maxFileBytes+1)} {
		if err := os.WriteFile(svid, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if s := g.round(); s.Enrolled || !strings.Contains(s.Cause, svidFile) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for _, name := range []string{pendingFile} {
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.put(cloud.token(nil))
	if s := g.round(); !s.Enrolled || s.Cause != "" {
		t.Errorf("%+v", s)
	}
}

// FuzzHeld reads whatever a disk gives back.
func FuzzHeld(f *testing.F) {
	f.Add([]byte("rubbish"))
	f.Add(record{Token: "ab", Address: "a:1"}.pem())
	f.Add(append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}), record{}.pem()...))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, svidFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := (files{dir: dir}).held(); (h == nil) == (err == nil) && len(content) > 0 {
			t.Fatalf("%+v, %v", h, err)
		}
	})
}
