package slot_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/courtside-edge/courtside/firmware/slot"
)

func zone(t *testing.T, name string) slot.Zone {
	t.Helper()
	z, err := slot.ParseZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func clock(t *testing.T, s string) slot.Clock {
	t.Helper()
	c, err := slot.ParseClock(s)
	if err != nil || c.String() != s {
		t.Fatalf("%q is %s: %v", s, c, err)
	}
	return c
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Each window is given by the first and the last minute in it; the minute before and the one after are outside.
func TestWindows(t *testing.T) {
	day := func(s string) slot.Day {
		d, err := slot.ParseDay(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	date := func(s string) slot.Date {
		d, err := slot.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, c := range map[string]struct {
		zone, from, to string
		days           []slot.Day
		dates          []slot.Date
		first, last    string
	}{
		"an evening":                         {"America/Chicago", "17:30", "22:00", []slot.Day{day("fri")}, nil, "2026-11-27T17:30:00-06:00", "2026-11-27T21:59:00-06:00"},
		"past midnight":                      {"America/Chicago", "19:00", "01:30", []slot.Day{day("fri")}, nil, "2026-11-27T19:00:00-06:00", "2026-11-28T01:29:00-06:00"},
		"until midnight":                     {"Europe/Berlin", "20:00", "00:00", nil, []slot.Date{date("2026-12-31")}, "2026-12-31T20:00:00+01:00", "2026-12-31T23:59:00+01:00"},
		"until the end of the day":           {"Europe/Berlin", "20:00", "24:00", nil, []slot.Date{date("2026-12-31")}, "2026-12-31T20:00:00+01:00", "2026-12-31T23:59:00+01:00"},
		"all day":                            {"Europe/Berlin", "00:00", "24:00", nil, []slot.Date{date("2026-02-28")}, "2026-02-28T00:00:00+01:00", "2026-02-28T23:59:00+01:00"},
		"a day round":                        {"UTC", "12:00", "12:00", nil, []slot.Date{date("2028-02-28")}, "2028-02-28T12:00:00Z", "2028-02-29T11:59:00Z"},
		"a day of 23 hours":                  {"Europe/Berlin", "00:00", "24:00", nil, []slot.Date{date("2026-03-29")}, "2026-03-29T00:00:00+01:00", "2026-03-29T23:59:00+02:00"},
		"begins in the hour that is skipped": {"Europe/Berlin", "02:30", "05:00", nil, []slot.Date{date("2026-03-29")}, "2026-03-29T01:30:00+01:00", "2026-03-29T04:59:00+02:00"},
		"ends in the hour that is skipped":   {"Europe/Berlin", "23:00", "02:30", nil, []slot.Date{date("2026-03-28")}, "2026-03-28T23:00:00+01:00", "2026-03-29T03:29:00+02:00"},
		"begins in the hour that is doubled": {"Europe/Berlin", "02:30", "05:00", nil, []slot.Date{date("2026-10-25")}, "2026-10-25T02:30:00+02:00", "2026-10-25T04:59:00+01:00"},
		"ends in the hour that is doubled":   {"Europe/Berlin", "23:00", "02:30", nil, []slot.Date{date("2026-10-24")}, "2026-10-24T23:00:00+02:00", "2026-10-25T02:29:00+01:00"},
		"far east":                           {"Pacific/Kiritimati", "19:00", "23:00", []slot.Day{day("sat")}, nil, "2026-11-28T19:00:00+14:00", "2026-11-28T22:59:00+14:00"},
		"half hours":                         {"Asia/Kathmandu", "06:00", "07:00", []slot.Day{day("sun")}, nil, "2026-11-29T06:00:00+05:45", "2026-11-29T06:59:00+05:45"},
		"after a day that never was":         {"Pacific/Apia", "00:00", "06:00", nil, []slot.Date{date("2011-12-31")}, "2011-12-31T00:00:00+14:00", "2011-12-31T05:59:00+14:00"},
	} {
		cal := slot.Calendar{{Name: name, Days: c.days, Dates: c.dates, From: clock(t, c.from), To: clock(t, c.to), Zone: zone(t, c.zone)}}
		first, last := at(t, c.first), at(t, c.last)
		for _, m := range []struct {
			at   time.Time
			open bool
		}{{first.Add(-time.Minute), false}, {first.Add(-1), false}, {first, true}, {first.Add(last.Sub(first) / 2), true}, {last, true}, {last.Add(time.Minute - 1), true}, {last.Add(time.Minute), false}} {
			w, open := cal.At(m.at)
			if name == "a day round" && m.at.Equal(last.Add(time.Minute)) {
				continue
			}
			if open != m.open || open && (!w.Start.Equal(first) || !w.End.Equal(last.Add(time.Minute)) || w.Name != name) {
				t.Errorf("%s: at %s open %t, %s to %s; want %t", name, m.at, open, w.Start, w.End, m.open)
			}
		}
		if w, ok := cal.Next(first.Add(-time.Hour)); !ok || !w.Start.Equal(first) {
			t.Errorf("%s: an hour before, the next is at %s (%t)", name, w.Start, ok)
		}
	}
}

func TestOfSeveralWindowsTheLastToEndCounts(t *testing.T) {
	d := slot.Date{Year: 2026, Month: 11, Day: 27}
	cal := slot.Calendar{
		{Name: "game", Dates: []slot.Date{d}, From: clock(t, "18:00"), To: clock(t, "22:00")},
		{Name: "concert", Dates: []slot.Date{d}, From: clock(t, "20:00"), To: clock(t, "23:00")},
		{Name: "warm-up", Dates: []slot.Date{d}, From: clock(t, "20:00"), To: clock(t, "21:00")},
	}
	for when, want := range map[string]string{"2026-11-27T19:00:00Z": "game", "2026-11-27T20:30:00Z": "concert", "2026-11-27T22:30:00Z": "concert", "2026-11-27T23:00:00Z": ""} {
		if w, _ := cal.At(at(t, when)); w.Name != want {
			t.Errorf("%s: %q, want %q", when, w.Name, want)
		}
	}
	if _, ok := cal.Next(at(t, "2026-11-28T00:00:00Z")); ok {
		t.Error("there is a next one, though all dates have passed")
	}
}

func TestWhatIsNoTimeDayDateOrZone(t *testing.T) {
	for _, s := range []string{"", "9:00", "24:01", "12:60", "25:00", "-1:00", "1900", "19.00", "19:0o", "19:00:00"} {
		if c, err := slot.ParseClock(s); err == nil {
			t.Errorf("%q is %s", s, c)
		}
	}
	for _, s := range []string{"", "Mon", "monday", "tues"} {
		if d, err := slot.ParseDay(s); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
	for _, s := range []string{"", "2026-02-30", "27.11.2026", "2026-1-1"} {
		if d, err := slot.ParseDate(s); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
	for _, s := range []string{"", "Local", "Chicago", "../../etc/passwd", "CET+1"} {
		if z, err := slot.ParseZone(s); err == nil {
			t.Errorf("%q is %s", s, z)
		}
	}
}

func TestAnEventThatIsCalled(t *testing.T) {
	wall := at(t, "2026-11-27T18:00:00Z")
	begun := slot.Moment{Wall: wall, Known: true, Boot: "x", Mono: time.Hour}
	blind := slot.Moment{Wall: time.Unix(0, 0), Boot: "x", Mono: time.Hour}
	for name, c := range map[string]struct {
		begin, now slot.Moment
		left       time.Duration
	}{
		"at once":                              {begun, begun, 4 * time.Hour},
		"three hours later":                    {begun, slot.Moment{Wall: wall.Add(3 * time.Hour), Known: true, Boot: "x", Mono: 4 * time.Hour}, time.Hour},
		"at its end":                           {begun, slot.Moment{Wall: wall.Add(4 * time.Hour), Known: true, Boot: "x", Mono: 5 * time.Hour}, 0},
		"the clock jumped ahead":               {begun, slot.Moment{Wall: wall.Add(1000 * time.Hour), Known: true, Boot: "x", Mono: 2 * time.Hour}, 3 * time.Hour},
		"the clock jumped back":                {begun, slot.Moment{Wall: wall.Add(-1000 * time.Hour), Known: true, Boot: "x", Mono: 6 * time.Hour}, -time.Hour},
		"another boot, an hour later":          {begun, slot.Moment{Wall: wall.Add(time.Hour), Known: true, Boot: "y", Mono: time.Minute}, 3 * time.Hour},
		"another boot, a day later":            {begun, slot.Moment{Wall: wall.Add(24 * time.Hour), Known: true, Boot: "y", Mono: time.Minute}, -20 * time.Hour},
		"another boot, the clock is behind":    {begun, slot.Moment{Wall: wall.Add(-24 * time.Hour), Known: true, Boot: "y", Mono: time.Minute}, 4 * time.Hour},
		"another boot, the time is not known":  {begun, slot.Moment{Wall: time.Unix(0, 0), Boot: "y", Mono: time.Hour}, 3 * time.Hour},
		"and not for as long as it lasts":      {begun, slot.Moment{Wall: time.Unix(0, 0), Boot: "y", Mono: 4 * time.Hour}, 0},
		"begun without the time":               {blind, slot.Moment{Wall: wall, Known: true, Boot: "x", Mono: 2 * time.Hour}, 3 * time.Hour},
		"begun without, another boot with it":  {blind, slot.Moment{Wall: wall, Known: true, Boot: "y", Mono: time.Hour}, 3 * time.Hour},
		"begun without, another boot long ago": {blind, slot.Moment{Wall: wall, Known: true, Boot: "y", Mono: 9 * time.Hour}, -5 * time.Hour},
	} {
		dir := t.TempDir()
		called := slot.Call(c.begin, 4*time.Hour, "uid 0")
		if err := slot.SaveCalled(dir, &called); err != nil {
			t.Fatal(err)
		}
		got, err := slot.LoadCalled(dir)
		if err != nil || got == nil {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		if left, on := got.At(c.now); left != c.left || on != (c.left > 0) {
			t.Errorf("%s: %s left, on %t; want %s", name, left, on, c.left)
		}
	}
}

func TestTheFileOfAnEvent(t *testing.T) {
	dir := t.TempDir()
	if c, err := slot.LoadCalled(dir); c != nil || err != nil {
		t.Errorf("none: %v, %v", c, err)
	}
	if _, on := (*slot.Called)(nil).At(slot.Moment{}); on {
		t.Error("no event is on")
	}
	called := slot.Call(slot.Moment{}, time.Hour, "")
	if err := slot.SaveCalled(dir, &called); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := slot.SaveCalled(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := slot.LoadCalled(dir); c != nil || err != nil {
		t.Errorf("ended: %v, %v", c, err)
	}
	for _, bad := range []string{"", "{", `{"lasts_ns":-1}`, `{"lasts_ns":9000000000000000000}`} {
		if err := os.WriteFile(filepath.Join(dir, slot.EventFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := slot.LoadCalled(dir); c != nil || err == nil {
			t.Errorf("%q: %v, %v", bad, c, err)
		}
	}
}
