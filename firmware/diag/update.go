package diag

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Update is how a gateway stands with its two slots and with updates.
type Update struct {
	Problem  string         `json:"problem,omitempty"` // why no update can be installed here at all
	Image    string         `json:"image,omitempty"`
	Version  string         `json:"version,omitempty"`
	Slot     string         `json:"slot,omitempty"`
	Good     string         `json:"good,omitempty"` // the slot that was confirmed last
	Trial    bool           `json:"trial"`          // the running slot is not confirmed, and may be rolled back
	Slots    []UpdateSlot   `json:"slots,omitempty"`
	Install  Install        `json:"install"`
	Event    *Event         `json:"event,omitempty"`      // that is on
	Next     *Event         `json:"next_event,omitempty"` // that is next within a week
	Refused  map[string]int `json:"refused,omitempty"`    // how many updates were refused, by reason
	Installs map[string]int `json:"installs,omitempty"`   // how many were installed ("done") and were not ("failed")
}

// UpdateSlot is one slot.
type UpdateSlot struct {
	Slot    string `json:"slot"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"` // of the update that was written to it; empty when none was
	Booted  bool   `json:"booted"`
	Good    bool   `json:"good"` // the boot loader would take it
	Next    bool   `json:"next"` // it is booted next
}

// Install is an install: the one under way, or the last one since the gateway's start.
type Install struct {
	State   string    `json:"state"` // none, running, done, failed
	Source  string    `json:"source,omitempty"`
	Version string    `json:"version,omitempty"`
	Percent int       `json:"percent,omitempty"`
	Step    string    `json:"step,omitempty"`
	Begun   time.Time `json:"begun,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Fetched uint64    `json:"fetched_bytes,omitempty"` // over the network
	Retries uint64    `json:"retries,omitempty"`       // after cut links
	Error   string    `json:"error,omitempty"`
	Reboot  string    `json:"reboot,omitempty"` // asked for, or why it was not
}

// Event is a window during which no update is installed and no reboot made.
type Event struct {
	Name  string        `json:"name"`
	From  time.Time     `json:"from,omitzero"`
	Until time.Time     `json:"until,omitzero"` // zero when the time is not known
	Left  time.Duration `json:"left_ns,omitempty"`
	By    string        `json:"by"` // calendar, command, or clock: the time is not known, so that the calendar cannot be read
}

// String says the event as people read it.
func (e *Event) String() string {
	switch {
	case e.By == "clock":
		return "the time is not known, so that nobody can tell whether an event of the calendar is on"
	case e.Until.IsZero():
		return fmt.Sprintf("%s, for %s more", e.Name, e.Left.Round(time.Second))
	}
	return fmt.Sprintf("%s, until %s", e.Name, e.Until.Format("Mon 2006-01-02 15:04 MST"))
}

// Updating is a gateway's update in short, for its status.
type Updating struct {
	Version string         `json:"version"`
	Slot    string         `json:"slot"`
	Trial   bool           `json:"trial"`
	Install string         `json:"install"` // as Install.State
	Event   *Event         `json:"event,omitempty"`
	Refused map[string]int `json:"refused,omitempty"`
	Done    map[string]int `json:"installs,omitempty"`
}

// InstallRequest asks for an install.
type InstallRequest struct {
	Source    string `json:"source"`          // an absolute path, or an https address
	Force     bool   `json:"force"`           // in spite of an event
	Downgrade bool   `json:"allow_downgrade"` // in spite of a version that is not newer
	Reboot    bool   `json:"reboot"`          // when it has succeeded
}

// Updater is a gateway that updates its image. Local answers for a Gateway that is one. What it will not do wraps ErrRefused.
type Updater interface {
	Update(ctx context.Context) Update
	// InstallUpdate begins an install, once the update was inspected and admitted.
	InstallUpdate(ctx context.Context, r InstallRequest) (Install, error)
	// Reboot asks for a reboot of the machine; force in spite of an event.
	Reboot(ctx context.Context, force bool) error
	BeginEvent(ctx context.Context, lasts time.Duration) (Event, error)
	// EndEvent ends the event that was begun by command. What is on afterwards, by the calendar, is returned; nil for nothing.
	EndEvent(ctx context.Context) (*Event, error)
}

// maxRequestBytes is the longest request that is read.
const maxRequestBytes = 64 << 10

// updates answers about updates and events.
func updates(mux *http.ServeMux, u Updater) {
	mux.HandleFunc("GET /update", func(w http.ResponseWriter, r *http.Request) { answer(w, u.Update(r.Context()), nil) })
	mux.HandleFunc("POST /update/install", func(w http.ResponseWriter, r *http.Request) {
		var req InstallRequest
		if err := json.NewDecoder(io.LimitReader(r.Body, maxRequestBytes)).Decode(&req); err != nil {
			answer(w, nil, fmt.Errorf("%w: the request cannot be read: %w", ErrRefused, err))
			return
		}
		out, err := u.InstallUpdate(r.Context(), req)
		answer(w, out, err)
	})
	mux.HandleFunc("POST /update/reboot", func(w http.ResponseWriter, r *http.Request) {
		answer(w, true, u.Reboot(r.Context(), r.URL.Query().Get("force") == "true"))
	})
	mux.HandleFunc("POST /event", func(w http.ResponseWriter, r *http.Request) {
		lasts, err := time.ParseDuration(r.URL.Query().Get("for"))
		if err != nil {
			answer(w, nil, fmt.Errorf("%w: how long the event lasts cannot be read: %w", ErrRefused, err))
			return
		}
		e, err := u.BeginEvent(r.Context(), lasts)
		answer(w, e, err)
	})
	mux.HandleFunc("DELETE /event", func(w http.ResponseWriter, r *http.Request) {
		e, err := u.EndEvent(r.Context())
		answer(w, e, err)
	})
}

// Update asks how the gateway stands with its slots and with updates.
func (c *Client) Update(ctx context.Context) (u Update, err error) {
	return u, c.get(ctx, "/update", &u)
}

// InstallUpdate asks for an install, and returns once it has begun.
func (c *Client) InstallUpdate(ctx context.Context, r InstallRequest) (out Install, err error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxPatience)
	defer cancel()
	resp, err := c.send(ctx, http.MethodPost, "/update/install", bytes.NewReader(raw))
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes)).Decode(&out); err != nil {
		return out, fmt.Errorf("asking the gateway: %w", err)
	}
	return out, nil
}

// Reboot asks for a reboot of the machine.
func (c *Client) Reboot(ctx context.Context, force bool) error {
	var ok bool
	return c.ask(ctx, http.MethodPost, "/update/reboot?force="+strconv.FormatBool(force), &ok)
}

// BeginEvent begins an event by command.
func (c *Client) BeginEvent(ctx context.Context, lasts time.Duration) (e Event, err error) {
	return e, c.ask(ctx, http.MethodPost, "/event?for="+lasts.String(), &e)
}

// EndEvent ends the event that was begun by command; what the calendar says stays.
func (c *Client) EndEvent(ctx context.Context) (e *Event, err error) {
	return e, c.ask(ctx, http.MethodDelete, "/event", &e)
}
