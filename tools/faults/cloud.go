package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/courtside-edge/courtside/sync/point"
)

// answerPatience bounds one question to the API.
const answerPatience = 5 * time.Second

// get reads one answer of the API, as any program would.
func (r *Rig) get(path string, into any) error { return ask(r.api, venue, path, into) }

// ask reads one answer about a venue.
func ask(api string, venue point.ID, path string, into any) error {
	client := http.Client{Timeout: answerPatience}
	resp, err := client.Get("http://" + api + "/v1/venues/" + string(venue) + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // what was said, as far as it came
		return fmt.Errorf("GET %s: %s: %s", path, resp.Status, body)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// summary is the part of an answer that the rig uses.
type summary struct {
	Completeness struct {
		Points, Known  int
		Gaps           int
		PendingBatches uint64 `json:"pending_batches"`
		AwaitingTable  int    `json:"awaiting_table"`
		SetAside       uint64 `json:"set_aside"`
	}
}

type gates struct {
	Declared uint64 `json:"declared_lost"`
	Gates    []struct {
		Gate    string
		In, Out uint64
	}
}

type seatList struct {
	Seats []struct{ Place, State string }
}

type gapList struct {
	Gaps []struct {
		Gateway, Reason, Epoch, Lane string
		Point                        string
		Count                        uint64
		From                         uint64 `json:"from_seq"`
		To                           uint64 `json:"to_seq"`
	}
}

// seesEverything wants every point known.
func (r *Rig) seesEverything() error {
	var s summary
	if err := r.get("", &s); err != nil {
		return err
	}
	want := len(r.plants) * (counters + seats + beats)
	if c := s.Completeness; c.Points != want || c.Known != want || c.PendingBatches != 0 {
		return fmt.Errorf("%d of %d points are known, %d batches pending", c.Known, want, c.PendingBatches)
	}
	return nil
}

// compare returns everything in which the cloud's answers differ from what is true.
func (r *Rig) compare() (differences []string, err error) {
	var s summary
	var g gates
	var all seatList
	var lost gapList
	for path, into := range map[string]any{"": &s, "/gates": &g, "/seats": &all, "/gaps": &lost} {
		if err := r.get(path, into); err != nil {
			return nil, err
		}
	}
	differ := func(format string, a ...any) { differences = append(differences, fmt.Sprintf(format, a...)) }
	if c := s.Completeness; c.PendingBatches != 0 || c.SetAside != 0 || c.AwaitingTable != 0 || c.Known != c.Points {
		differ("%d batches pending, %d set aside, %d wait for a table, %d of %d points known", c.PendingBatches, c.SetAside, c.AwaitingTable, c.Known, c.Points)
	}
	for _, l := range lost.Gaps {
		if l.Reason == "unaccounted" {
			differ("gap: %+v", l)
		}
	}
	have := map[string]uint64{}
	for _, gate := range g.Gates {
		have[gate.Gate+" in"], have[gate.Gate+" out"] = gate.In, gate.Out
	}
	states := map[string]string{}
	for _, seat := range all.Seats {
		states[seat.Place] = seat.State
	}
	for n, p := range r.plants {
		for c := range counters {
			key := gatePlace(n, c) + [...]string{" in", " out"}[c%2]
			if want := p.passages(c); have[key] != want {
				differ("%s: %d passages, the cloud has %d", key, want, have[key])
			}
		}
		for i, taken := range p.taken {
			want := map[bool]string{false: "free", true: "occupied"}[taken]
			if got := states[seatPlace(n, i)]; got != want {
				differ("seat %s is %s, the cloud says %s", seatPlace(n, i), want, got)
			}
		}
	}
	return differences, nil
}
