package venuesim

import (
	"github.com/courtside-edge/courtside/sync/point"
	"github.com/courtside-edge/courtside/tools/venuesim/crowd"
	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

// Truth is what really happened and is, whatever anybody read of it.
type Truth struct {
	Venue            string      `json:"venue"`
	Seed             uint64      `json:"seed"`
	Stage            Stage       `json:"stage"`
	Final            bool        `json:"final"` // nobody moves, and every device was polled completely since
	SimulatedSeconds float64     `json:"simulated_seconds"`
	Passages         Passages    `json:"passages"`
	Inside           int         `json:"inside"`
	Gates            []GateTruth `json:"gates"`
	Seats            SeatTruth   `json:"seats"`
	Panels           []PanelWord `json:"panels"`
}

// Passages counts people both ways.
type Passages struct {
	In  uint64 `json:"in"`
	Out uint64 `json:"out"`
}

// GateTruth is the passages of one gate and of its lanes, the first lane first.
type GateTruth struct {
	Gate string `json:"gate"` // its place on the map
	Passages
	Lanes []Passages       `json:"lanes"`
	Ring  *field.RingState `json:"ring,omitempty"` // of a gate that has one
}

// SeatTruth is which seats are taken.
type SeatTruth struct {
	Total    int             `json:"total"`
	Occupied int             `json:"occupied"`
	Sections []SectionTruth  `json:"sections"`
	States   map[string]bool `json:"states"` // by place: somebody sits there
}

// SectionTruth is how many seats of a section are taken.
type SectionTruth struct {
	Section  string `json:"section"`
	Total    int    `json:"total"`
	Occupied int    `json:"occupied"`
}

// PanelWord is the status word of one panel.
type PanelWord struct {
	Panel string `json:"panel"` // its place on the map
	Word  uint16 `json:"word"`
}

// State is a short summary of a running venue.
type State struct {
	Venue            string      `json:"venue"`
	Stage            Stage       `json:"stage"`
	Phase            crowd.Phase `json:"phase"`
	SimulatedSeconds float64     `json:"simulated_seconds"`
	EventSeconds     float64     `json:"event_seconds"`
	Speed            float64     `json:"speed"`
	Passages         Passages    `json:"passages"`
	Inside           int         `json:"inside"`
	Seated           int         `json:"seated"`
	Polls            int         `json:"polls"` // complete ones of all Modbus devices, since the start or the freeze
}

// Passage is one person passing one lane.
type Passage struct {
	SimulatedSeconds float64 `json:"simulated_seconds"` // since the doors opened
	Gate             string  `json:"gate"`              // its place on the map
	Lane             int     `json:"lane"`              // from 1
	Direction        string  `json:"direction"`         // "in" or "out"
}

// Passages returns each passage so far, in order.
func (s *Sim) Passages() []Passage {
	s.mu.Lock()
	happened := s.crowd.Happened()
	s.mu.Unlock()
	directions := map[crowd.Kind]point.Direction{crowd.Enter: point.In, crowd.Leave: point.Out}
	passages := []Passage{}
	for _, e := range happened {
		direction, passed := directions[e.Kind]
		if !passed {
			continue
		}
		lane := s.lanes[e.Index]
		passages = append(passages, Passage{
			SimulatedSeconds: e.At.Seconds(), Gate: s.arena.Gates[lane.gate].Place, Lane: lane.number, Direction: direction.String(),
		})
	}
	return passages
}

// Truth returns the present truth; it is the verdict's once it is final.
func (s *Sim) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Truth{
		Venue: s.arena.Venue, Seed: s.options.Seed, Stage: s.stage, Final: s.stage == Final,
		SimulatedSeconds: s.crowd.Now().Seconds(), Inside: s.crowd.Inside(),
		Seats: SeatTruth{Total: len(s.arena.Seats), States: make(map[string]bool, len(s.arena.Seats))},
	}
	for i, g := range s.arena.Gates {
		t.Gates = append(t.Gates, GateTruth{Gate: g.Place})
		if ring, some := s.field.Ring(i); some {
			t.Gates[i].Ring = &ring
		}
	}
	for i, lane := range s.lanes {
		p, gate := s.passed(i), &t.Gates[lane.gate]
		gate.Lanes = append(gate.Lanes, p)
		gate.add(p)
		t.Passages.add(p)
	}
	for _, section := range s.arena.Sections {
		first, count := section.Seats()
		of := SectionTruth{Section: section.Name, Total: count}
		for i := first; i < first+count; i++ {
			taken := s.crowd.Weight(i) > 0
			t.Seats.States[s.arena.Seats[i].Place()] = taken
			if taken {
				of.Occupied++
			}
		}
		t.Seats.Sections = append(t.Seats.Sections, of)
		t.Seats.Occupied += of.Occupied
	}
	for i, p := range s.arena.Panels {
		t.Panels = append(t.Panels, PanelWord{Panel: p.Place, Word: s.crowd.Word(i)})
	}
	return t
}

// Rings returns the state of each gate's ring, in the order of the arena's gates; nothing when gates have none.
func (s *Sim) Rings() []field.RingState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []field.RingState
	for i := range s.arena.Gates {
		if ring, some := s.field.Ring(i); some {
			all = append(all, ring)
		}
	}
	return all
}

// State returns a short summary.
func (s *Sim) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{
		Venue: s.arena.Venue, Stage: s.stage, Phase: crowd.PhaseAt(s.crowd.Now(), s.options.EventLength),
		SimulatedSeconds: s.crowd.Now().Seconds(), EventSeconds: s.options.EventLength.Seconds(), Speed: s.options.Speed,
		Inside: s.crowd.Inside(), Seated: s.crowd.Seated(), Polls: s.field.Polls(false),
	}
	for lane := range s.lanes {
		state.Passages.add(s.passed(lane))
	}
	return state
}

// passed returns the passages of a lane, counted over all gates.
func (s *Sim) passed(lane int) Passages {
	in, out := s.crowd.Passed(lane)
	return Passages{In: uint64(in), Out: uint64(out)}
}

func (p *Passages) add(q Passages) {
	p.In += q.In
	p.Out += q.Out
}
