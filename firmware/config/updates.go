package config

import (
	"fmt"
	_ "time/tzdata" // time zones are known without files: a small image has none

	"github.com/courtside-edge/courtside/firmware/slot"
	"github.com/courtside-edge/courtside/sync/settings"
)

// Updates says how updates of the image are fetched, and when none is installed.
type Updates struct {
	RateLimit int64 // bytes a second; 0 for no limit
	Events    slot.Calendar
}

// updates is as it is written.
type updates struct {
	RateLimit settings.Size `yaml:"rate_limit" min:"0" max:"1GiB"`
	Events    []event       `yaml:"events"`
}

type event struct {
	Name     string   `yaml:"name,required"`
	Days     []string `yaml:"days"`
	Dates    []string `yaml:"dates"`
	From     string   `yaml:"from,required"`
	To       string   `yaml:"to,required"`
	Timezone string   `yaml:"timezone,required"`
}

const (
	// leastFetch is the lowest rate limit of updates, in bytes a second: with less an update takes days.
	leastFetch = 16 << 10
	// maxEvents and maxEventDates bound the calendar; ten years of a hall with an event a day need no more.
	maxEvents, maxEventDates = 1000, 4000
	// maxEventName is the longest name of an event, in bytes; it stands in refusals and log lines.
	maxEventName = 100
)

func (l *loader) updates(u *updates) {
	l.config.Updates.RateLimit = int64(u.RateLimit)
	if u.RateLimit > 0 && u.RateLimit < leastFetch {
		l.fault(l.root, "updates.rate_limit", "rate_limit %s a second is less than %s; an update has more than 100 MB, 0 is no limit", u.RateLimit, settings.Size(leastFetch))
	}
	if len(u.Events) > maxEvents {
		l.fault(l.root, "updates.events", "%d events are listed; %d are allowed, and each may have many dates", len(u.Events), maxEvents)
		return
	}
	for i := range u.Events {
		l.event(fmt.Sprintf("updates.events.%d", i), &u.Events[i])
	}
}

// event checks and takes one event. What is absent though it is required is a fault already.
func (l *loader) event(at string, in *event) {
	e := slot.Event{Name: in.Name}
	say := func(key string, err error) {
		if err != nil {
			l.fault(l.root, at+"."+key, "%s: %v", key, err)
		}
	}
	if len(in.Name) > maxEventName {
		l.fault(l.root, at+".name", "the name has %d bytes; %d are allowed", len(in.Name), maxEventName)
	}
	if len(in.Days) == 0 && len(in.Dates) == 0 {
		l.fault(l.root, at, "event %q takes place on no day; add days: [fri, sat], or dates: [\"2026-11-27\"]", in.Name)
	}
	if len(in.Dates) > maxEventDates {
		l.fault(l.root, at+".dates", "%d dates are listed; %d are allowed", len(in.Dates), maxEventDates)
		return
	}
	for i, s := range in.Days {
		d, err := slot.ParseDay(s)
		say(fmt.Sprintf("days.%d", i), err)
		e.Days = append(e.Days, d)
	}
	for i, s := range in.Dates {
		d, err := slot.ParseDate(s)
		say(fmt.Sprintf("dates.%d", i), err)
		e.Dates = append(e.Dates, d)
	}
	var err error
	for _, c := range []struct {
		key  string
		text string
		into *slot.Clock
	}{{"from", in.From, &e.From}, {"to", in.To, &e.To}} {
		if !l.root.Has(at + "." + c.key) {
			continue
		}
		*c.into, err = slot.ParseClock(c.text)
		say(c.key, err)
	}
	if l.root.Has(at + ".timezone") {
		e.Zone, err = slot.ParseZone(in.Timezone)
		say("timezone", err)
	}
	l.config.Updates.Events = append(l.config.Updates.Events, e)
}
