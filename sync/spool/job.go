package spool

import (
	"errors"
	"fmt"

	"github.com/courtside-edge/courtside/sync/interval"
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/sync/segment"
)

const (
	// maxJobBatches and maxJobBytes bound one transaction, so that a failed one is cheap to try again.
	maxJobBatches = 64
	maxJobBytes   = 1 << 20
	// makeRoom is how much stored telemetry drops at once when the disk is full: a store
	// frees whole segments only.
	makeRoom = 16 << 20
	// lazyReleases is how many runs of released offsets wait for a batch to go with; a release without one is its own job.
	lazyReleases = 64
)

// Job is disk work: batches to store with their state, and places to release. Run touches the store and
// nothing of the spool, so it may run on another goroutine; one job a lane is out at a time.
type Job struct {
	lane     point.Lane
	store    Store
	tx       Tx
	seqs     []uint64 // of the open epoch, one a record
	tables   []*table // in the state of tx
	cursors  []point.Cursor
	state    map[string][]byte // in tx too; goes back to the lane if the job fails
	urgent   bool
	saved    []savedGap
	carries  bool // a batch of gaps is among the records
	final    bool // marks the epoch as clean
	releases []interval.Interval

	reads *warming // what to read for the drop policy; such a job does nothing else

	first uint64
	err   error
}

// Run does the work. It blocks on the disk. Places are released first: a full disk needs them.
func (j *Job) Run() {
	if j.reads != nil {
		j.reads.run(j.store)
		return
	}
	for len(j.releases) > 0 {
		r := j.releases[0]
		if err := j.store.Release(r.From, r.To); err != nil {
			j.err = fmt.Errorf("releasing %s batches: %w", j.lane, err)
			return
		}
		j.releases = j.releases[1:]
	}
	if len(j.tx.Records) == 0 && len(j.tx.Set) == 0 {
		return
	}
	if j.first, j.err = j.store.Append(j.tx); j.err != nil {
		j.err = fmt.Errorf("storing %d %s batches: %w", len(j.tx.Records), j.lane, j.err)
		return
	}
	if _, j.err = j.store.Sync(); j.err != nil {
		j.err = fmt.Errorf("syncing %d %s batches: %w", len(j.tx.Records), j.lane, j.err)
	}
}

// Lane returns the lane whose store the job works on.
func (j *Job) Lane() point.Lane { return j.lane }

// Effects are what finished disk work brings about.
type Effects struct {
	Durable []point.BatchID // critical batches that are durable now; tell the devices
	Err     error           // of the store; it will be tried again
}

// Next returns the disk work of a lane that is due, or nil. Its result goes to Finish.
func (s *Spool) Next(now int64, which point.Lane) *Job {
	l := s.lane(which)
	if l.store == nil || l.job != nil || now < l.retryAt {
		return nil
	}
	if which == point.Telemetry {
		s.dropAged(now)
	}
	j := &Job{lane: which, store: l.store}
	if l.warm != nil {
		j.reads, l.job = l.warm, j
		l.warm = nil
		j.reads.list()
		return j
	}
	s.pick(now, l, j)
	if which == point.Critical {
		j.saved = s.saveGaps(l)
		if j.carries {
			s.forgetRiding(l)
		}
		s.markClean(l, j)
	}
	if len(j.seqs) > 0 || l.urgent || len(j.saved) > 0 || j.final {
		for k, v := range l.state {
			j.put(k, v)
		}
		j.state, j.urgent = l.state, l.urgent
		l.state, l.urgent = nil, false
	}
	if len(j.tx.Records) > 0 || len(j.tx.Set) > 0 || l.release.Len() > lazyReleases || s.closing {
		for iv := range l.release.All() {
			j.releases = append(j.releases, iv)
		}
		l.release = interval.Set{}
	}
	if len(j.tx.Records) == 0 && len(j.tx.Set) == 0 && len(j.releases) == 0 {
		return nil
	}
	l.job = j
	return j
}

// pick puts the batches that are due into the job, oldest first.
func (s *Spool) pick(now int64, l *lane, j *Job) {
	hold := &s.open.hold[laneAt(l.lane)]
	if l.lane == point.Telemetry && !s.spillDue(now, l, hold) {
		return
	}
	bytes := 0
	for iv := range hold.unstored.All() {
		for seq := iv.From; seq < iv.To; seq++ {
			e := hold.get(seq)
			if len(j.seqs) == maxJobBatches || bytes > 0 && bytes+len(e.frame) > maxJobBytes {
				return
			}
			if l.lane == point.Telemetry && !s.spills(now, l, e, int64(bytes)) {
				return
			}
			e.storing = true
			bytes += len(e.frame)
			j.seqs = append(j.seqs, seq)
			j.tx.Records = append(j.tx.Records, e.frame)
			j.carries = j.carries || e.carriesGaps
			s.takeAlong(l, j, seq, e)
		}
	}
}

// takeAlong puts what commits with a batch into its job: its table, unless the store has it, and its cursors.
func (s *Spool) takeAlong(l *lane, j *Job, seq uint64, e *entry) {
	if !e.table.in[laneAt(l.lane)] {
		for p, b := range e.table.parts {
			j.set(tableKey(e.table.hash, p), b)
		}
		j.tables = append(j.tables, e.table)
	}
	for _, c := range l.cursors[seq] {
		j.set(cursorName(c.Device, c.Name), c.Bytes)
		j.cursors = append(j.cursors, c)
	}
}

