package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// screen is what was written, to be waited for.
type screen struct {
	mu    sync.Mutex
	text  bytes.Buffer
	news  chan struct{}
	shown int // of text, that was waited for
}

func newScreen() *screen { return &screen{news: make(chan struct{}, 1)} }

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	select {
	case s.news <- struct{}{}:
	default:
	}
	return len(b), nil
}

// await waits for a text after what was waited for before, and returns what stands between.
func (s *screen) await(t *testing.T, want string) string {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		rest := s.text.String()[s.shown:]
		if at := strings.Index(rest, want); at >= 0 {
			s.shown += at + len(want)
			s.mu.Unlock()
			return rest[:at]
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-limit:
			t.Fatalf("%q never came, but %q", want, rest)
		}
	}
}

// rig is a console on a pipe.
type rig struct {
	*screen
	t          *testing.T
	in         *os.File
	interrupts chan os.Signal
	state      chan string
	ran        chan []string
	done       chan error
	cancel     context.CancelFunc
}

// start starts a console whose commands print their words; "watch" runs until it is interrupted.
func start(t *testing.T) *rig {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	g := begin(t, r, w)
	t.Cleanup(func() { _ = w.Close() })
	return g
}

func begin(t *testing.T, in, typed *os.File) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	g := &rig{screen: newScreen(), t: t, in: typed, interrupts: make(chan os.Signal, 1), state: make(chan string, 10), ran: make(chan []string, 10), done: make(chan error, 1), cancel: cancel}
	now := "all is well"
	o := Options{In: in, Out: g.screen, Interrupts: g.interrupts,
		Facts: func() Facts {
			return Facts{Board: "qemu-arm64", Image: "courtside-qemu-arm64 1.2, slot A", Gateway: "gw-north of venue dal-001", Network: []string{"end0: 10.0.0.5/24", "vlan20: no address yet"}}
		},
		State: func(context.Context) string {
			select {
			case now = <-g.state:
			default:
			}
			return now
		},
		Run: func(ctx context.Context, args []string, out io.Writer) error {
			g.ran <- args
			if args[0] == "watch" {
				fmt.Fprintln(out, "watching")
				<-ctx.Done()
				return ctx.Err()
			}
			fmt.Fprintf(out, "ran %q\x1b[2Jafter\n", args)
			if args[0] == "doctor" {
				return errors.New("the doctor found\x07 faults")
			}
			return nil
		}}
	go func() { g.done <- Run(ctx, o) }()
	t.Cleanup(func() { // the test has read what it wanted
		cancel()
		<-g.done
		_ = in.Close()
	})
	return g
}

func (g *rig) typed(text string) {
	g.t.Helper()
	if _, err := g.in.WriteString(text); err != nil {
		g.t.Fatal(err)
	}
}

func TestBannerHelpAndCommands(t *testing.T) {
	g := start(t)
	banner := g.await(t, "gwctl> ")
	for _, want := range []string{"board     qemu-arm64\n", "image     courtside-qemu-arm64 1.2, slot A\n", "gateway   gw-north of venue dal-001\n", "network   end0: 10.0.0.5/24\n          vlan20: no address yet\n", "state     all is well\n"} {
		if !strings.Contains(banner, want) {
			t.Errorf("the banner does not say %q:\n%s", want, banner)
		}
	}
	g.typed("help\n")
	if help := g.await(t, "gwctl> "); !strings.Contains(help, "update install https://…") || !strings.Contains(help, "Ctrl-C") {
		t.Errorf("help says\n%s", help)
	}
	g.typed("\r\n  points \"hall temperature\" --bad\r")
	if out := g.await(t, "after"); !strings.Contains(out, `ran ["points" "hall temperature" "--bad"]?[2J`) {
		t.Errorf("it says %q", out)
	}
	g.typed("gwctl doctor -o json\n")
	if out := g.await(t, "gwctl: the doctor found? faults\n"); !strings.Contains(out, `ran ["doctor" "-o" "json"]`) {
		t.Errorf("it says %q", out)
	}
	g.typed("help points\n")
	g.await(t, `ran ["points" "--help"]`)
}

