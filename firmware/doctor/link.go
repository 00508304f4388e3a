package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
)

// Identity is the gateway's SVID.
type Identity struct {
	Now   time.Time
	ID    string // empty before there is one
	Held  Validity
	Error string // why there is none, or why it could not be refreshed
	From  string // where it comes from: the Workload API's address or the file
	Files bool   // From is a file that somebody puts there
	Want  string // who the configuration says that the gateway is
	Clock diag.Grade
	// Enrolment is why the gateway could not enrol or renew by its join token, and Next what to do about it; empty when all is well, or the
	// SVID comes from elsewhere.
	Enrolment, Next string
}

// JudgeIdentity judges it. An SVID that lies outside its time while the clock is wrong is the clock's fault.
func JudgeIdentity(i Identity) diag.Finding {
	f := diag.Finding{Check: "identity", Grade: diag.OK}
	left := i.Held.Until.Sub(i.Now)
	switch {
	case i.ID == "" && i.Enrolment != "":
		f.Grade, f.Saw = diag.Fail, "no SVID: "+i.Enrolment
		f.Cause, f.Next = "the gateway has not enrolled", i.Next
	case i.ID == "" && i.Files:
		f.Grade, f.Saw = diag.Fail, "no SVID: "+i.Error
		f.Cause, f.Next = "the PEM files are missing, not whole, or do not fit together", "put certificate, key and authorities of one issue to "+i.From+" and beside it; they are read again every 5 s"
	case i.ID != "" && i.Want != "" && i.ID != i.Want:
		f.Grade, f.Saw = diag.Fail, "the SVID is "+i.ID+", and the configuration that of "+i.Want
		f.Cause, f.Next = "the SVID was issued to somebody else, or venue, gateway or trust_domain are wrong in the configuration",
			"issue one to "+i.Want+" at "+i.From+", or correct the configuration; polling and buffering go on meanwhile"
	case i.ID == "":
		f.Grade, f.Saw = diag.Fail, "no SVID: "+i.Error
		f.Cause, f.Next = "the SPIFFE agent does not run, or has no entry for this gateway", "check "+i.From+": is the agent started, and is the gateway's entry registered with it?"
	case i.Held.off(i.Now) != 0 && i.Clock == diag.Fail:
		f.Grade, f.Saw = diag.Fail, fmt.Sprintf("%s is valid from %s to %s", i.ID, stamp(i.Held.From), stamp(i.Held.Until))
		f.Cause, f.Next = "the clock, not the SVID", "set the clock first, see there"
	case left <= 0:
		f.Grade, f.Saw = diag.Fail, fmt.Sprintf("%s expired %s ago, at %s", i.ID, round(-left), stamp(i.Held.Until))
		f.Cause = "the SVID has expired: it is not renewed"
		if i.Error != "" {
			f.Saw += "; " + i.Error
		}
		f.Next = "renew it at " + i.From + ": restart the agent, or issue new files; polling and buffering go on meanwhile"
		if i.Enrolment != "" {
			f.Saw += "; " + i.Enrolment
			f.Next = i.Next + "; polling and buffering go on meanwhile"
		}
	case i.Enrolment != "":
		f.Grade, f.Saw = diag.Warn, fmt.Sprintf("%s, valid for %s; %s", i.ID, round(left), i.Enrolment)
		f.Cause, f.Next = "it could not be renewed last, or a new join token is refused", i.Next
	case i.Error != "":
		f.Grade, f.Saw = diag.Warn, fmt.Sprintf("%s, valid for %s; %s", i.ID, round(left), i.Error)
		f.Cause, f.Next = "it could not be refreshed last", "check "+i.From+" before it expires"
	default:
		f.Saw = fmt.Sprintf("%s, valid for %s", i.ID, round(left))
	}
	return f
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// Way is what was tried on the way to the broker, step by step. A step is tried when the one before succeeded.
type Way struct {
	Broker    string // host:port
	Addresses []string
	Resolve   error
	Connect   error
	Handshake error
	State     string // of the link itself
	Cause     string // why its last session ended or could not begin
	RoundTrip time.Duration
	Tried     bool // the way was tried at all
	Identity  bool // there is an SVID to show
	Stranger  bool // it is somebody else's
	Clock     diag.Grade
	// Aside says why the cloud sets aside what is sent, a word and the same for people; empty when it does not.
	Aside, AsideDetail string
}

// JudgeWay returns a finding for each step.
func JudgeWay(w Way) []diag.Finding {
	dns := diag.Finding{Check: "dns", Grade: diag.OK, Saw: w.Broker + " is " + strings.Join(w.Addresses, ", ")}
	route := diag.Finding{Check: "route", Grade: diag.OK, Saw: "TCP to " + w.Broker + " connects"}
	tls := diag.Finding{Check: "tls", Grade: diag.OK, Saw: "mutual TLS with " + w.Broker + " succeeds"}
	skip := func(f *diag.Finding, why string) { f.Grade, f.Saw = diag.Skip, why }
	switch {
	case w.Resolve != nil:
		dns.Grade, dns.Saw, dns.Cause = diag.Fail, w.Resolve.Error(), "the name of the broker cannot be resolved"
		dns.Next = "check uplink.broker for a slip, and /etc/resolv.conf; try: resolvectl query HOST"
		skip(&route, "the address is not known")
		skip(&tls, "there is no connection")
	case w.Connect != nil:
		route.Grade, route.Saw = diag.Fail, w.Connect.Error()
		route.Cause, route.Next = "the broker does not run, or a firewall is in the way", "try: ip route get ADDRESS; nc -vz HOST PORT; is TCP "+port(w.Broker)+" open from here to there?"
		if Refused(w.Connect) {
			route.Cause = "the host is reached, but nobody listens on the port: the broker does not run, or the port is wrong"
		}
		skip(&tls, "there is no connection")
	case !w.Identity:
		skip(&tls, "there is no SVID to show")
	case w.Handshake != nil:
		tls.Grade, tls.Saw = diag.Fail, w.Handshake.Error()
		tls.Cause, tls.Next = handshakeCause(w)
	}
	return []diag.Finding{dns, route, tls, judgeBroker(w, tls.Grade)}
}

func port(hostPort string) string {
	if i := strings.LastIndexByte(hostPort, ':'); i >= 0 {
		return hostPort[i+1:]
	}
	return hostPort
}

func handshakeCause(w Way) (cause, next string) {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	text := strings.ToLower(w.Handshake.Error())
	switch {
	case w.Clock == diag.Fail:
		return "the clock, not the certificates", "set the clock first, see there"
	case errors.As(w.Handshake, &unknown):
		return "the broker's certificate is from another trust domain, or a box in between opens TLS", "compare identity.trust_domain with the broker's; try: openssl s_client -connect " + w.Broker
	case errors.As(w.Handshake, &invalid) && invalid.Reason == x509.Expired, strings.Contains(text, "expired"):
		return "a certificate has expired: the broker's, or, when the remote says so, this gateway's", "renew it where it is issued; see the identity check for this gateway's own"
	case strings.Contains(text, "remote error"):
		return "the broker refuses this gateway's SVID", "is the gateway listed in the aggregator's configuration, and does the broker trust the same authority?"
	}
	return "the other end does not speak mutual TLS as a broker of this trust domain should", "is " + w.Broker + " the broker's TLS port?"
}

// asideCause says why the cloud does not use what it has, and what to do.
func asideCause(reason string) (cause, next string) {
	switch reason {
	case "device-not-granted":
		return "a device of this gateway's file is not granted to it in the aggregator's: until it is, nothing of the gateway counts",
			"add it there (venues[].gateways[].devices) and start the aggregator again, then there: aggregator frames reprocess --all; or take it out here"
	case "conflict":
		return "two senders use this gateway's identity", "find the second; give it an SVID and an empty data_dir of its own"
	}
	return reason, "at the aggregator: aggregator frames list"
}

// judgeBroker judges the session itself: permission and acks.
func judgeBroker(w Way, tls diag.Grade) diag.Finding {
	f := diag.Finding{Check: "broker", Grade: diag.OK, Saw: "session up"}
	text := strings.ToLower(w.Cause)
	switch {
	case w.State == "up" && w.Aside != "":
		f.Grade, f.Saw = diag.Fail, "the cloud sets aside what this gateway sends: "+w.AsideDetail
		f.Cause, f.Next = asideCause(w.Aside)
	case w.State == "up":
		if w.RoundTrip > 0 {
			f.Saw += fmt.Sprintf(", acks take %s", round(w.RoundTrip))
		}
	case w.State == "down":
		f.Grade, f.Saw = diag.Fail, "a session, but no acks"
		f.Cause, f.Next = "the aggregator does not run, or does not reach the broker; everything is kept meanwhile", "look at the aggregator: /readyz, and its log"
	case w.Stranger:
		f.Grade, f.Saw = diag.Skip, "no session: the SVID is not this gateway's"
	case tls != diag.OK && tls != "":
		f.Grade, f.Saw = diag.Skip, "no session: "+w.Cause
	case strings.Contains(text, "subscri") || strings.Contains(text, "not authorized") || strings.Contains(text, "refused the connection"):
		f.Grade, f.Saw, f.Cause = diag.Fail, w.Cause, "the broker does not permit this gateway its topics"
		f.Next = "list the gateway in the aggregator's configuration; for a broker of your own, load its access list again"
	default:
		f.Grade, f.Saw, f.Cause = diag.Fail, "no session: "+w.Cause, "the way is open, but no session begins"
		f.Next = "wait for the next attempt, within 30 s, then ask again; gwctl logs has the attempts"
	}
	return f
}
