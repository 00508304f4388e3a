//go:build acceptance

package broker_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/cloud/broker"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/identity/identitytest"
	"github.com/courtside-edge/courtside/sync/mqtt"
	"github.com/courtside-edge/courtside/sync/wire"
)

// mosquitto runs the real broker with the access list that MosquittoACL prints and the lines of mosquitto.conf
// that it names, and returns its address.
func mosquitto(t *testing.T, ca *identitytest.Authority, known ...identity.ID) string {
	t.Helper()
	binary, err := exec.LookPath("mosquitto")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			t.Fatal("install Debian's mosquitto: ", err)
		}
	}
	dir := t.TempDir()
	svid, err := ca.Issue(identitytest.RequestFor(ca.Broker(), time.Now(), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := identitytest.WriteFiles(dir, ca, svid); err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	if err := broker.MosquittoACL(&list, known...); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	conf := configuration(list.String())
	conf = strings.NewReplacer("listener 8883", "listener "+port+" 127.0.0.1", "/etc/mosquitto/", dir+"/").Replace(conf)
	conf += "user root\nlog_dest stderr\n" // it gives root away otherwise, and cannot read its key
	for name, content := range map[string]string{"courtside.acl": list.String(), "conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	cmd := exec.Command(binary, "-c", filepath.Join(dir, "conf"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("mosquitto.conf:\n%s\nmosquitto:\n%s", conf, log.String())
		}
	})
	addr := "127.0.0.1:" + port
	eventually(t, "mosquitto's start", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addr
}

