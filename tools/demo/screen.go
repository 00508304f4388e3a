package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// plainEvery is how often a line is printed where there is no screen.
const plainEvery = 5 * time.Second

// screen shows one screen of figures, redrawn in place on a terminal.
type screen struct {
	tty   bool
	lines int
	last  time.Time
	notes []string
}

func newScreen(plain bool) *screen {
	info, err := os.Stdout.Stat()
	return &screen{tty: !plain && err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"}
}

func (c *screen) note(s string) {
	c.notes = append(c.notes, s)
	if !c.tty {
		fmt.Println(s)
	}
}

func (c *screen) draw(s *site) {
	if !c.tty {
		if time.Since(c.last) < plainEvery {
			return
		}
		if c.last.IsZero() {
			fmt.Printf("page http://%s/   API http://%s/openapi.json   ground truth %s/truth   logs %s\n", s.api, s.api, s.sim.URL(), s.dir)
		}
		c.last = time.Now()
	}
	var sum summary
	err := s.get("/v1/venues/dal-001", &sum)
	st := s.sim.State()
	if !c.tty {
		fmt.Printf("%5.0f s  %-9s truth: %5d in %5d out %5d seated   cloud: %5d in %5d out %5d occupied\n", time.Since(s.began).Seconds(),
			st.Phase, st.Passages.In, st.Passages.Out, st.Seated, sum.In, sum.Out, sum.Occupied)
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  Courtside — %s at %g× life, %s into the event (%s)\n\n", st.Venue, st.Speed, (time.Duration(st.SimulatedSeconds) * time.Second).String(), st.Phase)
	fmt.Fprintf(&b, "  Page          http://%s/\n  API           http://%s/openapi.json\n  Ground truth  %s/truth\n  Logs          %s\n\n", s.api, s.api, s.sim.URL(), s.dir)
	if err != nil {
		fmt.Fprintf(&b, "  The cloud does not answer: %v\n", err)
	} else {
		drawFigures(&b, &sum, st.Passages.In, st.Passages.Out, st.Seated)
	}
	for _, p := range s.programs {
		fmt.Fprintf(&b, "  %-12s %5.1f MB resident\n", p.Name, float64(p.Resident())/1e6)
	}
	for _, n := range c.notes {
		fmt.Fprintf(&b, "\n  %s\n", n)
	}
	b.WriteString("\n  Ctrl-C stops everything.\n")
	c.put(b.String())
}

func drawFigures(b *strings.Builder, sum *summary, in, out uint64, seated int) {
	fmt.Fprintf(b, "                %10s %10s %10s\n", "in", "out", "seated")
	fmt.Fprintf(b, "  Venue         %10d %10d %10d\n", in, out, seated)
	fmt.Fprintf(b, "  Cloud         %10d %10d %10d   %d unknown, %d gaps, %d pending\n\n", sum.In, sum.Out, sum.Occupied, sum.Unknown, sum.Completeness.Gaps, sum.Completeness.PendingBatches)
	for _, g := range sum.Gateways {
		up := 0
		for _, d := range g.Devices {
			if d.State == "up" {
				up++
			}
		}
		fmt.Fprintf(b, "  %-12s %-6s %d of %d devices up, %d batches, clock %s\n", g.Gateway, g.State, up, len(g.Devices), g.Batches, g.Clock)
	}
}

// put replaces what was drawn before.
func (c *screen) put(text string) {
	if c.lines > 0 {
		fmt.Printf("\x1b[%dA", c.lines)
	}
	for _, line := range strings.SplitAfter(text, "\n") {
		if line != "" {
			fmt.Print("\x1b[2K", line)
		}
	}
	now := strings.Count(text, "\n")
	for range max(0, c.lines-now) {
		fmt.Print("\x1b[2K\n")
	}
	c.lines = max(now, c.lines)
}

func (c *screen) end(why string) { fmt.Printf("\n  %s…\n", why) }
