package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/firmware/config"
	"github.com/courtside-edge/courtside/firmware/enrol"
	"github.com/courtside-edge/courtside/firmware/network"
)

// Options say where everything lies. Paths are absolute.
type Options struct {
	Medium   string // the folder that people edit
	Etc      string // /etc/courtside
	Network  string // where systemd-networkd's files go; empty for nowhere
	Hostname string // the kernel's file of the host's name; empty to leave it alone
	Report   string // the report's name in Medium; "" for ReportFile, NoReport for none

	Registry drivers.Registry
	Version  string // of this program
	Image    string // and of the image that it is part of
	Board    string
	Now      time.Time
	// Since is a time that has passed: a clock before it is not set.
	Since time.Time
	Owner *Owner // nil leaves files with whoever runs this
	// Volatile says that the data partition did not mount: what was taken before is gone, and what is taken now goes with the power.
	Volatile bool
	// NoOwner says why there is no owner where one is needed: nothing is taken then, because nobody could read it.
	NoOwner error
}

// leastTime is before every build: a clock that shows less was never set.
func leastTime() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// Run takes what is new in the folder, writes the network's files and the report. The report is complete whatever failed; the error says
// what of this device failed, such as a full disk, not what is wrong in the folder.
func Run(o Options) (*Report, error) {
	clockSet := o.Now.After(leastTime()) && o.Now.After(o.Since)
	r := &Report{Version: o.Version, Image: o.Image, Board: o.Board, Written: written(o.Now, clockSet)}
	var errs []error
	f, err := openFolder(o.Medium)
	defer f.close()
	switch {
	case f.root == nil:
		r.Outcome = Absent
		if !errors.Is(err, fs.ErrNotExist) {
			r.Warnings = append(r.Warnings, fmt.Sprintf("the folder courtside of the partition COURTSIDE cannot be read: %v; check the medium on a laptop", cause(err)))
		}
	case err != nil:
		f.fault("%v; check the medium on a laptop", err)
	}
	if err := r.take(o, f, clockSet); err != nil {
		r.Outcome = Failed
		r.Faults = append(r.Faults, fmt.Sprintf("this device could not write what it took: %v", err))
		errs = append(errs, err)
	}
	if o.Volatile {
		r.Warnings = append(r.Warnings, "the data partition of this medium does not mount: keys and everything else that was taken before are gone, and what is taken now is gone with the power; flash the medium anew, or another one")
	}
	for _, name := range beside(o.Medium) {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s lies beside the folder %s, where nobody looks; move it into the folder", name, filepath.Base(o.Medium)))
	}
	plan, name := r.present(o)
	errs = append(errs, r.connect(o, plan, name))
	r.notes(f)
	r.next()
	if f.root != nil && o.Report != NoReport {
		report := o.Report
		if report == "" {
			report = ReportFile
		}
		if err := r.save(f.root, report); err != nil {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s could not be written: %v", report, cause(err)))
		}
	}
	return r, errors.Join(errs...)
}

// take checks everything in the folder, and takes what is new if all is right.
func (r *Report) take(o Options, f *folder, clockSet bool) error {
	if f.root == nil {
		return nil
	}
	if err := errors.Join(o.NoOwner, makeEtc(o.Etc)); err != nil {
		return err
	}
	taken := loadState(o.Etc)
	s, err := stage(o.Etc, f, taken)
	if s != nil {
		defer func() { _ = s.remove() }() // the next boot removes what stays
	}
	if err != nil {
		return err
	}
	s.recall()
	if !s.fresh() && len(f.faults)+len(s.faults) == 0 {
		r.Outcome = Unchanged
		r.describe(f, s, "as it was taken before")
		r.clean(o, f, s)
		return nil
	}
	c := checker{s: s, registry: o.Registry, now: o.Now, clockSet: clockSet, volatile: o.Volatile}
	c.check()
	r.Warnings = append(r.Warnings, c.warnings...)
	if r.Faults = append(f.faults, c.faults...); len(r.Faults) > 0 {
		r.Outcome = Refused
		r.describe(f, s, "not taken")
		r.clean(o, f, s)
		return nil
	}
	if _, err := s.commit(o.Owner); err != nil {
		r.describe(f, s, "not taken")
		return err
	}
	r.Outcome = Taken
	r.describe(f, s, "taken")
	r.clean(o, f, s)
	return nil
}

// describe notes what became of each file that is known.
func (r *Report) describe(f *folder, s *staging, what string) {
	for _, file := range f.files {
		said := what
		if what == "taken" && !s.isFresh(file.name) {
			said = "as it was taken before"
		}
		if file.hash == "" {
			said = "cannot be read"
		}
		if !strings.EqualFold(file.as, file.name) {
			said = "read as " + file.name + ", " + said
		}
		r.Found = append(r.Found, Note{file.as, said})
	}
	for _, e := range s.ready {
		if !strings.HasPrefix(e.key, companionMark) {
			continue
		}
		said := what
		if what == "taken" && !e.fresh {
			said = "as it was taken before"
		}
		r.Found = append(r.Found, Note{e.as, "named by " + configFile + ", " + said})
	}
}

