package opcua

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/courtside-edge/courtside/drivers"
)

// What options are when they are not given.
const (
	defaultTimeout   = 5 * time.Second
	defaultItems     = 500
	defaultKeepAlive = 10
	defaultQueue     = 10
	defaultResync    = time.Minute
)

// Bounds of options. What lies outside is refused in Prepare.
const (
	minTimeout, maxTimeout   = 10 * time.Millisecond, time.Minute
	minInterval, maxInterval = 10 * time.Millisecond, time.Hour
	maxItems                 = 10_000
	maxKeepAlive             = 1000
	maxQueue                 = 10_000
	minResync                = 100 * time.Millisecond
)

// The ways of getting values.
const (
	modeSubscribe = "subscribe"
	modePoll      = "poll"
)

// options are the "options" of a device, see the package's documentation.
type options struct {
	Endpoint         string        `yaml:"endpoint"`
	Security         security      `yaml:"security"`
	Login            login         `yaml:"login"`
	Timeout          time.Duration `yaml:"timeout"`
	Mode             string        `yaml:"mode"`
	PublishInterval  time.Duration `yaml:"publish_interval"`
	SamplingInterval time.Duration `yaml:"sampling_interval"`
	KeepAliveCount   uint32        `yaml:"keep_alive_count"`
	QueueSize        uint32        `yaml:"queue_size"`
	Resync           time.Duration `yaml:"resync"`
	MaxItemsPerCall  int           `yaml:"max_items_per_call"`
}

type security struct {
	Policy         string `yaml:"policy"`
	Mode           string `yaml:"mode"`
	ServerCertFile string `yaml:"server_cert_file,path"`
	CertFile       string `yaml:"cert_file,path"`
	KeyFile        string `yaml:"key_file,path"`
}

type login struct {
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file,path"`
	AllowClear   bool   `yaml:"allow_clear"`
	CertFile     string `yaml:"cert_file,path"`
	KeyFile      string `yaml:"key_file,path"`
}

func policies() map[string]string {
	return map[string]string{
		"None":                  ua.SecurityPolicyURINone,
		"Basic256Sha256":        ua.SecurityPolicyURIBasic256Sha256,
		"Aes128_Sha256_RsaOaep": ua.SecurityPolicyURIAes128Sha256RsaOaep,
		"Aes256_Sha256_RsaPss":  ua.SecurityPolicyURIAes256Sha256RsaPss,
	}
}

func modes() map[string]ua.MessageSecurityMode {
	return map[string]ua.MessageSecurityMode{
		"None":           ua.MessageSecurityModeNone,
		"Sign":           ua.MessageSecurityModeSign,
		"SignAndEncrypt": ua.MessageSecurityModeSignAndEncrypt,
	}
}

func (o *options) policy() string                       { return policies()[o.Security.Policy] }
func (o *options) securityMode() ua.MessageSecurityMode { return modes()[o.Security.Mode] }
func (o *options) secure() bool                         { return o.Security.Policy != "None" }

// readOptions decodes a device's options, fills in what is absent and returns every fault.
func readOptions(s drivers.Section) (*options, error) {
	var o options
	if err := s.Decode(&o); err != nil {
		return nil, err
	}
	o.setDefaults()
	var errs []error
	fault := func(key, format string, args ...any) { errs = append(errs, s.Fault(key, format, args...)) }
	if err := checkEndpoint(o.Endpoint); err != nil {
		fault("endpoint", "endpoint %q: %v; write opc.tcp://host:4840", o.Endpoint, err)
	}
	o.checkSecurity(fault)
	o.checkLogin(fault)
	if o.Mode != modeSubscribe && o.Mode != modePoll {
		fault("mode", "mode %q is unknown; use subscribe or poll", o.Mode)
	}
	within := func(key string, v, low, high time.Duration) {
		if v < low || v > high {
			fault(key, "%s is %v; use %v to %v", key, v, low, high)
		}
	}
	within("timeout", o.Timeout, minTimeout, maxTimeout)
	if o.PublishInterval != 0 {
		within("publish_interval", o.PublishInterval, minInterval, maxInterval)
	}
	if o.SamplingInterval != 0 {
		within("sampling_interval", o.SamplingInterval, time.Millisecond, maxInterval)
	}
	within("resync", o.Resync, minResync, maxInterval)
	if o.MaxItemsPerCall < 1 || o.MaxItemsPerCall > maxItems {
		fault("max_items_per_call", "max_items_per_call is %d; use 1 to %d", o.MaxItemsPerCall, maxItems)
	}
	if o.KeepAliveCount > maxKeepAlive {
		fault("keep_alive_count", "keep_alive_count is %d; use 1 to %d", o.KeepAliveCount, maxKeepAlive)
	}
	if o.QueueSize > maxQueue {
		fault("queue_size", "queue_size is %d; use 1 to %d", o.QueueSize, maxQueue)
	}
	return &o, errors.Join(errs...)
}

