package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/courtside-edge/courtside/sync/settings"
)

// Scenario is a list of faults and when they come.
type Scenario struct {
	Name     string `yaml:"name,required"`
	Seed     uint64 `yaml:"seed"`
	Gateways int    `yaml:"gateways" min:"1" max:"4"`
	Steps    []Step `yaml:"steps,required"`
}

// Step is one fault. Steps follow each other; what lasts For goes on while the next steps come.
type Step struct {
	After time.Duration `yaml:"after" max:"1h"`
	Do    Action        `yaml:"do,required" enum:"cut,half-open,hold,throttle,delay,corrupt,refuse,kill-gateway,stop-gateway,kill-aggregator,stop-aggregator,device-away,fill-disk,nothing"`
	// Gateway is the number of the gateway that it happens to, or to whose link or device.
	Gateway int           `yaml:"gateway" max:"3"`
	For     time.Duration `yaml:"for" max:"1h"` // how long it lasts; how long a killed program stays away
}

// Action names a fault.
type Action string

// The faults.
const (
	Cut            Action = "cut"             // of the link: RST to both ends
	HalfOpen       Action = "half-open"       // the gateway's end is reset, the broker hears nothing
	Hold           Action = "hold"            // the link is a black hole
	Throttle       Action = "throttle"        // 32 KiB a second
	Delay          Action = "delay"           // 400 ms each way
	Corrupt        Action = "corrupt"         // a flipped bit every 20 kB; TLS ends such a connection
	Refuse         Action = "refuse"          // new connections are reset
	KillGateway    Action = "kill-gateway"    // SIGKILL, away for a while, started again
	StopGateway    Action = "stop-gateway"    // SIGTERM, likewise
	KillAggregator Action = "kill-aggregator" // SIGKILL, likewise
	StopAggregator Action = "stop-aggregator" // SIGTERM, likewise
	DeviceAway     Action = "device-away"     // the PLC's connections are reset and refused
	FillDisk       Action = "fill-disk"       // the gateway's disk is full; needs the right to mount
	Nothing        Action = "nothing"         // time passes
)

// Load reads a scenario from a YAML file.
func Load(path string) (Scenario, error) {
	s := Scenario{Gateways: 1}
	root, err := settings.Load(path, settings.Limits{})
	if err != nil {
		return s, err
	}
	if err := root.Decode(&s); err != nil {
		return s, err
	}
	for i, st := range s.Steps {
		if st.Gateway >= s.Gateways {
			return s, root.Fault(fmt.Sprintf("steps.%d.gateway", i), "the scenario has %d gateways, numbered from 0", s.Gateways)
		}
	}
	return s, nil
}

// Length returns how long the steps take at least.
func (s *Scenario) Length() (d time.Duration) {
	for _, st := range s.Steps {
		d += st.After
	}
	return d
}

// Count returns how many steps do one of the actions.
func (s *Scenario) Count(actions ...Action) (n int) {
	for _, st := range s.Steps {
		for _, a := range actions {
			if st.Do == a {
				n++
			}
		}
	}
	return n
}

// Kills and Cuts are the actions that a soak counts.
func Kills() []Action { return []Action{KillGateway, KillAggregator} }

// Cuts are the actions that end connections of the link or silence it.
func Cuts() []Action { return []Action{Cut, HalfOpen, Hold} }

const (
	killEvery  = 5500 * time.Millisecond // of a soak, on average
	cutEvery   = 11 * time.Second
	otherEvery = 20 * time.Second
)

// Random draws a scenario of that length: a kill every 5.5 s, a cut every 11 s and something else every 20 s on average, so that 20
// minutes hold more than 200 kills and 100 cuts. The same seed draws the same.
func Random(seed uint64, length time.Duration, gateways int) Scenario {
	r := rand.New(rand.NewPCG(seed, 0x5041))
	s := Scenario{Name: fmt.Sprintf("soak of %v", length), Seed: seed, Gateways: gateways}
	kills, cuts, others := int(length/killEvery)+1, int(length/cutEvery)+1, int(length/otherEvery)
	var kinds []func() Step
	for range kills {
		kinds = append(kinds, func() Step { return randomKill(r) })
	}
	for range cuts {
		kinds = append(kinds, func() Step { return randomCut(r) })
	}
	for range others {
		kinds = append(kinds, func() Step { return randomOther(r) })
	}
	r.Shuffle(len(kinds), func(i, k int) { kinds[i], kinds[k] = kinds[k], kinds[i] })
	// Uniform times, as independent faults have: some come on top of each other, some leave peace for a while.
	mean := length / time.Duration(len(kinds))
	for _, kind := range kinds {
		st := kind()
		st.After = time.Duration(r.ExpFloat64() * float64(mean))
		st.Gateway = r.IntN(gateways)
		s.Steps = append(s.Steps, st)
	}
	if total := s.Length(); total > 0 {
		for i := range s.Steps {
			s.Steps[i].After = time.Duration(float64(s.Steps[i].After) * float64(length) / float64(total)).Round(time.Millisecond)
		}
	}
	return s
}

func randomKill(r *rand.Rand) Step {
	st := Step{Do: KillGateway, For: upTo(r, 50*time.Millisecond)}
	if r.IntN(5) < 2 {
		st.Do = KillAggregator
	}
	if r.IntN(8) == 0 {
		st.For = upTo(r, 4*time.Second)
	}
	return st
}

func randomCut(r *rand.Rand) Step {
	switch r.IntN(6) {
	case 0, 1:
		return Step{Do: Hold, For: upTo(r, 6*time.Second)}
	case 2:
		return Step{Do: HalfOpen}
	}
	return Step{Do: Cut}
}

func randomOther(r *rand.Rand) Step {
	all := []Action{Throttle, Delay, Corrupt, Refuse, StopGateway, StopAggregator, DeviceAway}
	st := Step{Do: all[r.IntN(len(all))], For: upTo(r, 5*time.Second)}
	if st.Do == StopGateway || st.Do == StopAggregator {
		st.For = upTo(r, 500*time.Millisecond)
	}
	return st
}

func upTo(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d))).Round(time.Millisecond)
}