func TestWhatIsRefused(t *testing.T) {
	g := start(t)
	g.await(t, "gwctl> ")
	for line, want := range map[string]string{
		"sh":                                     `"sh" is not for the console`,
		"!sh":                                    "is not for the console",
		"check /etc/passwd":                      `"check" is not for the console`,
		"probe modbus 10.0.0.1":                  "is not for the console",
		"support-bundle x":                       "is not for the console",
		"man /tmp":                               "is not for the console",
		"console":                                "is not for the console",
		"completion bash":                        "is not for the console",
		"spool export /tmp/x":                    `"export" is not for the console: it needs a file`,
		"status --socket /tmp/x":                 "the flag --socket is not for the console",
		"status --socket=/tmp/x":                 "the flag --socket is not for the console",
		"--socket=/tmp/x status":                 `"--socket=/tmp/x" is not for the console`,
		"logs -- x":                              "the flag -- is not for the console",
		"logs x":                                 `logs takes no "x"`,
		"update":                                 "one of these is wanted: update status, update install, update reboot",
		"update confirm":                         "one of these is wanted",
		"update install":                         "the address of the update is wanted",
		"update install /data/x.raucb":           "is no https address",
		"update install http://x/y":              "is no https address",
		"update install file:///etc/passwd":      "is no https address",
		"update install https:///x":              "is no https address",
		"update install https://x/y /etc/passwd": "the address of the update is wanted",
		"update install https://x/y --keyring /x":      "the flag --keyring is not for the console",
		"update install https://x/y --allow-downgrade": "the flag --allow-downgrade is not for the console",
		"points --why=x":                         "the flag --why is not for the console",
		"points \"x":                             "a quote is not closed",
		"points \x1b[A":                          "that was no text",
		"\x00\x01\xff\xfe\x80":                   "that was no text",
		"points " + strings.Repeat("x", 3000):    "that was no text",
		"points " + strings.Repeat("x", 100_000): "that was no text",
	} {
		g.typed(line + "\n")
		if out := g.await(t, "gwctl> "); !strings.Contains(out, want) {
			t.Errorf("%.60q gives %q, want %q", line, out, want)
		}
	}
	select {
	case args := <-g.ran:
		t.Errorf("%q ran", args)
	default:
	}
}

func TestWhatIsPermitted(t *testing.T) {
	for _, line := range []string{"status", "status -o json", "doctor --all", "points hall --limit 3 --look=2s --why", "watch x --count 2", "plan plc-1", "spool", "uplink", "logs -n 20 --level warn", "top --once", "version",
		"update status", "update install https://x.example/a/b.raucb --reboot", "update reboot --force", "event begin --for 4h", "event end", "status --help", "update install -h"} {
		words, err := split([]byte(line))
		if err == nil {
			err = permit(words)
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestCtrlC ends a command, and at the prompt gives up the line; the console goes on.
func TestCtrlC(t *testing.T) {
	g := start(t)
	g.await(t, "gwctl> ")
	g.typed("watch x\n")
	g.await(t, "watching\n")
	g.interrupts <- syscall.SIGINT
	g.await(t, "gwctl> ")
	g.interrupts <- syscall.SIGINT
	g.await(t, "gwctl> ")
	g.typed("status\n")
	g.await(t, `ran ["status"]`)
}

// TestTheStateIsShownWhenItChanges waits at the prompt.
func TestTheStateIsShownWhenItChanges(t *testing.T) {
	g := start(t)
	g.await(t, "state     all is well\n")
	g.state <- "WAITING: no configuration\x1b]0;x yet"
	if between := g.await(t, "\nstate     WAITING: no configuration?]0;x yet\ngwctl> "); strings.Contains(between, "state ") {
		t.Errorf("it says the same again: %q", between)
	}
}

func TestAPipeThatEndsEndsIt(t *testing.T) {
	g := start(t)
	g.typed("status\nstat")
	if err := g.in.Close(); err != nil {
		t.Fatal(err)
	}
	g.await(t, `ran ["status"]`)
	if err := <-g.done; err != nil {
		t.Error(err)
	}
	g.done <- nil
}

func TestItEnds(t *testing.T) {
	g := start(t)
	g.await(t, "gwctl> ")
	g.cancel()
	if err := <-g.done; err != nil {
		t.Error(err)
	}
	g.done <- nil
}

func TestPlainKeepsCharactersWhole(t *testing.T) {
	var b bytes.Buffer
	p := &plain{w: &b}
	for _, c := range []byte("µs …\t\x1b\x9b\u009b\x7f\n\xffz") {
		if n, err := p.Write([]byte{c}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := b.String(); got != "µs …\t????\n?z" {
		t.Errorf("it writes %q", got)
	}
}

// FuzzSplit takes a line apart and puts it together again.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "status", "points 'a b' \"c\"", "\x00", "a'b c'd", "''", "\t x", "\xff", "update install https://a/b?c=d"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		words, err := split(line)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range words {
			if !utf8.ValidString(w) || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				t.Fatalf("%q holds the word %q", line, w)
			}
			mark := "'"
			if strings.Contains(w, mark) {
				mark = `"`
			}
			if strings.Contains(w, mark) {
				return // both kinds of quotes in one word cannot be written in one piece
			}
			quoted = append(quoted, mark+w+mark)
		}
		if len(line) < maxLineBytes/2 {
			if again, err := split([]byte(strings.Join(quoted, " "))); err != nil || !slices.Equal(again, words) {
				t.Errorf("%q becomes %q, then %q, %v", line, words, again, err)
			}
		}
		if len(words) > 0 {
			_ = permit(words) // never panics
		}
	})
}
