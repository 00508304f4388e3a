// Package heatmap turns a venue's state into layers on a grid of square cells, 1 m by default.
//
// A layer is a view: it is computed from the state each time it is asked for, so that late data,
// gaps and the future need no bookkeeping here. A cell without anything to measure is absent (NaN, null in
// JSON, transparent in PNG); a cell whose value is not known is absent too, never zero.
package heatmap
