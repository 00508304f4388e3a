package enrol

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/courtside-edge/courtside/cloud/httpserver"
	"github.com/courtside-edge/courtside/sync/identity"
	"github.com/courtside-edge/courtside/sync/join"
)

// patience bounds handshake, request and answer, each.
const patience = 10 * time.Second

// Serve answers gateways on l until ctx ends. source is the aggregator's SVID, issued by the desk's authority. It closes l.
func (d *Desk) Serve(ctx context.Context, l net.Listener, source *identity.Source) error {
	srv := &http.Server{Handler: d.handler(), ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug), Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.SetKeepAlivesEnabled(false)
	crowded := tls.NewListener(&crowd{Listener: l, by: map[string]int{}}, source.EnrolTLS(d.o.Authority))
	if err := httpserver.Run(ctx, srv, crowded, patience/2); err != nil {
		return fmt.Errorf("enrol: serving: %w", err)
	}
	return nil
}

// handler answers requests; all of them draw from their address's allowance first.
func (d *Desk) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+join.EnrolPath, func(w http.ResponseWriter, r *http.Request) {
		answer(d, w, r, func(in join.Enrol) (join.Answer, error) { return d.enrol(in, r.RemoteAddr) })
	})
	mux.HandleFunc("POST "+join.RenewPath, func(w http.ResponseWriter, r *http.Request) {
		answer(d, w, r, func(in join.Renew) (join.Answer, error) {
			if r.TLS == nil {
				return join.Answer{}, refuse(join.NoSVID, "no certificate was shown")
			}
			return d.renew(r.TLS.PeerCertificates, in, r.RemoteAddr)
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := d.limits.address(r.RemoteAddr); wait > 0 {
			d.refuse(w, r, &busy{wait})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// answer reads a request of one kind and writes what do makes of it.
func answer[T any](d *Desk, w http.ResponseWriter, r *http.Request, do func(T) (join.Answer, error)) {
	var in T
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, join.MaxRequestBytes)).Decode(&in); err != nil {
		d.refuse(w, r, refuse(join.BadRequest, "reading the request: %v", err))
		return
	}
	out, err := do(in)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, out)
}

// refuse writes, counts and logs a refusal.
func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, out := http.StatusForbidden, join.Refusal{Reason: join.Failed, Detail: "the aggregator could not issue; its log says why"}
	var no *refusal
	var many *busy
	level := slog.LevelWarn
	switch {
	case errors.As(err, &many):
		status, level, out = http.StatusTooManyRequests, slog.LevelDebug, join.Refusal{Reason: join.Busy, Detail: err.Error()}
		w.Header().Set("Retry-After", strconv.Itoa(int(many.wait.Seconds())+1))
	case errors.As(err, &no):
		out = join.Refusal{Reason: no.reason, Detail: no.detail}
		switch no.reason {
		case join.BadRequest, join.BadKey:
			status = http.StatusBadRequest
		case join.NoSVID:
			status = http.StatusUnauthorized
		case join.UsedToken, join.Superseded:
			level = slog.LevelError // two devices claim one name
		}
	default:
		status, level = http.StatusInternalServerError, slog.LevelError
	}
	d.mu.Lock()
	d.refused[out.Reason]++
	d.mu.Unlock()
	if level == slog.LevelError || d.limits.logs() {
		d.log.Log(r.Context(), level, "an SVID was refused", "reason", string(out.Reason), "from", r.RemoteAddr, "err", err)
	}
	write(w, status, out)
}

func write(w http.ResponseWriter, status int, out any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the asker has gone; it will ask again
}
