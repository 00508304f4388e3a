package clock

import "time"

// look takes in a reading and settles which map is in force. The caller holds the lock.
func (k *Keeper) look(r Reading) {
	if k.begun && r.Mono < k.at {
		return // an older reading came late; the newer one counts
	}
	passed := r.Mono - k.at
	moved := r.Wall - r.Mono - k.system
	source := System
	if r.Synchronised {
		source = NTP
	}
	jumped := k.begun && abs(moved) > max(int64(k.tolerance(r)), int64(leastUncertainty))
	before := k.held.Offset
	k.system, k.at = r.Wall-r.Mono, r.Mono
	k.settle(r, passed)
	by := k.held.Offset - before
	followed := k.begun && k.held.Source.Dated() && abs(int64(by)) > int64(Slack) && before != 0
	k.begun = true
	switch {
	case jumped:
		k.report(Jump{Mono: r.Mono, By: time.Duration(moved), Source: source, Followed: by != 0})
	case followed:
		k.report(Jump{Mono: r.Mono, By: by, Source: k.held.Source, Followed: true})
	}
}

// tolerance is what the system clock may move by without a jump.
func (k *Keeper) tolerance(r Reading) time.Duration {
	if r.Synchronised {
		return min(max(r.MaxError, leastUncertainty), Slack)
	}
	return systemUncertainty
}

func (k *Keeper) report(j Jump) {
	k.status.Jumps++
	k.status.Last = j
	k.o.Jump(j)
}

// settle moves the map in force to what the clocks say together.
func (k *Keeper) settle(r Reading, passed int64) {
	var said []candidate // trustworthy ones, the preferred first
	k.status.Disagree = 0
	if r.Synchronised {
		said = append(said, candidate{NTP, r.Wall - r.Mono, max(int64(r.MaxError), int64(leastUncertainty))})
	}
	if k.cloud.known {
		c := k.cloud.wide(r.Mono).candidate()
		if len(said) > 0 && !said[0].agrees(c) {
			k.status.Disagree = time.Duration(c.offset - said[0].offset)
			said = []candidate{c, said[0]}
		} else {
			said = append(said, c)
		}
	}
	switch {
	case !k.held.Source.Dated() && len(said) > 0:
		k.take(said[0], r)
	case !k.held.Source.Dated():
		k.guess(r)
	default:
		k.uphold(said, r, passed)
	}
}

// take begins a new map.
func (k *Keeper) take(c candidate, r Reading) {
	k.held = Map{Boot: r.Boot, From: r.Mono, Offset: time.Duration(c.offset), Uncertainty: time.Duration(c.uncertainty), Source: c.source}
	k.fresh = r.Mono
	k.doubt = doubt{}
}

// guess dates a boot that nothing trustworthy has dated: by the system clock, if that can be right.
func (k *Keeper) guess(r Reading) {
	c := candidate{System, r.Wall - r.Mono, int64(systemUncertainty)}
	switch {
	case r.Wall < earliest || time.Unix(0, r.Wall).Before(k.o.Floor()):
		if k.held.Source != Unknown || !k.begun {
			k.held = Map{Boot: r.Boot, From: r.Mono}
		}
	case k.held.Source != System || abs(c.offset-int64(k.held.Offset)) > c.uncertainty:
		k.take(c, r)
	}
}

// uphold keeps the map of a dated boot, corrects it within Slack, and leaves it only for what is confirmed or lasts.
func (k *Keeper) uphold(said []candidate, r Reading, passed int64) {
	held := k.heldNow(r.Mono)
	var with, against []candidate
	for _, c := range said {
		if c.agrees(held) {
			with = append(with, c)
		} else {
			against = append(against, c)
		}
	}
	switch {
	case len(against) == 0:
		k.doubt = doubt{}
	case len(with) == 0 && len(against) == 2 && against[0].agrees(against[1]):
		k.take(against[0], r)
		return
	default:
		c := against[0]
		if !k.doubt.open || abs(k.doubt.offset-c.offset) > int64(Slack)+c.uncertainty {
			k.doubt = doubt{open: true, offset: c.offset, since: r.Mono}
		}
		if (len(with) == 0 || c.source == Cloud) && r.Mono-k.doubt.since >= int64(StepPatience) {
			k.take(c, r)
			return
		}
	}
	if len(with) > 0 {
		k.correct(with[0], r, passed)
	}
}

// correct moves the map in force towards a clock that agrees with it: not at all within that clock's uncertainty, at once
// forwards, and backwards slowly.
func (k *Keeper) correct(c candidate, r Reading, passed int64) {
	off := int64(k.held.Offset)
	to := min(max(off, c.offset-c.uncertainty), c.offset+c.uncertainty)
	if c.source == NTP && k.held.Source != NTP {
		to = c.offset
	}
	if to < off {
		to = max(to, off-max(passed, 0)/slewShare)
	}
	if to != off {
		k.held.From = r.Mono
	}
	k.held.Offset, k.held.Source = time.Duration(to), c.source
	u := abs(to-c.offset) + c.uncertainty
	if abs(to-c.offset) <= c.uncertainty { // else it is still on its way
		u = min(u, int64(k.held.Uncertainty)+drift(r.Mono-k.fresh))
	}
	k.held.Uncertainty = time.Duration(u)
	k.fresh = r.Mono
}