// isFresh reports whether the file of a slot differs from what was taken last.
func (s *staging) isFresh(key string) bool {
	for _, e := range s.ready {
		if e.key == key {
			return e.fresh
		}
	}
	return false
}

// clean removes the secrets from the folder that lie in /etc/courtside now, for longer than until the power goes.
func (r *Report) clean(o Options, f *folder, s *staging) {
	for _, name := range f.erased {
		if err := erase(f.root, name); err != nil {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s was written over, but could not be removed from the medium: %v", name, cause(err)))
		}
	}
	for _, e := range s.ready {
		if !e.secret || e.fresh && r.Outcome != Taken || o.Volatile {
			continue
		}
		said := ", and removed from here: anybody who holds this medium could read it"
		if err := erase(f.root, e.as); err != nil {
			said = ", but it could not be removed from here"
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s could not be removed from the medium: %v; remove it on a laptop: anybody who holds the medium can read it", e.as, cause(err)))
		}
		for i := range r.Found {
			if r.Found[i].File == e.as {
				r.Found[i].What += said
			}
		}
	}
}

// makeEtc makes the folder, or what a link in a read-only root leads to.
func makeEtc(etc string) error {
	if to, err := os.Readlink(etc); err == nil {
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(etc), to)
		}
		etc = to
	}
	return os.MkdirAll(etc, 0o755)
}

// present looks at what is in use now: the gateway's name and its network.
func (r *Report) present(o Options) (plan network.Plan, hostname string) {
	plan = network.Default()
	file := filepath.Join(o.Etc, "gateway.yaml")
	if cfg, err := config.Load(file, o.Registry); err == nil {
		r.Configured, r.Gateway, hostname = true, fmt.Sprintf("%s of venue %s", cfg.Gateway, cfg.Venue), strings.TrimRight(string(cfg.Gateway), "-")
		if !identified(cfg) {
			r.Warnings = append(r.Warnings, fmt.Sprintf("there is no identity: put %s, or %s, %s and %s, into the folder; until then the gateway polls and keeps, and does not connect", tokenFile, certFile, keyFile, bundleFile))
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the configuration in use has faults; the gateway waits until it is put right:\n%v", err))
	}
	text, err := os.ReadFile(filepath.Join(o.Etc, networkFile))
	if err != nil {
		return plan, hostname
	}
	own, err := network.Parse(filepath.Join(o.Etc, networkFile), text)
	if err != nil {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the network description in use has faults; DHCP on every wired interface stands in for it:\n%v", err))
		return plan, hostname
	}
	if own.Hostname != "" {
		hostname = own.Hostname
	}
	return own, hostname
}

// identified reports whether the gateway has an identity, or the means to get one.
func identified(c *config.Config) bool {
	enrolled, _ := enrol.Files(filepath.Join(c.DataDir, "identity")) // where the gateway keeps what came by a token
	return c.Identity.WorkloadAPI != "" || isFile(c.Identity.CertFile) || isFile(c.Identity.JoinTokenFile) || isFile(enrolled)
}

// connect writes the network's files and the host's name.
func (r *Report) connect(o Options, plan network.Plan, hostname string) error {
	r.Network = plan.Describe()
	var errs []error
	if o.Network != "" {
		if err := plan.Write(o.Network); err != nil {
			errs = append(errs, err)
			r.Warnings = append(r.Warnings, fmt.Sprintf("the network cannot be described to this device: %v", err))
		}
	}
	if hostname == "" {
		return errors.Join(errs...)
	}
	r.Network = append(r.Network, "the name "+hostname)
	if o.Hostname != "" {
		if err := os.WriteFile(o.Hostname, []byte(hostname+"\n"), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("naming the host: %w", err))
		}
	}
	return errors.Join(errs...)
}

// notes tells of files that nothing is known of, and of names that editors changed.
func (r *Report) notes(f *folder) {
	named := map[string]bool{}
	for _, n := range r.Found {
		top, _, _ := strings.Cut(n.File, "/")
		named[top] = true
	}
	for _, name := range f.strange {
		if !named[name] {
			r.Found = append(r.Found, Note{name, "not known here, left alone" + hint(name)})
		}
	}
}

// next says what people can expect, or do.
func (r *Report) next() {
	fix := "Put this right on a laptop, put the medium back and start the device again: take its power, and give it back."
	switch {
	case r.Outcome == Refused && r.Configured:
		r.Next = append(r.Next, fix, "Until then the gateway runs with what was taken before.")
	case r.Outcome == Refused:
		r.Next = append(r.Next, fix, "Until then the gateway waits; its light blinks slowly.")
	case r.Outcome == Failed:
		r.Next = append(r.Next, "Start the device again. If this stays, flash the medium anew, or another one.")
	case !r.Configured:
		r.Next = append(r.Next, fmt.Sprintf("Put %s into the folder courtside on the partition COURTSIDE and start the device again. The gateway waits; its light blinks slowly.", configFile))
	default:
		r.Next = append(r.Next, "The gateway starts now. Its light is steady once it reads its devices and has reached the broker, blinks shortly every two seconds without the broker, and quickly if a device does not answer.",
			"On the serial console, or with gwctl: doctor says what does not work, why, and what to do.")
	}
}
