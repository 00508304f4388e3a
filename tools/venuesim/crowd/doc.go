// Package crowd is what people do at one event in the simulated venue: they come through a gate lane, walk, sit,
// get up at half-time or for a drink, and leave through a gate lane again.
//
// An event is a Timetable: every passage, sitting down, getting up and change of a panel, with its simulated time, all drawn
// before the doors open. It depends on the arena and the options alone, so equal options give equal timetables. A Crowd
// replays a timetable up to a time that its caller passes in; it reads no clock and starts no goroutine.
//
// What always holds: each person has one seat and one itinerary (Enter, then Sit and Rise in turns, then Leave); nobody
// sits who is not inside; a lane lets one person pass a direction per LaneGap; nothing happens after the event's length.
package crowd
