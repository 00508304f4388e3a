package config

import (
	"fmt"
	"time"

	"github.com/courtside-edge/courtside/drivers"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/settings"
)

// scanClass is a scan class as it is written: {period, phase}, or for short the period alone.
type scanClass struct {
	Period time.Duration `yaml:"period,required" min:"1ms" max:"24h"`
	Phase  time.Duration `yaml:"phase" min:"0s"`
}

// UnmarshalText reads the short form.
func (c *scanClass) UnmarshalText(text []byte) error {
	period, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a period; write it like 100ms, or {period: 1s, phase: 50ms}", text)
	}
	if period < time.Millisecond || period > 24*time.Hour {
		return fmt.Errorf("the period is %s; 1ms to 24h is allowed", text)
	}
	c.Period = period
	return nil
}

func (l *loader) classes(s *settings.Section) {
	if empty(l.root, "scan_classes", new(settings.Section)) {
		l.fault(l.root, "scan_classes", "no scan class is described; add one, such as fast: 100ms")
	}
	for _, name := range s.Keys() {
		if _, err := point.ParseID(name); err != nil {
			l.faults.Add(s.FaultKey(name, "the name of a scan class: %v", err))
			continue
		}
		var c scanClass
		if err := s.Get(name, &c); err != nil {
			l.faults.Add(err)
		} else if c.Phase >= c.Period {
			l.fault(s, name+".phase", "phase %s is not below the period %s; a phase shifts scans within their period", c.Phase, c.Period)
		}
		l.config.ScanClasses = append(l.config.ScanClasses, drivers.ScanClass{Name: name, Period: c.Period, Phase: c.Phase})
	}
}

// classNames returns the names of all scan classes.
func (l *loader) classNames() []string {
	names := make([]string, len(l.config.ScanClasses))
	for i, c := range l.config.ScanClasses {
		names[i] = c.Name
	}
	return names
}
