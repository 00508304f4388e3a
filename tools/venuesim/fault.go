package venuesim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/courtside-edge/courtside/tools/venuesim/field"
)

// Fault is something that a device is told to do, and when. Times are real.
type Fault struct {
	field.Fault
	After time.Duration // from when it is injected; of Options.Faults from the start
	For   time.Duration // how long a lasting one lasts; 0 for until Heal
}

// faultText is a fault as flags and the control API have it.
type faultText struct {
	Device string `json:"device"`
	Do     string `json:"do"`
	Delay  string `json:"delay,omitempty"`
	Code   int    `json:"code,omitempty"`
	Count  int    `json:"count,omitempty"`
	Forget bool   `json:"forget,omitempty"`
	After  string `json:"after,omitempty"`
	For    string `json:"for,omitempty"`
}

// ParseFault reads a fault as a flag has it: "plc-gates-1:delay,delay=200ms,after=10s,for=5s".
// What may follow the device and what it does: delay, code, count, forget, after, for.
func ParseFault(s string) (Fault, error) {
	refuse := func(why string) (Fault, error) {
		return Fault{}, fmt.Errorf("read fault %q: %s; write DEVICE:FAULT[,KEY=VALUE…] such as plc-gates-1:delay,delay=200ms,after=10s,for=5s", s, why)
	}
	device, rest, ok := strings.Cut(s, ":")
	if !ok {
		return refuse("there is no colon")
	}
	do, keys, some := strings.Cut(rest, ",")
	t := faultText{Device: device, Do: do}
	for pair := range strings.SplitSeq(keys, ",") {
		if !some {
			break
		}
		key, value, _ := strings.Cut(pair, "=")
		var err error
		switch key {
		case "delay":
			t.Delay = value
		case "after":
			t.After = value
		case "for":
			t.For = value
		case "code":
			t.Code, err = strconv.Atoi(value)
		case "count":
			t.Count, err = strconv.Atoi(value)
		case "forget":
			t.Forget, err = strconv.ParseBool(value)
		default:
			return refuse(fmt.Sprintf("%q is no key of a fault", key))
		}
		if err != nil {
			return refuse(fmt.Sprintf("%q is no value of %s", value, key))
		}
	}
	f, err := t.fault()
	if err != nil {
		return refuse(err.Error())
	}
	return f, nil
}

// fault returns what the text says.
func (t faultText) fault() (Fault, error) {
	f := Fault{Fault: field.Fault{Device: t.Device, Do: field.Ill(t.Do), Code: t.Code, Count: t.Count, Forget: t.Forget}}
	for _, d := range []struct {
		key, text string
		into      *time.Duration
	}{{"delay", t.Delay, &f.Delay}, {"after", t.After, &f.After}, {"for", t.For, &f.For}} {
		if d.text == "" {
			continue
		}
		v, err := time.ParseDuration(d.text)
		if err != nil || v < 0 {
			return f, fmt.Errorf("%q is no duration for %s", d.text, d.key)
		}
		*d.into = v
	}
	if !slices.Contains(field.Ills(), f.Do) {
		return f, fmt.Errorf("%q is nothing that a device can be told; use one of %v", t.Do, field.Ills())
	}
	return f, nil
}

// MarshalJSON writes a fault as the control API takes it.
func (f Fault) MarshalJSON() ([]byte, error) {
	t := faultText{Device: f.Device, Do: string(f.Do), Code: f.Code, Count: f.Count, Forget: f.Forget}
	for _, d := range []struct {
		of   time.Duration
		into *string
	}{{f.Delay, &t.Delay}, {f.After, &t.After}, {f.For, &t.For}} {
		if d.of != 0 {
			*d.into = d.of.String()
		}
	}
	return json.Marshal(t)
}

// Inject makes a fault happen, at once or After; then an error comes too late and goes to the log.
func (s *Sim) Inject(f Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.After > 0 {
		s.coming = append(s.coming, f)
		return nil
	}
	return s.cause(f)
}

// cause makes a fault happen now.
func (s *Sim) cause(f Fault) error {
	if err := s.field.Cause(f.Fault); err != nil {
		return err
	}
	s.log.Info("fault", "device", f.Device, "do", string(f.Do), "for", f.For)
	if f.Do.Lasts() {
		f.After = 0
		s.ill[f.Device] = &illness{Fault: f, left: f.For}
	}
	return nil
}

// illness is a lasting fault of a device.
type illness struct {
	Fault
	left   time.Duration // of one that does not last until Heal
	warned bool
}

// Heal ends what a device was told to do.
func (s *Sim) Heal(device string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heal(device)
}

func (s *Sim) heal(device string) error {
	if err := s.field.Heal(device); err != nil {
		return err
	}
	if s.ill[device] != nil {
		s.log.Info("healed", "device", device)
	}
	delete(s.ill, device)
	return nil
}

// Faults returns the lasting faults of devices, in order of their names.
func (s *Sim) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Fault{}
	for _, i := range s.ill {
		all = append(all, i.Fault)
	}
	slices.SortFunc(all, func(x, y Fault) int { return strings.Compare(x.Device, y.Device) })
	return all
}

// sicken lets elapsed of real time pass for faults: those that are due begin, those that are over end. A device that cannot come
// back, because somebody took its port, is tried again with each step.
func (s *Sim) sicken(elapsed time.Duration) {
	for device, i := range s.ill {
		if i.For == 0 {
			continue
		}
		if i.left -= elapsed; i.left > 0 {
			continue
		}
		if err := s.heal(device); err != nil && !i.warned {
			i.warned = true
			s.log.Warn("a device cannot come back yet", "device", device, "err", err)
		}
	}
	coming := s.coming
	s.coming = nil
	for _, f := range coming {
		if f.After -= elapsed; f.After > 0 {
			s.coming = append(s.coming, f)
			continue
		}
		if err := s.cause(f); err != nil {
			s.log.Error("a fault did not happen", "err", err)
		}
	}
}
