// Package arena is the geometry of the simulated venue dal-001: a basketball court inside a bowl of
// two rings of sections, gates around the concourse and LED panels.
//
// Everything is in metres from the centre spot, x along the court's length (east) and y across it (north).
// The bowl is a family of rounded rectangles around the court: a row is the curve at one radius from the bowl's inner
// rectangle, a section lies between two normals to these curves. The geometry is computed, never random: two calls of
// Dallas return the same arena, and seats, gates and panels keep their order for ever, because point tables,
// register addresses and the crowd's choices follow it.
package arena
