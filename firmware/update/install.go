package update

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/firmware/diag"
	"github.com/courtside-edge/courtside/firmware/slot"
)

// errStopped is why nothing is installed by a gateway that stops.
var errStopped = errors.New("the gateway is about to stop")

// InstallUpdate implements diag.Updater. The update is inspected while the caller waits, and installed when it was admitted.
func (u *Updater) InstallUpdate(ctx context.Context, r diag.InstallRequest) (diag.Install, error) {
	if err := u.begin(r); err != nil {
		return diag.Install{}, u.refuse(r.Source, err)
	}
	j, err := u.prepare(ctx, r)
	if err != nil {
		u.mu.Lock()
		u.busy = false
		u.mu.Unlock()
		u.running.Done()
		return diag.Install{}, u.refuse(r.Source, err)
	}
	now := u.note(j)
	go func() { // begin has counted it for Run, which waits
		defer u.running.Done()
		u.finish(j, u.install(j))
	}()
	return now, nil
}

// Order is an install that nobody waits for: what can be told at once it returns, the rest is logged and stands in the status. The update has to
// have the version, unless that is empty; one that runs already is no error. An order comes over the network only, and never takes an update back.
func (u *Updater) Order(r diag.InstallRequest, version string) error {
	if m := u.o.Machine(); version != "" && string(m.Version) == version {
		return nil
	}
	r.Downgrade = false
	_, err := parseURL(r.Source)
	if err == nil {
		err = u.begin(r)
	}
	if err != nil {
		return u.refuse(r.Source, err)
	}
	go func() { // begin has counted it for Run, which waits
		defer u.running.Done()
		j, err := u.prepare(context.Background(), r) // which ends with the updater all the same
		if err == nil && version != "" && j.bundle.Version != version {
			_ = j.proxy.close() // nothing of it is wanted
			err = fmt.Errorf("the update has version %s, version %s was ordered", j.bundle.Version, version)
		}
		if err != nil {
			_ = u.refuse(r.Source, err) // which logs and counts it
			u.mu.Lock()
			defer u.mu.Unlock()
			u.busy = false
			now := time.Now().UTC()
			u.last = diag.Install{State: "failed", Source: r.Source, Begun: now, Ended: now, Error: err.Error()}
			return
		}
		u.note(j)
		u.finish(j, u.install(j))
	}()
	return nil
}

// note notes that an install runs.
func (u *Updater) note(j *job) diag.Install {
	r := j.req
	u.o.Log.Info("an update is being installed", "source", r.Source, "version", j.bundle.Version, "forced", r.Force)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = diag.Install{State: "running", Source: r.Source, Version: j.bundle.Version, Begun: time.Now().UTC()}
	if j.proxy != nil {
		u.source = j.proxy.remote
	}
	return u.last
}

// begin refuses what can be refused before anything is looked at, and keeps others out until busy is false again.
func (u *Updater) begin(r diag.InstallRequest) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ctx == nil || u.ctx.Err() != nil {
		return errStopped
	}
	if err := slot.Ready(u.o.Machine()); err != nil {
		return err
	}
	if u.busy {
		return fmt.Errorf("%w already, from %s", slot.ErrBusy, u.last.Source)
	}
	if err := u.closed(); err != nil && !r.Force {
		return err
	}
	u.busy = true
	u.running.Add(1)
	return nil
}

// job is an install that was admitted.
type job struct {
	ctx    context.Context
	req    diag.InstallRequest
	source string // as RAUC is told
	bundle slot.Bundle
	proxy  *proxy // nil for a file
}

// prepare makes the update readable for RAUC, has it inspected and admits it.
func (u *Updater) prepare(ctx context.Context, r diag.InstallRequest) (_ *job, err error) {
	u.mu.Lock()
	j := &job{ctx: u.ctx, req: r, source: r.Source}
	u.mu.Unlock()
	if j.ctx == nil {
		return nil, errStopped
	}
	ctx, cancel := context.WithTimeout(ctx, inspecting)
	defer cancel()
	defer context.AfterFunc(j.ctx, cancel)()
	if strings.Contains(r.Source, "://") {
		if j.proxy, err = u.open(ctx, j.ctx, r.Source); err != nil {
			return nil, err
		}
		j.source = j.proxy.url()
	} else if !filepath.IsAbs(r.Source) {
		return nil, fmt.Errorf("%q is neither an absolute path nor an https address", r.Source)
	}
	if j.bundle, err = u.o.Installer.Inspect(ctx, j.source); err == nil {
		err = slot.Admit(u.o.Machine(), j.bundle, r.Downgrade)
	}
	if err == nil {
		return j, nil
	}
	if j.proxy != nil {
		if cause := j.proxy.close(); cause != nil {
			err = fmt.Errorf("%w; the update could not be fetched: %w", err, cause)
		}
	}
	return nil, err
}

// open makes an update on the network readable for as long as life lasts.
func (u *Updater) open(ctx, life context.Context, address string) (*proxy, error) {
	if u.o.TLS == nil {
		return nil, errors.New("the gateway has no identity to fetch an update with")
	}
	r, err := openRemote(ctx, address, u.o.TLS(), u.o.Fetch)
	if err != nil {
		return nil, err
	}
	p, err := openProxy(life, r)
	if err != nil {
		r.close()
	}
	return p, err
}

// install has RAUC install, and notes how far it is.
func (u *Updater) install(j *job) error {
	err := u.o.Installer.Install(j.ctx, j.source, func(p slot.Progress) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.last.Percent, u.last.Step = max(u.last.Percent, p.Percent), p.Step
	})
	if j.proxy == nil {
		return err
	}
	if cause := j.proxy.close(); err != nil && cause != nil {
		err = fmt.Errorf("%w; the update could not be fetched: %w", err, cause)
	}
	return err
}

// finish notes how an install ended, and asks for the reboot that was wanted with it.
func (u *Updater) finish(j *job, err error) {
	u.mu.Lock()
	u.busy = false
	u.last.Ended = time.Now().UTC()
	if u.source != nil {
		u.last.Fetched, u.last.Retries = u.source.fetched.Load(), u.source.retries.Load()
		u.source = nil
	}
	if err != nil {
		u.last.State, u.last.Error = "failed", err.Error()
	} else {
		u.last.State, u.last.Percent = "done", 100
	}
	u.installs[u.last.State]++
	last := u.last
	u.mu.Unlock()
	if err != nil {
		u.o.Log.Error("an update could not be installed; the version that runs stays", "source", j.req.Source, "version", j.bundle.Version, "err", err)
		return
	}
	u.o.Log.Info("an update is installed and waits for a reboot", "source", j.req.Source, "version", j.bundle.Version, "took", last.Ended.Sub(last.Begun).Round(time.Second),
		"fetched_bytes", last.Fetched, "retries", last.Retries)
	if !j.req.Reboot {
		return
	}
	said := "asked for"
	if err := u.Reboot(j.ctx, j.req.Force); err != nil {
		said = err.Error()
	}
	u.mu.Lock()
	u.last.Reboot = said
	u.mu.Unlock()
}
