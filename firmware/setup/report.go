package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// ReportFile is the report's name in the folder.
const ReportFile = "REPORT.txt"

// NoReport as a report's name writes none: the folder is known to be as it was, and is mounted for reading.
const NoReport = "-"

// tempReport is what the report is called until it is whole. Eight and three letters: no long name is needed for it.
const tempReport = "REPORT.TMP"

// Outcome is what became of the folder.
type Outcome string

// The outcomes.
const (
	Taken     Outcome = "taken"     // everything that was new
	Unchanged Outcome = "unchanged" // nothing was new
	Refused   Outcome = "refused"   // something was wrong; nothing was taken
	Failed    Outcome = "failed"    // this device could not take it
	Absent    Outcome = "absent"    // there is no folder
)

// Report is what became of a boot's setup.
type Report struct {
	Outcome    Outcome
	Gateway    string // "gw-north of venue dal-001"; empty without a configuration
	Configured bool   // there is a configuration, from now or from before
	Version    string
	Image      string
	Board      string
	Written    string // the time, or that there is none yet
	Found      []Note
	Faults     []string // in lines
	Warnings   []string
	Network    []string
	Next       []string
}

// Note says what became of one file.
type Note struct{ File, What string }

// written says when, as far as that is known.
func written(now time.Time, clockSet bool) string {
	if !clockSet {
		return "clock not set yet: this was written at a start, before the network brought the time"
	}
	return now.UTC().Format("2006-01-02 15:04:05 UTC")
}

// result is the report in one sentence.
func (r *Report) result() string {
	kept := "The gateway has no configuration and waits."
	if r.Configured {
		kept = "What was taken before stays in use."
	}
	switch r.Outcome {
	case Taken:
		return "TAKEN. Everything in this folder is right and in use from now on."
	case Unchanged:
		if !r.Configured {
			return "WAITING. There is no configuration yet."
		}
		return "NOTHING NEW. What was taken before is in use."
	case Absent:
		return "NO FOLDER. " + kept
	case Failed:
		return "FAILED. This device could not take what is in this folder; it tries again at the next start. " + kept
	}
	n := fmt.Sprintf("%d faults", len(r.Faults))
	if len(r.Faults) == 1 {
		n = "one fault"
	}
	return "NOT TAKEN: " + n + ", see below. Nothing has changed. " + kept
}

// Text is REPORT.txt, with the line ends of Windows.
func (r *Report) Text() string {
	var b strings.Builder
	gateway := r.Gateway
	if gateway == "" {
		gateway = "not configured yet"
	}
	fmt.Fprintf(&b, "Courtside: what became of this folder\n\n%s\n\n", r.result())
	fmt.Fprintf(&b, "%s%s\nGateway   %s\nImage     %s\nBoard     %s\nSoftware  %s\n",
		writtenHead, r.Written, gateway, orUnknown(r.Image), orUnknown(r.Board), orUnknown(r.Version))
	if len(r.Found) > 0 {
		b.WriteString("\nFOUND\n")
		width := 0
		for _, n := range r.Found {
			width = max(width, len(n.File))
		}
		for _, n := range r.Found {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, n.File, n.What)
		}
	}
	for _, part := range []struct {
		head  string
		items []string
	}{{"TO BE PUT RIGHT", r.Faults}, {"TO KNOW", r.Warnings}, {"NETWORK: WHAT IT ASKS FOR", r.Network}, {"WHAT HAPPENS NEXT", r.Next}} {
		if len(part.items) == 0 {
			continue
		}
		b.WriteString("\n" + part.head + "\n")
		for i, item := range part.items {
			fmt.Fprintf(&b, "  %d. %s\n", i+1, strings.ReplaceAll(item, "\n", "\n     "))
		}
	}
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}

const writtenHead = "Written   "

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// maxShort is how many faults the console shows; the report has all.
const maxShort = 8

// Short is the report for a console, a line each.
func (r *Report) Short() (lines []string) {
	who := "this gateway"
	if r.Gateway != "" {
		who = r.Gateway
	}
	lines = append(lines, who+": "+r.result())
	for i, f := range r.Faults {
		if i == maxShort {
			lines = append(lines, fmt.Sprintf("fault: and %d more, see %s", len(r.Faults)-i, ReportFile))
			break
		}
		first, _, _ := strings.Cut(f, "\n")
		lines = append(lines, "fault: "+first)
	}
	for _, w := range r.Warnings {
		lines = append(lines, "to know: "+w)
	}
	for _, n := range r.Network {
		lines = append(lines, "network: "+n)
	}
	for _, n := range r.Next {
		lines = append(lines, "next: "+n)
	}
	return lines
}

// save writes the report into the folder, unless it says the same already but for the time: a medium that is not written to is not
// broken by a power cut.
func (r *Report) save(root *os.Root, name string) error {
	text := r.Text()
	if was, err := root.ReadFile(name); err == nil && timeless(string(was)) == timeless(text) {
		return nil
	}
	err := writeReport(root, name, text)
	if err != nil {
		_ = root.Remove(tempReport) // half of it would fill a full medium
	}
	return err
}

func writeReport(root *os.Root, name, text string) (err error) {
	f, err := root.Create(tempReport)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Rename(tempReport, name); err != nil {
		return err
	}
	return syncRoot(root)
}

func timeless(report string) string {
	before, rest, ok := strings.Cut(report, writtenHead)
	_, after, also := strings.Cut(rest, "\n")
	if !ok || !also {
		return report
	}
	return before + after
}

func syncRoot(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// erase overwrites a file of the folder and removes it. Flash keeps copies of what was written over that no program reaches; a medium
// that was lost with a key on it needs a new key.
func erase(root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Remove(name); err != nil {
		return err
	}
	return syncRoot(root)
}