func (o *options) setDefaults() {
	orDefault(&o.Mode, modeSubscribe)
	orDefault(&o.Timeout, defaultTimeout)
	orDefault(&o.KeepAliveCount, defaultKeepAlive)
	orDefault(&o.QueueSize, defaultQueue)
	orDefault(&o.Resync, defaultResync)
	orDefault(&o.MaxItemsPerCall, defaultItems)
	orDefault(&o.Security.Policy, "None")
	if o.Security.Policy == "None" {
		orDefault(&o.Security.Mode, "None")
	} else {
		orDefault(&o.Security.Mode, "SignAndEncrypt")
	}
}

func orDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func checkEndpoint(s string) error {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return errors.New("it is missing")
	case err != nil:
		return errors.Unwrap(err)
	case u.Scheme != "opc.tcp":
		return fmt.Errorf("its scheme is %q", u.Scheme)
	case u.Hostname() == "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("a user does not belong here but into login")
	}
	return nil
}

func (o *options) checkSecurity(fault func(key, format string, args ...any)) {
	sec := &o.Security
	if o.policy() == "" {
		fault("security.policy", "security policy %q is unknown; use one of %v", sec.Policy, slices.Sorted(maps.Keys(policies())))
		return
	}
	if _, ok := modes()[sec.Mode]; !ok {
		fault("security.mode", "security mode %q is unknown; use one of %v", sec.Mode, slices.Sorted(maps.Keys(modes())))
		return
	}
	if o.secure() != (sec.Mode != "None") {
		fault("security.mode", "security mode %s does not go with policy %s; leave mode out, or change policy", sec.Mode, sec.Policy)
	}
	files := []struct{ key, path, what string }{
		{"server_cert_file", sec.ServerCertFile, "the certificate of the server, or of the authority that issued it"},
		{"cert_file", sec.CertFile, "the gateway's own certificate"},
		{"key_file", sec.KeyFile, "the RSA key of cert_file"},
	}
	for _, f := range files {
		if o.secure() && f.path == "" {
			fault("security."+f.key, "policy %s needs %s: %s", sec.Policy, f.key, f.what)
		}
		if !o.secure() && f.path != "" {
			fault("security."+f.key, "%s is of no use without a policy; set policy: Basic256Sha256, or leave it out", f.key)
		}
	}
}

func (o *options) checkLogin(fault func(key, format string, args ...any)) {
	l := &o.Login
	switch {
	case l.CertFile != "" && (l.User != "" || l.PasswordFile != ""):
		fault("login.user", "user and cert_file are two ways to log in; leave one of them out")
	case l.CertFile != "" && l.KeyFile == "":
		fault("login.key_file", "cert_file %q needs a key_file: its RSA key", l.CertFile)
	case l.CertFile == "" && l.KeyFile != "":
		fault("login.cert_file", "key_file is given without cert_file")
	case l.CertFile != "" && !o.secure():
		fault("login.cert_file", "a certificate logs in over a secured connection only; set security")
	case l.User == "" && l.PasswordFile != "":
		fault("login.user", "password_file is given without user")
	case l.User != "" && l.PasswordFile == "":
		fault("login.password_file", "user %q needs a password_file; an empty file is an empty password", l.User)
	case l.User != "" && !o.secure() && !l.AllowClear:
		fault("login.user", "without a security policy the password of %q may travel in the clear, and to any server; set security, or allow_clear: true", l.User)
	}
}
