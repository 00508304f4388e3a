package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// startMosquitto runs a real mosquitto as the broker, with the access list that the aggregator prints for it.
func (s *site) startMosquitto(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.broker)
	if err != nil {
		return err
	}
	acl, err := exec.CommandContext(ctx, filepath.Join(s.options.bin, "aggregator"), "acl", "mosquitto",
		"--config", s.files.Aggregator, "--subscriber", "dal-001/dashboard").Output()
	if err != nil {
		return fmt.Errorf("aggregator acl mosquitto: %w", err)
	}
	dir := filepath.Join(s.dir, "mosquitto")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ca := filepath.Join(s.dir, "ca", "broker")
	conf := fmt.Sprintf(`per_listener_settings false
allow_anonymous false
acl_file %s/courtside.acl
message_size_limit 1052672
max_keepalive 300
persistence false
log_type error
log_type warning
user root
listener %s 127.0.0.1
protocol mqtt
tls_version tlsv1.3
cafile %s/bundle.pem
certfile %s/svid.pem
keyfile %s/svid.key
require_certificate true
use_identity_as_username true
use_username_as_clientid true
`, dir, port, ca, ca, ca)
	if err := os.WriteFile(filepath.Join(dir, "courtside.acl"), bytes.TrimSpace(acl), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "mosquitto.conf"), []byte(conf), 0o600); err != nil {
		return err
	}
	p := s.program("mosquitto", s.options.mosquitto, "-c", filepath.Join(dir, "mosquitto.conf"))
	if err := p.Start(); err != nil {
		return err
	}
	return s.waitListening(ctx)
}

// waitListening waits until the broker accepts connections.
func (s *site) waitListening(ctx context.Context) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		conn, err := net.DialTimeout("tcp", s.broker, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.failed:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("mosquitto does not listen on %s after 20 s; see %s", s.broker, filepath.Join(s.dir, "mosquitto.log"))
}
