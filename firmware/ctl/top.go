package ctl

import (
	"context"
	"fmt"
	"os"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/console"
	"github.com/courtside-edge/courtside/firmware/diag"
)

func topCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "top", Short: "The gateway live: devices, scan classes, overruns, lanes, backlog, link; works at 80×24", Args: cobra.NoArgs,
		Long: "top shows the gateway live, once a second, and works at 80×24 over ssh. Keys: up and down scroll the devices, p pauses, q ends."}
	every := c.Flags().Duration("every", time.Second, "how often to ask, at least 200ms")
	once := c.Flags().Bool("once", false, "one screen of 80×24 without colour, then end; for terminals that cannot")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *every < 200*time.Millisecond {
			return diag.Usage("--every %v: at least 200ms", *every)
		}
		m := &top{client: o.client(), ctx: c.Context(), every: *every, width: 80, height: 24}
		if *once {
			m.take(m.ask())
			if m.err != nil {
				return m.err
			}
			m.plain = true
			if o.output == "json" {
				return o.print(c.OutOrStdout(), map[string]any{"status": m.now.status, "uplink": m.now.link, "spool": m.now.storage}, nil)
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), m.View())
			return err
		}
		if first := m.ask(); first.err != nil { // said at the shell's prompt, not on a screen that goes away
			return first.err
		}
		if o.output == "json" {
			return diag.Usage("top -o json: --once is needed with it")
		}
		if !console.IsTerminal(os.Stdin) || !console.IsTerminal(os.Stdout) {
			return diag.Usage("top needs a terminal; --once writes one screen anywhere")
		}
		// Signals end the context; a second handler would hand its own message to a loop that has ended, and wait for ever.
		_, err := tea.NewProgram(m, tea.WithAltScreen(), tea.WithContext(c.Context()), tea.WithoutSignalHandler(), tea.WithInput(os.Stdin), tea.WithOutput(c.OutOrStdout())).Run()
		if c.Context().Err() != nil {
			return nil
		}
		return err
	}
	return c
}

// top is the model of the live screen.
type top struct {
	client        *diag.Client
	ctx           context.Context
	every         time.Duration
	width, height int
	scroll        int
	paused        bool
	plain         bool // without bold heads

	now, before sight
	err         error
}

// sight is what was seen at one moment.
type sight struct {
	at      time.Time
	status  diag.Status
	link    diag.Connection
	storage diag.Storage
	err     error
}

type tick struct{}

// ask asks the gateway for everything that the screen shows.
func (m *top) ask() (s sight) {
	s.at = time.Now()
	if s.status, s.err = m.client.Status(m.ctx); s.err != nil {
		return s
	}
	if s.link, s.err = m.client.Connection(m.ctx); s.err != nil {
		return s
	}
	s.storage, s.err = m.client.Storage(m.ctx)
	return s
}

// take makes s what is shown. A gateway that does not answer leaves the last sight on the screen, and is said.
func (m *top) take(s sight) {
	m.err = s.err
	if s.err == nil {
		m.before, m.now = m.now, s
	}
}

// Init implements tea.Model.
func (m *top) Init() tea.Cmd { return func() tea.Msg { return m.ask() } }

// Update implements tea.Model.
func (m *top) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case sight:
		m.take(msg)
		return m, tea.Tick(m.every, func(time.Time) tea.Msg { return tick{} })
	case tick:
		if m.paused {
			return m, tea.Tick(m.every, func(time.Time) tea.Msg { return tick{} })
		}
		return m, m.Init()
	case tea.KeyMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return m, tea.Quit
		case "p", " ":
			m.paused = !m.paused
		case "down", "j":
			m.scroll++
		case "up", "k":
			m.scroll--
		case "pgdown":
			m.scroll += 10
		case "pgup":
			m.scroll -= 10
		}
		m.scroll = min(max(m.scroll, 0), max(len(m.rows())-1, 0))
	}
	return m, nil
}
