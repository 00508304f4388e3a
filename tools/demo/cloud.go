package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answerPatience bounds one question to the API.
const answerPatience = 5 * time.Second

// get reads one answer of the API into into; nil only wants a good status.
func (s *site) get(path string, into any) error {
	client := http.Client{Timeout: answerPatience}
	resp, err := client.Get("http://" + s.api + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // what was said, as far as it came
		return fmt.Errorf("GET %s: %s: %s", path, resp.Status, body)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// The parts of the API's answers that the demo uses; it reads them over REST as any program would.
type summary struct {
	Occupied, Free, Unknown, Seats int
	In, Out                        uint64
	Inside                         int64
	Completeness                   struct {
		Gaps           int
		PendingBatches uint64 `json:"pending_batches"`
		SetAside       uint64 `json:"set_aside"`
	}
	Gateways []struct {
		Gateway string
		State   string
		Batches uint64
		Clock   string
		Devices []struct{ Device, State string }
	}
}

type gates struct {
	In, Out uint64
	Gates   []struct {
		Gate    string
		In, Out uint64
	}
}

type seats struct {
	Seats []struct{ Place, State string }
}
