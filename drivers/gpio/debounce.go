package gpio

// debouncer turns a line's edges into the levels that held for wait. It is a pure state machine: all times are monotonic ns, passed in.
type debouncer struct {
	wait   int64
	steady bool  // the level that counts
	level  bool  // of the line
	since  int64 // when the line took it
}

// change is a level that has come to count.
type change struct {
	level bool
	edge  int64 // when the line took it
	at    int64 // when it had held for long enough
}

// start sets both levels: what is there when a line is opened counts at once.
func (d *debouncer) start(at int64, level bool) {
	d.steady, d.level, d.since = level, level, at
}

// edge takes in that the line has had level since at, and returns what that lets count: the level before, if it held for long enough, or
// this one, if there is nothing to wait for. Edges come in order; one dated earlier counts as simultaneous with the last.
func (d *debouncer) edge(at int64, level bool) (change, bool) {
	at = max(at, d.since)
	c, changed := d.advance(at)
	d.level, d.since = level, at
	if d.wait == 0 {
		return d.advance(at)
	}
	return c, changed
}

// advance lets time pass until now.
func (d *debouncer) advance(now int64) (change, bool) {
	if d.level == d.steady || now-d.since < d.wait {
		return change{}, false
	}
	d.steady = d.level
	return change{level: d.level, edge: d.since, at: d.since + d.wait}, true
}

// due returns when advance will have something, if no edge comes before.
func (d *debouncer) due() (at int64, pending bool) { return d.since + d.wait, d.level != d.steady }