// configuration takes mosquitto.conf out of the comments of the access list.
func configuration(list string) string {
	var conf strings.Builder
	inside := false
	for line := range strings.Lines(list) {
		setting, indented := strings.CutPrefix(line, "#   ")
		if strings.HasPrefix(line, "# mosquitto.conf:") {
			inside = true
		} else if inside && indented {
			setting, _, _ = strings.Cut(setting, " #") // mosquitto knows no comments behind a value
			conf.WriteString(strings.TrimSpace(setting) + "\n")
		} else if inside {
			break
		}
	}
	return conf.String()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// site is a real mosquitto with the access list of two gateways and a subscriber, the aggregator's connection to it, and one of gw-north.
type site struct {
	*testing.T
	ca           *identitytest.Authority
	addr         string
	north, south identity.ID
	wall         identity.ID // a subscriber
	cloud        *far
	gateway      *mqtt.Session     // of north
	acks         chan mqtt.Message // what gateway gets, but cloud/status, which everybody may read
}

func newSite(t *testing.T) *site {
	t.Helper()
	ca := identitytest.New(t, "courtside.test")
	s := &site{T: t, ca: ca, north: ca.Gateway(string(venue), string(north)), south: ca.Gateway(string(venue), string(south)),
		wall: ca.Subscriber(string(venue), "wall"), acks: make(chan mqtt.Message, 100)}
	s.addr = mosquitto(t, ca, s.north, s.south, s.wall, ca.Aggregator(), ca.Broker())
	s.cloud = reach(t, ca, "mqtts://"+s.addr)
	s.cloud.up(t, true)
	s.gateway = s.connected(s.north, mqtt.Options{Will: will("death"), OnMessage: func(m mqtt.Message) {
		if m.Topic != wire.CloudStatusTopic {
			s.acks <- m
		}
	}})
	return s
}

// will is one on gw-north's status.
func will(text string) *mqtt.Message {
	return &mqtt.Message{Topic: topic(north, wire.StatusCh), Payload: []byte(text), QoS: 1, Retained: true}
}

// dial connects under id, and under its client id unless o has another.
func (s *site) dial(id identity.ID, o mqtt.Options) (*mqtt.Session, error) {
	if o.ClientID == "" {
		o.ClientID = id.ClientID()
	}
	o.URL, o.TLS = "mqtts://"+s.addr, identitytest.Open(s, s.ca, id).ClientTLS(identity.Broker)
	session, err := mqtt.Dial(context.Background(), o)
	if err == nil {
		s.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func (s *site) connected(id identity.ID, o mqtt.Options) *mqtt.Session {
	s.Helper()
	session, err := s.dial(id, o)
	if err != nil {
		s.Fatal(err)
	}
	return session
}

// hears waits for the next message that the aggregator gets.
func (s *site) hears(what, payload string) {
	s.Helper()
	if m := wait(s.T, what, s.cloud.messages); string(m.Payload) != payload || m.Topic.Gateway != north {
		s.Errorf("the aggregator got %+v %s, want %s", m.Topic, m.Payload, payload)
	}
}

func TestI7AtMosquitto(t *testing.T) {
	s := newSite(t)
	got := make(chan mqtt.Message, 100)
	sub := s.connected(s.wall, mqtt.Options{OnMessage: func(m mqtt.Message) { got <- m }})
	if err := sub.Subscribe(context.Background(), "courtside/1/dal-001/#"); err != nil {
		t.Fatal(err)
	}
	// mosquitto grants a foreign subscription in words and delivers nothing; that is what counts.
	if err := s.gateway.Subscribe(context.Background(), topic(north, wire.AckCh)); err != nil {
		t.Fatal(err)
	}
	_ = s.gateway.Subscribe(context.Background(), topic(south, wire.AckCh), "#")
	for _, foreign := range foreignTopics() {
		_ = publish(t, s.gateway, mqtt.Message{Topic: foreign, Payload: []byte("forged"), QoS: 1, Retained: true})
	}
	for _, foreign := range []string{topic(north, wire.Live), topic(north, wire.AckCh), wire.StateTopic(venue, "x")} {
		_ = publish(t, sub, mqtt.Message{Topic: foreign, Payload: []byte("forged"), QoS: 1})
	}
	if err := publish(t, s.gateway, mqtt.Message{Topic: topic(north, wire.Live), Payload: []byte("own"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	s.hears("the own batch", "own")
	if m := wait(t, "the own batch", got); string(m.Payload) != "own" {
		t.Errorf("the subscriber got %s %s", m.Topic, m.Payload)
	}
	for _, g := range []identity.ID{s.south, s.north} { // the first must not reach gw-north
		if err := s.cloud.Publish(topic(g.Name, wire.AckCh), []byte("ack"), 1, false); err != nil {
			t.Fatal(err)
		}
	}
	if m := wait(t, "the ack", s.acks); m.Topic != topic(north, wire.AckCh) {
		t.Errorf("the gateway got %s %s", m.Topic, m.Payload)
	}
	if err := s.cloud.Publish(wire.StateTopic(venue, "occupancy"), []byte("state"), 0, true); err != nil {
		t.Fatal(err)
	}
	if m := wait(t, "the state, and no ack before", got); m.Topic != wire.StateTopic(venue, "occupancy") {
		t.Errorf("the subscriber got %s %s", m.Topic, m.Payload)
	}
}

// TestI7NoTakeoverAtMosquitto: another gateway's client id does not take its connection over: the user name stands in for it.
func TestI7NoTakeoverAtMosquitto(t *testing.T) {
	s := newSite(t)
	_, _ = s.dial(s.south, mqtt.Options{ClientID: s.north.CommonName()}) // refused, or let in under its own name
	if err := publish(t, s.gateway, mqtt.Message{Topic: topic(north, wire.Live), Payload: []byte("still here"), QoS: 1}); err != nil {
		t.Errorf("the gateway was pushed out: %v", err)
	}
	s.hears("the batch", "still here")
}

// TestI7WillsAtMosquitto: a foreign will is not announced, one's own is.
func TestI7WillsAtMosquitto(t *testing.T) {
	s := newSite(t)
	forger, err := s.dial(s.south, mqtt.Options{Will: will("forged")})
	if err == nil { // its will must not be announced when the next one takes its place
		s.connected(s.south, mqtt.Options{})
		wait(t, "the end of the forger", forger.Lost())
	}
	marker := s.connected(s.north, mqtt.Options{}) // ends the older connection, whose will is its own
	s.hears("the death", "death")
	if err := publish(t, marker, mqtt.Message{Topic: topic(north, wire.InvCh), Payload: []byte("marker"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	s.hears("the marker", "marker")
}

func TestMosquittoWantsAnSVID(t *testing.T) {
	ca, foreign := identitytest.New(t, "courtside.test"), identitytest.New(t, "elsewhere.test")
	addr := mosquitto(t, ca, ca.Gateway(string(venue), string(north)))
	config := identitytest.Open(t, foreign, foreign.Gateway(string(venue), string(north))).ClientTLS(identity.Broker)
	config.VerifyConnection = nil
	if s, err := mqtt.Dial(context.Background(), mqtt.Options{URL: "mqtts://" + addr, ClientID: "x", TLS: config}); err == nil {
		_ = s.Close()
		t.Error("a foreign SVID was let in")
	}
}

// TestMosquittoClientsAtTheEmbeddedBroker: people use mosquitto_sub with PEM files, and without a client id.
func TestMosquittoClientsAtTheEmbeddedBroker(t *testing.T) {
	binary, err := exec.LookPath("mosquitto_sub")
	if err != nil {
		t.Fatal("install Debian's mosquitto-clients: ", err)
	}
	h := build(t, nil)
	_, port, _ := net.SplitHostPort(h.broker.Addr().String())
	run := func(a *identitytest.Authority, id identity.ID, extra ...string) (string, error) {
		dir := t.TempDir()
		svid, err := a.Issue(identitytest.RequestFor(id, time.Now(), time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := identitytest.WriteFiles(dir, h.ca, svid); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-h", "localhost", "-p", port, "--cafile", filepath.Join(dir, identitytest.BundleFile), "-C", "1", "-W", "5"}, extra...)
		if len(extra) == 0 || extra[0] != "--anonymous" {
			args = append(args, "--cert", filepath.Join(dir, identitytest.CertFile), "--key", filepath.Join(dir, identitytest.KeyFile))
		} else {
			args = append(args[:len(args)-len(extra)], extra[1:]...)
		}
		out, err := exec.Command(binary, args...).CombinedOutput()
		return string(out), err
	}
	want := func(ok bool, what, out string, err error) {
		t.Helper()
		if (err == nil && strings.Contains(out, "born")) != ok {
			t.Errorf("%s: %v %s", what, err, out)
		}
	}
	foreign := identitytest.New(t, "elsewhere.test")
	out, err := run(h.ca, h.wall(), "-t", wire.CloudStatusTopic)
	want(true, "a subscriber", out, err)
	out, err = run(h.ca, h.wall(), "-t", wire.CloudStatusTopic, "-i", fmt.Sprintf("%s:a", h.wall().ClientID()))
	want(true, "a subscriber with its client id", out, err)
	out, err = run(h.ca, h.wall(), "-t", "#")
	want(false, "a subscriber that wants everything", out, err)
	out, err = run(h.ca, h.north(), "-t", wire.CloudStatusTopic)
	want(false, "a gateway without its client id", out, err)
	out, err = run(foreign, foreign.Subscriber(string(venue), "wall"), "-t", wire.CloudStatusTopic)
	want(false, "a foreign SVID", out, err)
	out, err = run(h.ca, h.wall(), "--anonymous", "-t", wire.CloudStatusTopic)
	want(false, "no SVID", out, err)
}
