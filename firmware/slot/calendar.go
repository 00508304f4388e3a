package slot

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Calendar is the events during which no update is taken.
type Calendar []Event

// Event is a window that comes again on days of the week, or on dates. It begins at From on each of them and ends at To, on the next
// day when To is not after From. A wall-clock time that a change of the clocks skips or doubles makes the window longer, never shorter.
type Event struct {
	Name  string
	Days  []Day
	Dates []Date
	From  Clock
	To    Clock
	Zone  Zone
}

// Window is one time during which no update is taken.
type Window struct {
	Name       string
	Start, End time.Time
}

// At returns the window that is open at t; of several the one that ends last.
func (c Calendar) At(t time.Time) (open Window, found bool) {
	for _, e := range c {
		today := t.In(e.Zone.location())
		for back := range 3 { // a window that began yesterday may be open; one more day for zones that skipped one
			w, ok := e.on(dateOf(today.AddDate(0, 0, -back)))
			if ok && w.contains(t) && (!found || w.End.After(open.End)) {
				open, found = w, true
			}
		}
	}
	return open, found
}

// Next returns the window that begins first after t and within a week.
func (c Calendar) Next(t time.Time) (next Window, found bool) {
	for ahead := range 8 {
		for _, e := range c {
			w, ok := e.on(dateOf(t.In(e.Zone.location()).AddDate(0, 0, ahead)))
			if ok && w.Start.After(t) && (!found || w.Start.Before(next.Start)) {
				next, found = w, true
			}
		}
	}
	return next, found
}

func (w Window) contains(t time.Time) bool { return !t.Before(w.Start) && t.Before(w.End) }

// on returns the event's window that begins on d.
func (e Event) on(d Date) (Window, bool) {
	if !e.takesPlace(d) {
		return Window{}, false
	}
	start, _ := instants(d, e.From, e.Zone.location())
	last := d
	if e.To <= e.From {
		last = d.next()
	}
	_, end := instants(last, e.To, e.Zone.location())
	return Window{Name: e.Name, Start: start, End: end}, true
}

func (e Event) takesPlace(d Date) bool {
	if slices.Contains(e.Dates, d) {
		return true
	}
	weekday := time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Weekday()
	for _, one := range e.Days {
		if time.Weekday(one) == weekday {
			return true
		}
	}
	return false
}

// instants returns the first and the last instant at which clocks in loc show c on d. When they never do, because they were put forward, it is
// the time between which they skipped it.
func instants(d Date, c Clock, loc *time.Location) (first, last time.Time) {
	wall := time.Date(d.Year, d.Month, d.Day, 0, int(c), 0, 0, time.UTC)
	var shown, all []time.Time
	for _, around := range []time.Duration{-26 * time.Hour, 26 * time.Hour} { // no offset is larger, and no zone changes twice in between
		_, offset := wall.Add(around).In(loc).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		all = append(all, t)
		if _, now := t.In(loc).Zone(); now == offset {
			shown = append(shown, t)
		}
	}
	if len(shown) == 0 {
		shown = all
	}
	first, last = shown[0], shown[0]
	for _, t := range shown {
		if t.Before(first) {
			first = t
		}
		if t.After(last) {
			last = t
		}
	}
	return first.In(loc), last.In(loc)
}

// Clock is a time of the day in minutes, 0 to 1440: 24:00 is the end of a day.
type Clock int

// ParseClock reads 19:30.
func ParseClock(s string) (Clock, error) {
	if len(s) != 5 || s[2] != ':' || strings.Trim(s[:2]+s[3:], "0123456789") != "" {
		return 0, fmt.Errorf("%q is not a time of the day; write it like \"19:30\"", s)
	}
	h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	if m > 59 || h*60+m > 24*60 {
		return 0, fmt.Errorf("%q is not a time of the day; 00:00 to 24:00 is allowed", s)
	}
	return Clock(h*60 + m), nil
}

// String writes the time as ParseClock reads it.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// Day is a day of the week.
type Day time.Weekday

// dayNames are the days as they are written, from Sunday on.
const dayNames = "sun mon tue wed thu fri sat"

// ParseDay reads mon, tue and so on.
func ParseDay(s string) (Day, error) {
	for i, name := range strings.Fields(dayNames) {
		if s == name {
			return Day(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a day of the week; %s are known", s, strings.ReplaceAll(dayNames, " ", ", "))
}

// Date is a day of the calendar.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads 2026-11-27.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("%q is not a date; write it like \"2026-11-27\"", s)
	}
	return dateOf(t), nil
}

func dateOf(t time.Time) Date { return Date{t.Year(), t.Month(), t.Day()} }

func (d Date) next() Date {
	return dateOf(time.Date(d.Year, d.Month, d.Day+1, 12, 0, 0, 0, time.UTC))
}

// Zone is a time zone by its name in the tz database. The zero Zone is UTC.
type Zone struct{ loc *time.Location }

// ParseZone reads America/Chicago.
func ParseZone(s string) (Zone, error) {
	loc, err := time.LoadLocation(s)
	if err != nil || s == "" || s == "Local" { // which would be another on the laptop where the file is checked
		return Zone{}, fmt.Errorf("%q is not a time zone; write it like America/Chicago", s)
	}
	return Zone{loc}, nil
}

func (z Zone) location() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

// String returns the zone's name.
func (z Zone) String() string { return z.location().String() }