// set sets state; an empty value is not a deletion.
func (j *Job) set(key string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	j.put(key, value)
}

func (j *Job) put(key string, value []byte) {
	if j.tx.Set == nil {
		j.tx.Set = map[string][]byte{}
	}
	j.tx.Set[key] = value
}

func (s *Spool) spillDue(now int64, l *lane, hold *holding) bool {
	first, ok := hold.unstored.First()
	if !ok {
		return false
	}
	return s.closing || l.ram.Bytes > s.opt.Window/4*3 || now-hold.get(first.From).at >= int64(s.opt.SpillAfter)
}

// spills says that a batch goes along once a spill is due: at half the age, so that an outage costs few
// syncs a second, or until half of the window is free.
func (s *Spool) spills(now int64, l *lane, e *entry, already int64) bool {
	return s.closing || l.ram.Bytes-already > s.opt.Window/2 || now-e.at >= int64(s.opt.SpillAfter)/2
}

// forgetRiding deletes the records of gaps that a batch of this job carries.
func (s *Spool) forgetRiding(l *lane) {
	for _, p := range s.gaps.pending {
		if p.riding && p.stored {
			l.put(gapKey(p.id), nil)
		}
	}
}

// markClean makes the job the last one, if the spool closes and nothing else is left to store.
func (s *Spool) markClean(l *lane, j *Job) {
	if !s.closing || s.closed || s.lane(point.Telemetry).job != nil {
		return
	}
	if s.open.hold[0].unstored.Len() > 0 || s.open.hold[1].unstored.Count() > uint64(len(j.seqs)) {
		return
	}
	s.open.clean = true
	l.put(s.open.key(), s.open.encode())
	s.open.clean = false
	j.final = true
}

// Finish takes in a job that has run.
func (s *Spool) Finish(now int64, j *Job) Effects {
	l := s.lane(j.lane)
	l.job = nil
	if j.reads != nil {
		s.dropWarm(l, j.reads)
		return Effects{}
	}
	l.err = j.err
	hold := &s.open.hold[laneAt(j.lane)]
	if j.err != nil {
		s.finishFailed(now, l, hold, j)
		return Effects{Err: j.err}
	}
	for _, t := range j.tables {
		t.in[laneAt(j.lane)] = true
	}
	for _, c := range j.cursors {
		s.cursors[cursorKey{c.Device, c.Name}] = c.Bytes
	}
	var fx Effects
	for i, seq := range j.seqs {
		delete(l.cursors, seq)
		s.nowStored(l, hold, seq, j.first+uint64(i))
		if j.lane == point.Critical {
			fx.Durable = append(fx.Durable, point.BatchID{Epoch: s.open.id, Lane: j.lane, Seq: seq})
		}
	}
	for _, g := range j.saved {
		s.releaseAll(g.places)
	}
	if j.carries {
		s.landed()
	}
	if j.final {
		s.open.clean, s.closed = true, true
	}
	if j.lane == point.Telemetry {
		if l.space > 0 {
			l.space = max(l.space, l.stored.Bytes)
		}
		s.dropStored(s.opt.Limit)
	}
	return fx
}

// nowStored notes that a batch is durable at an offset, or releases the place if it left meanwhile.
func (s *Spool) nowStored(l *lane, hold *holding, seq, offset uint64) {
	e := hold.get(seq)
	if e == nil {
		l.release.AddOne(offset)
		return
	}
	hold.unstored.Remove(one(seq))
	l.ram.sub(e)
	l.stored.add(e)
	e.stored, e.storing, e.offset = true, false, offset
	if l.lane == point.Critical {
		hold.live.AddOne(seq) // offered only now; the frame stays at hand for it
	} else {
		s.stats.Spilled.add(e)
		e.frame = nil
		if e.state == waiting {
			hold.live.Remove(one(seq))
			hold.backlog.AddOne(seq)
		}
	}
	s.place(l, s.open, seq, e)
}

// finishFailed puts everything back to be tried again. Whether a part of it is on the disk is unknown, which does no
// harm: the same batches have the same numbers.
func (s *Spool) finishFailed(now int64, l *lane, hold *holding, j *Job) {
	s.stats.StoreErrors++
	l.retryAt = now + int64(s.opt.Retry)
	for _, seq := range j.seqs {
		if e := hold.get(seq); e != nil {
			e.storing = false
		}
	}
	for k, v := range j.state {
		if _, newer := l.state[k]; !newer && !(j.final && k == s.open.key()) {
			l.put(k, v)
		}
	}
	l.urgent = l.urgent || j.urgent
	for _, g := range j.saved {
		g.unsaved()
	}
	for _, r := range j.releases {
		l.release.Add(r)
	}
	if !isFull(j.err) {
		return
	}
	if j.lane == point.Telemetry {
		l.space = max(l.stored.Bytes, 1)
		s.dropStored(max(0, l.stored.Bytes-makeRoom))
		return
	}
	// The record of a gap needs space that only the release of what it declares can give.
	for _, p := range s.gaps.pending {
		s.releasePlaces(p)
	}
}

func isFull(err error) bool { return errors.Is(err, segment.ErrFull) }
